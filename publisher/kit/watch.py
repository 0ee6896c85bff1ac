"""Tells when files change: a folder with all that lies in it, or a single file."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import structlog
from watchfiles import Change, DefaultFilter, awatch

_GATHER = 400  # milliseconds for changes that belong together to come in
_LOOK = 1_000  # milliseconds after which to look whether we still watch the right thing
_PAUSE = 5.0  # seconds before trying again what cannot be watched

log = structlog.get_logger()


async def changes(path: Path) -> AsyncGenerator[None]:
    """Yields at once, and then whenever something may have changed at `path` or below it.

    It may be missing yet, and may be replaced: what stands there counts, not what was there first.
    """
    trouble = ""
    while True:
        yield
        watched = _Place(path)
        try:
            # Once more when the watch has begun: what came before it was not seen.
            first = True
            async with aclosing(watched.events()) as events:
                async for happened in events:
                    if happened or first:
                        yield
                    first = False
                    if _Place(path) != watched:
                        break
        except (OSError, RuntimeError) as error:
            if trouble != str(error):
                trouble = str(error)
                log.warning(
                    "cannot be watched; it is looked at now and then", path=path, reason=trouble
                )
            await asyncio.sleep(_PAUSE)


class _Place:
    """The folder to be watched for `path`: itself, or the one around a file or what is missing.

    A file is replaced rather than written by most programs, and a watch would stay with the old.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole = path.is_dir()
        self._folder = path if self._whole else path.parent
        try:
            status = self._folder.stat()
            self._identity = (status.st_dev, status.st_ino)
        except OSError:
            self._identity = (0, 0)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same folder on the disk, watched in the same way."""
        return (
            isinstance(other, _Place)
            and (self._whole, self._folder) == (other._whole, other._folder)
            and self._identity == other._identity
        )

    def events(self) -> AsyncGenerator[set[tuple[Change, str]]]:
        """The changes that came together; an empty set now and then, so that one can look."""
        return awatch(
            self._folder,
            watch_filter=DefaultFilter() if self._whole else self._is_path,
            debounce=_GATHER,
            step=100,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            recursive=self._whole,
        )

    def _is_path(self, _: Change, changed: str) -> bool:
        return Path(changed).name == self._path.name
