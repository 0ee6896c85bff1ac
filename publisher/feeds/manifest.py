"""Remembers what the feeds folder was built from, so that the next build does only what changed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from publisher.errors import TransientError
from publisher.kit.files import write_if_changed

_NAME = ".built.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A category as it was built."""

    change: int
    count: int
    """Of its articles."""
    about: str
    """Hash of its title, description and the like."""
    last: int
    """The number of its newest full archive page, 0 for none."""
    archives: int
    """How many archive documents its feed has."""
    around: str
    """Hash of the other categories that its first page names."""
    months: Sequence[str]
    """Of each numbered page from 1 on, as `archive.months_on` tells them."""
    feeds: Mapping[str, str]
    """A hash of each of its feeds, by file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    fingerprint: str
    """Of all that every file depends on: program, site settings, templates."""
    head: int = -1
    """The change up to which articles were built."""
    article_pages: int = 0
    categories: Mapping[str, Record] = field(default_factory=dict)


def mark(*facts: object) -> str:
    """A short hash of facts: the same facts in the same order, the same mark."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def mark_of_files(folders: Sequence[Path]) -> str:
    """A hash of all files in some folders, one that is not there counting as empty.

    Raises TransientError when one cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for number, folder in enumerate(folders):
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                digest.update(f"{number}/{path.relative_to(folder)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise TransientError(f"{error.filename} cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:16]


def mark_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def load(folder: Path, fingerprint: str) -> Manifest:
    """What was built there with the same fingerprint; an empty one if that is not known."""
    found = read(folder)
    return found if found.fingerprint == fingerprint else Manifest(fingerprint=fingerprint)


def read(folder: Path) -> Manifest:
    """What was built there; an empty one if that is not known."""
    try:
        told = json.loads((folder / _NAME).read_bytes())
        records = {slug: Record(**record) for slug, record in told.pop("categories").items()}
        return Manifest(categories=records, **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Manifest(fingerprint="")


def save(folder: Path, manifest: Manifest) -> None:
    """To be called last: a build that was killed before is done again, and writes what it must."""
    written = json.dumps(asdict(manifest), ensure_ascii=False, sort_keys=True, indent=1)
    write_if_changed(folder / _NAME, written.encode() + b"\n")
