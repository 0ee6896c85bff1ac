"""A stranger's words are shown as they were meant, and cannot do harm where they are shown."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.core.text import clean_line, clean_text, opening_words, without_controls

ANYTHING = st.text() | st.text(
    "ab \n\u00a0\u202f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u0301\0"
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("  Two \t words\u00a0\u3000here ", "Two words here"),
        ("«\u00a0Quoi\u202f!\u00a0» dit-il", "«\u00a0Quoi\u202f!\u00a0» dit-il"),
        ("\u00a0one\u00a0\u00a0two \u202fthree\u00a0\n\u202f", "one two three"),
        ("Title\r\nBcc: all@news.example", "Title Bcc: all@news.example"),
        ("a\0b\x1bc\x85d\u2028e", "a b c d e"),
        ("\ud83d half \ufffe\uffff an emoji", "half an emoji"),
        ("a\ufdd0b\ufdefc\U0001fffed\U0010ffffe", "a b c d e"),
        ("\ufeffCafe\u0301", "Café"),
        ("\u200b \u00ad", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚒", "👩\u200d🚒"),
        ("no\u202etxt.exe", "notxt.exe"),
        ("\u202eall right\u202c", "\u202eall right\u202c"),
        ("\u2067one \u202atwo\u2069 three\u2069", "\u2067one two\u2069 three"),
        (
            "\u202aone \u2067two\u202c three\u2069 four\u202c",
            "\u202aone \u2067two three\u2069 four\u202c",
        ),
        ("\u2066never closed \u202c", "never closed"),
    ],
)
def test_a_line(written: str, shown: str) -> None:
    assert clean_line(written) == shown


@pytest.mark.parametrize(
    ("written", "is_seen"),
    [
        ("\u3164", False),  # Hangul filler
        ("\uffa0 \u115f\u1160", False),
        ("\u2800\u2800", False),  # Braille without dots
        ("\u0301\u0308", False),  # marks, and nothing they could stand on
        ("\u3164\u0301", False),
        ("\u20e3", False),
        ("\u200b\u200d\ufeff\u2060\u00ad", False),  # format characters
        ("\u200e \u061c \u2062", False),
        ("\U000e0067\U000e0062", False),
        ("\ufe0f\U000e0100", False),  # variation selectors
        ("\ue000\U000f0001", False),  # private use
        ("\ufffc", False),
        ("\x00\x1b\ud800", False),
        ("\u00a0\u3000\u2003", False),
        ("a\u0301", True),
        ("\u3164a", True),
        ("\u2801", True),
        ("?", True),
        ("…", True),
        ("0", True),
        ("❤️", True),
        ("\U0001fae8", True),  # an emoji that not every Python knows
        ("\ufffd", True),
        ("ㅤ이름", True),
        ("क\u093f", True),
    ],
)
def test_a_line_that_shows_nothing_is_empty(written: str, is_seen: bool) -> None:
    assert bool(clean_line(written)) == is_seen


@given(ANYTHING)
def test_a_clean_line_is_one_line_and_stays_as_it_is(text: str) -> None:
    line = clean_line(text)
    assert line == line.strip()
    assert all(len(run) == 1 and run in " \u00a0\u202f" for run in re.findall(r"\s+", line))
    assert line.isprintable() or not any(char < " " or "\ud800" <= char < "\ue000" for char in line)
    assert clean_line(line) == line


def test_a_text_keeps_its_lines() -> None:
    written = "  One\u2029two\r\n\r\n \n\n three\x0bfour \u202eturned\nfive"
    assert clean_text(written) == "One\ntwo\n\nthree\nfour turned\nfive"


@given(ANYTHING)
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


def test_layout_survives_where_only_control_characters_go() -> None:
    assert without_controls("a\r\n\tb\x0cc\x07d\ud800 \u2028\ufeff") == "a\n\tb cd \u2028"
    assert without_controls("a\x85b\x9b\ufdd0\U0003ffffc") == "a\nbc"


@pytest.mark.parametrize(
    ("text", "limit", "start"),
    [
        ("Short enough.", 13, "Short enough."),
        ("The ferry sails again tonight", 20, "The ferry sails…"),
        ("The ferry, sails again", 12, "The ferry…"),
        ("The ferry sails", 10, "The ferry…"),
        ("three little words", 12, "three…"),
        ("Vite\u202f! Le bac part", 6, "Vite…"),
        ("Le bac «\u00a0Aurore\u00a0» part", 12, "Le bac…"),
        ("Donaudampfschifffahrt", 10, "Donaudamp…"),
        ("霧笛が三度鳴ると青い扉が開く", 8, "霧笛が三度鳴る…"),
        ("abcdq\u0323fg", 6, "abcd…"),
        ("e" + "\u0334" * 9, 4, "e\u0334\u0334…"),
        ("ab 👩\u200d🚒👩\u200d🚒", 6, "ab…"),
        ("\u2067one two\u2069 three", 10, "\u2067one two\u2069…"),
        ("\u2067one two\u2069 three", 9, "one…"),
    ],
)
def test_the_opening_words(text: str, limit: int, start: str) -> None:
    assert opening_words(text, limit) == start


@given(ANYTHING, st.integers(1, 40))
@example("\u202a 00\u202c", 4)
def test_the_opening_words_are_never_too_many(text: str, limit: int) -> None:
    start = opening_words(clean_line(text), limit)
    assert len(start) <= limit
    assert clean_line(start) == start
