"""The newspaper of the demo: its articles dated relative to now, its configuration, its readers."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from publisher.core.model import Cadence
from publisher.kit.files import write_if_changed

_HERE = Path(__file__).resolve().parent
_ARTICLES = _HERE / "articles"
_BREAKING = _HERE / "breaking" / "lantern-bridge-stuck-open.md"

_AGE = re.compile(r"^hours_ago(\s*[:=]\s*)([\d.]+)$", re.MULTILINE)
"""Stands in a sample's front matter (YAML or TOML) in place of its `date`."""

_TITLE = re.compile(r'^title: "(.+)"$', re.MULTILINE)

DEMO_CONFIG = """\
# The demo's newspaper. `publisher demo` writes this file anew at every start.

[site]
title = "The Harbour Courier"
url = "http://127.0.0.1:{http_port}"
language = "en"
zone = "{zone}"
contact = "editor@courier.example"
default_category = "City"

[web]
host = "127.0.0.1"
port = {http_port}

[mail]
sender = "The Harbour Courier <courier@courier.example>"

[[mail.relays]]
url = "smtp://127.0.0.1:{smtp_port}"     # the demo's own mail catcher: nothing leaves this machine

[[sources]]
kind = "folder"
path = "articles"

[[newsletters]]
slug = "morning"
title = "The Morning Tide"
cadences = ["daily", "weekly"]
at = "{at}"                            # soon, so that you can wait for it
zone = "{zone}"

[[newsletters]]
slug = "alerts"
title = "Courier Alerts"
cadences = ["immediate"]
window = 1                            # seconds to gather before the mail goes out
zone = "{zone}"
"""

_ZONE = "Europe/Berlin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A subscriber of the demo; None stands for the newsletter's own choice."""

    address: str
    name: str
    zone: str
    newsletter: str
    cadence: Cadence
    categories: tuple[str, ...] | None = None
    """Slugs."""
    at: time | None = None


READERS = (
    Reader(
        address="marit@inbox.example",
        name="Marit Solvang",
        zone="Europe/Berlin",
        newsletter="morning",
        cadence=Cadence.DAILY,
    ),
    Reader(
        address="desmond@letters.example",
        name="Desmond Achterberg",
        zone="America/New_York",
        newsletter="morning",
        cadence=Cadence.WEEKLY,
        categories=("culture", "science"),
        at=time(6, 30),
    ),
    Reader(
        address="haruka@post.example",
        name="帆足 はるか",
        zone="Asia/Tokyo",
        newsletter="alerts",
        cadence=Cadence.IMMEDIATE,
        categories=("city", "harbour"),
    ),
)


def write_configuration(folder: Path, *, http_port: int, smtp_port: int, now: datetime) -> Path:
    """Write `folder/config/publisher.toml` and return its path.

    The daily digest is set to the next quarter of an hour that is five minutes away or more: late
    enough not to disturb what the demo shows first, soon enough for a visitor to wait for it.
    """
    soon = (now + timedelta(minutes=20)).astimezone(ZoneInfo(_ZONE))
    at = time(soon.hour, soon.minute // 15 * 15)
    text = DEMO_CONFIG.format(
        http_port=http_port, smtp_port=smtp_port, zone=_ZONE, at=at.isoformat("minutes")
    )
    path = folder / "config" / "publisher.toml"
    write_if_changed(path, text.encode())
    return path


def write_articles(folder: Path, now: datetime) -> int:
    """Write the sample articles below `folder`, each with a real date; returns how many."""
    samples = sorted(path for path in _ARTICLES.rglob("*") if path.is_file())
    for sample in samples:
        text, written_at = _dated(sample, now)
        name = sample.name.replace("DATE", f"{written_at:%Y-%m-%d}")
        write_if_changed(folder / sample.relative_to(_ARTICLES).with_name(name), text.encode())
    return len(samples)


def write_breaking(folder: Path, now: datetime) -> str:
    """Drop the breaking article into `folder`; returns its title."""
    text, _ = _dated(_BREAKING, now)
    write_if_changed(folder / _BREAKING.name, text.encode())
    found = _TITLE.search(text)
    assert found is not None  # our own file
    return found[1]


def _dated(sample: Path, now: datetime) -> tuple[str, datetime]:
    """The sample's text with `date` in place of `hours_ago`, and that date in the paper's zone."""
    text = sample.read_text(encoding="utf-8")
    age = _AGE.search(text)
    if age is None:
        raise ValueError(f"{sample.name} does not say hours_ago")
    written_at = now.replace(microsecond=0) - timedelta(hours=float(age[2]))
    written_at = written_at.astimezone(ZoneInfo(_ZONE))
    return _AGE.sub(rf"date\g<1>{written_at.isoformat()}", text, count=1), written_at
