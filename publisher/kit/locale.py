"""Languages: which way one is written, and in whose manner dates and numbers are."""

import re
from collections.abc import Container
from functools import lru_cache
from itertools import takewhile

from babel import Locale, UnknownLocaleError
from babel.core import get_global

FALLBACK = "en"

_ACCEPTED = re.compile(r"\s*([A-Za-z0-9-]+)\s*(?:;\s*[qQ]\s*=\s*(0(?:\.\d*)?|1(?:\.0*)?)\s*)?")
_LONGEST_HEADER = 1000
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SUBTAG = re.compile(r"[A-Za-z0-9]{1,8}")
_RIGHT_TO_LEFT = {
    "ar", "arc", "azb", "ckb", "dv", "fa", "glk", "he", "ks", "lrc", "mzn", "nqo", "pnb", "ps",
    "sd", "syr", "ug", "ur", "yi",
}  # fmt: skip
_RIGHT_TO_LEFT_SCRIPTS = {"adlm", "arab", "hebr", "nkoo", "rohg", "samr", "syrc", "thaa"}


def direction(language: str) -> str:
    """The HTML `dir` of text in a language, `ltr` or `rtl`: by its script where it names one.

    `auto` where no language is named: browsers then go by the text.
    """
    first, *others = language.lower().replace("_", "-").split("-")
    if not _LANGUAGE.fullmatch(first):
        return "auto"
    scripts = [part for part in others if len(part) == 4 and part.isalpha()]
    right_to_left = scripts[0] in _RIGHT_TO_LEFT_SCRIPTS if scripts else first in _RIGHT_TO_LEFT
    return "rtl" if right_to_left else "ltr"


def isolated(text: str, locale: str) -> str:
    """Text of any language to stand in a sentence of one: it keeps its own direction and turns
    nothing around it (UAX #9, isolates)."""
    return f"\u2068{text}\u2069" if text and direction(locale) == "rtl" else text


@lru_cache(maxsize=256)
def language_tag(language: str) -> str:
    """A language as XML and the web name it (BCP 47): `de-AT` for `de_AT` or `deu-AT`.

    Empty for one that nobody knows; of one that is known, what follows as far as it can be read.
    """
    first, *others = language.strip().replace("_", "-").split("-")
    first, known = first.lower(), babel(FALLBACK).languages
    if first not in known:
        first = get_global("language_aliases").get(first, "").partition("_")[0]
    if first not in known:
        return ""
    return "-".join([first, *takewhile(_SUBTAG.fullmatch, others)])


def locale_of(*wishes: str, among: Container[str] | None = None) -> str:
    """The first language wished for that is known, as the web writes it (`de-AT`), or English.

    Its base where only that is known; with `among` only languages in there count.
    """
    for wish in wishes:
        found = _known(wish) or _known(re.split("[-_]", wish)[0])
        if found and (among is None or found.language in among):
            return str(found).replace("_", "-")
    return FALLBACK


def accepted(header: str, *otherwise: str, among: Container[str] | None = None) -> str:
    """`locale_of` what a browser asks for in Accept-Language (RFC 9110 12.5.4), or of `otherwise`.

    What cannot be read of the header counts for nothing.
    """
    parts = map(_ACCEPTED.fullmatch, header[:_LONGEST_HEADER].split(","))
    asked = [(float(part[2] or 1), part[1]) for part in parts if part]
    asked.sort(key=lambda each: each[0], reverse=True)
    wishes = [language for weight, language in asked if weight]
    return locale_of(*wishes, *otherwise, among=among)


def babel(locale: str) -> Locale:
    """What Babel knows of it; English where it knows nothing."""
    return _known(locale) or Locale.parse(FALLBACK)


@lru_cache(maxsize=256)
def _known(language: str) -> Locale | None:
    try:
        return Locale.parse(language.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return None
