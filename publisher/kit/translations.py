"""The program's own words in other languages: gettext catalogues, `publisher/locale/<language>.po`.

English is what the code and the templates say. Another language is one more file there.
"""

import hashlib
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

_FOLDER = Path(__file__).resolve().parents[1] / "locale"

_FOREIGN = sorted(file.stem for file in _FOLDER.glob("*.po"))

LANGUAGES = frozenset({"en", *_FOREIGN})
"""The languages that mails and pages of our own can speak, as `de`."""


def of(locale: str) -> NullTranslations:
    """The words for a locale like `de-AT`, by its language: `gettext`, `ngettext`, `pgettext`.

    English for a language that is not among `LANGUAGES`.
    """
    language = locale.partition("-")[0]
    return _catalogue(language) if language in _FOREIGN else NullTranslations()


def gettext_noop(message: str) -> str:
    """The message as it is, marked for the catalogues: it is translated where it is shown."""
    return message


@cache
def fingerprint() -> str:
    """Changes with every word of every catalogue."""
    digest = hashlib.sha256()
    for language in _FOREIGN:
        digest.update(language.encode() + b"\0" + path(language).read_bytes() + b"\0")
    return digest.hexdigest()


def path(language: str) -> Path:
    """The file of a language's catalogue."""
    return _FOLDER / f"{language}.po"


@cache
def _catalogue(language: str) -> NullTranslations:
    compiled = BytesIO()
    with path(language).open("rb") as file:
        write_mo(compiled, read_po(file, locale=language, abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled)
