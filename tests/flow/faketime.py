"""A clock of a test's own, which the daemon goes by (libfaketime)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.flow.site import Site
from tests.programs import needs

LIBRARIES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")


def library() -> str:
    """libfaketime, for several threads; it comes with the program of the same name."""
    for folder in LIBRARIES:
        for found in Path("/").glob(f"{folder[1:]}/libfaketimeMT.so.1"):
            return str(found)
    program = needs("faketime")
    raise FileNotFoundError(f"libfaketimeMT.so.1, which belongs to {program}")


def it_is(site: Site, moment: str, library: str) -> None:
    """Let what is started from now on think that it starts then (UTC)."""
    site.environ = {**_environment(library), "FAKETIME": f"@{moment}"}


@dataclass
class Clock:
    """What is started on the site goes by it, a second after it was set."""

    site: Site
    ahead: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.set(self.ahead)
        self.site.environ = {
            **_environment(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # second, after which it looks again
        }

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def set(self, ahead: timedelta) -> None:
        """So far ahead of ours."""
        self.ahead = ahead
        other = self._file.with_suffix(".new")
        other.write_text(f"{ahead.total_seconds():+.3f}")
        other.replace(self._file)

    def set_to(self, moment: datetime) -> None:
        self.set(moment - datetime.now(UTC))

    @property
    def _file(self) -> Path:
        return self.site.folder / "clock"


def _environment(library: str) -> dict[str, str]:
    return {
        "LD_PRELOAD": library,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the event loop's own clock is left alone
        "NO_FAKE_STAT": "1",
        "TZ": "UTC",
    }
