"""The wheel as an operator gets it: installed away from the checkout, set up and run."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.flow.site import ROOT, free_port, until
from tests.programs import needs

FORCED = {"templates": "publisher/_data/templates", "config": "publisher/_data/config"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def pip() -> list[str]:
    """That of this environment, or another one told to work on it."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return [needs("pip3"), "--python", sys.executable]


def files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


def test_it_holds_the_program_and_what_it_needs_and_nothing_else(wheel: Path) -> None:
    expected = {f"publisher/{name}" for name in files(ROOT / "publisher")}
    for folder, place in FORCED.items():
        expected |= {f"{place}/{name}" for name in files(ROOT / folder)}
    with zipfile.ZipFile(wheel) as packed:
        found = {name for name in packed.namelist() if ".dist-info/" not in name}
    assert found == expected
    for name in (
        "publisher/_data/templates/email/digest.html",
        "publisher/_data/templates/web/static/paper.css",
        "publisher/_data/config/publisher.toml",
        "publisher/demo/articles/science/counting-the-basin.html",
        "publisher/demo/pages/inbox.css",
        "publisher/locale/ar.po",
        "publisher/store/migrations/env.py",
        "publisher/store/migrations/versions/0001_first.py",
    ):
        assert name in found


def test_a_paper_is_set_up_and_run_with_it_alone(wheel: Path, tmp_path: Path) -> None:
    program, paper = tmp_path / "program", tmp_path / "paper"
    paper.mkdir()
    own = {name: value for name, value in os.environ.items() if "PUBLISHER" not in name}
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(program)]
    subprocess.run(
        [*pip(), *install, "--disable-pip-version-check", str(wheel)],
        env=own,
        check=True,
        capture_output=True,
    )
    port = free_port()
    environ = own | {"PYTHONPATH": str(program), "PUBLISHER_WEB__PORT": str(port)}
    command = str(program / "bin" / "publisher")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            arguments, cwd=paper, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    whence = run(sys.executable, "-c", "import publisher; print(publisher.__file__)")
    assert Path(whence.strip()) == program / "publisher" / "__init__.py"
    assert "wrote config/publisher.toml" in run(command, "init")
    (paper / "articles" / "one.md").write_text("---\ntitle: The first one\n---\n\nIts text.\n")
    with running([command, "run"], paper, environ):
        until(lambda: b"The first one" in get(port, "/feeds/all/atom.xml"), "the feed")
        until(lambda: b"The first one" in get(port, "/feeds/"), "the front page")
        assert get(port, "/feeds/static/paper.css")
    run(command, "newsletters", "preview", "daily")
    assert "The first one" in (paper / "daily.html").read_text()


def get(port: int, path: str) -> bytes:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as reply:
        return bytes(reply.read())
    return b""


@contextmanager
def running(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(15) == 0, (folder / "log").read_text()
