"""Takes away the files of categories that moved or were given up, so that nobody serves them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from publisher.errors import TransientError
from publisher.kit.files import inside, locked


def remove(directory: Path, slugs: Iterable[str]) -> int:
    """Remove the folders of these categories; how many there were.

    Raises TransientError when one cannot be removed.
    """
    folders = [inside(directory, slug) for slug in slugs]
    there = [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]
    if not there:
        return 0
    with locked(directory / ".built.lock"):
        for folder in there:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise TransientError(f"{folder} cannot be removed: {error.strerror}") from error
    return len(there)
