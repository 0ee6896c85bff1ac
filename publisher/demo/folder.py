"""The folder of the demo: empty at each start, its own, and nobody else's."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.errors import ConfigurationError
from publisher.kit.lock import Lock, LockedError

_MARK = "made-by-publisher-demo"


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """The demo's folder, empty, and ours alone in this block.

    Raises ConfigurationError for one that the demo did not make, and while another demo uses it.
    """
    if folder.is_symlink() or (folder.exists() and not (folder / _MARK).is_file()):
        raise ConfigurationError(
            f"{folder.absolute()} was not made by the demo; move it away first"
        )
    mark = Lock(folder / _MARK)
    try:
        mark.acquire()
        if (folder / "var").exists():  # a demo that was killed may have left its daemon
            with Lock(folder / "var" / "publisher.lock"):
                pass
    except LockedError as error:
        mark.release()
        raise ConfigurationError(f"a demo is still running here: {error}") from error
    with mark:
        try:
            for each in folder.iterdir():
                if each.is_dir() and not each.is_symlink():
                    shutil.rmtree(each)
                elif each.name != _MARK:
                    each.unlink()
            (folder / "articles").mkdir()
        except OSError as error:
            raise ConfigurationError(f"{error.filename}: {error.strerror}") from error
        yield folder.absolute()
