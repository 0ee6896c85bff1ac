"""Programs and real inputs that some tests need and not every machine has."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

STRICT = bool(os.environ.get("TESTS_STRICT"))
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def needs(program: str) -> str:
    """The program's path; without it the test skips, or fails where all tools must be there."""
    found = shutil.which(program)
    if found is None:
        lacking(f"needs the program {program} (`make tools` installs it)")
    return found


def node_package(name: str) -> Path:
    """The folder of a package of `tests/node/package.json`; without it the test skips or fails."""
    needs("node")
    found = Path(__file__).parent / "node" / "node_modules" / name
    if not found.is_dir():
        lacking(f"needs the npm package {name} (`make tools` installs it)")
    return found


def feedvalidator() -> Path:
    """W3C's feedvalidator, its `src` folder, from a checkout that `FEEDVALIDATOR` names."""
    named = os.environ.get("FEEDVALIDATOR")
    if not named:
        pytest.skip("needs W3C's feedvalidator: FEEDVALIDATOR names a checkout of it")
    return Path(named) / "src"


def lacking(reason: str) -> NoReturn:
    """Skip the test, or fail it where all tools must be there."""
    if STRICT:
        pytest.fail(reason)
    pytest.skip(reason)


def real(name: str) -> Path:
    """A file of real input that lies beside the checkout, where there is one."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the real input {name}, which is not part of the repository")
    return path
