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
