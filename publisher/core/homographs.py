"""Domains made to be taken for another: letters of several scripts, or foreign ones like Latin."""

import unicodedata

# With which scripts a script is written together; any may stand beside digits and hyphens.
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
_LIKE_LATIN = frozenset("аеорсухіјѕһԁԛԝӏьгѡν" + "ορυανικ" + "օսոհցզյ")
"""Cyrillic, Greek and Armenian letters that look as Latin ones do."""


def is_homograph(domain: str) -> bool:
    """Whether some label of a checked domain (in ASCII, as `core.addresses.check` gives it) looks
    like another's."""
    if "xn--" not in domain:
        return False
    *labels, top = map(_shown, domain.split("."))
    return any(_mixes(each) or (top.isascii() and _is_lookalike(each)) for each in (*labels, top))


def _shown(label: str) -> str:
    try:
        return label.removeprefix("xn--").encode().decode("punycode") if "xn--" in label else label
    except UnicodeError:
        return label


def _mixes(label: str) -> bool:
    scripts = {unicodedata.name(each, "?").split(" ")[0] for each in label if each.isalpha()}
    return len(scripts) > 1 and not any(scripts <= each for each in _TOGETHER)


def _is_lookalike(label: str) -> bool:
    letters = [each for each in label if each.isalpha()]
    return bool(letters) and all(each in _LIKE_LATIN for each in letters)
