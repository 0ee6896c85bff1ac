"""The folder that feeds and pages are written to: touched only where something changes."""

import os
from contextlib import suppress
from pathlib import Path

from publisher.kit.files import inside, remove_with_gzip, write_if_changed, write_with_gzip


class OutputFolder:
    """Every file but the packed ones has a compressed twin beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written = 0
        """Files written or removed so far, each compressed twin counted."""

    def write(self, data: bytes, *parts: str, packed: bool = True) -> None:
        path = inside(self.root, *parts)
        self.written += write_with_gzip(path, data) if packed else write_if_changed(path, data)

    def remove(self, *parts: str) -> bool:
        """False where it was not there."""
        count = remove_with_gzip(inside(self.root, *parts))
        self.written += count
        return count > 0

    def has(self, *names: str) -> bool:
        """Whether all these files are there, with their twins."""
        return all((self.root / each).is_file() for name in names for each in (name, f"{name}.gz"))

    def folders_in(self, name: str) -> int:
        with suppress(FileNotFoundError):
            return sum(1 for each in os.scandir(self.root / name) if each.is_dir())
        return 0

    def names_in(self, *parts: str) -> list[str]:
        with suppress(FileNotFoundError):
            return [each.name for each in inside(self.root, *parts).iterdir()]
        return []
