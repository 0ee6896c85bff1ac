"""Names are given once: safe as a path on any system, and the same however they were typed."""

import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.core.identity import (
    RESERVED,
    address_hash,
    category_key,
    mint_article_id,
    possible_slugs,
    slug,
    stable_hash,
    unique_slug,
)

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
"""Lone surrogates and control characters too."""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("news.example", "tag:news.example,2026:article:17"),
        ("News.Example:8080", "tag:news.example,2026:article:17"),
        ("news.example.", "tag:news.example,2026:article:17"),
        ("новости.example", "tag:xn--b1amnebsh.example,2026:article:17"),
        ("127.0.0.1:8080", "tag:127.0.0.1,2026:article:17"),
        ("[2001:DB8::1]:8080", "tag:2001-db8--1,2026:article:17"),
        ("2001:db8::1", "tag:2001-db8--1,2026:article:17"),
        ("[::1]", "tag:1,2026:article:17"),
    ],
)
def test_an_article_id_is_a_tag_uri(host: str, expected: str) -> None:
    assert mint_article_id(host, 2026, "17") == expected


@pytest.mark.parametrize(
    ("host", "year", "token"),
    [
        ("", 2026, "17"),
        ("news example", 2026, "17"),
        (":8080", 2026, "17"),
        ("a" * 70 + "é", 2026, "17"),
        ("news.example", 26, "17"),
        ("news.example", 2026, ""),
        ("news.example", 2026, "a b"),
        ("news.example", 2026, "a:b"),
    ],
)
def test_what_cannot_stand_in_a_tag_uri_is_refused(host: str, year: int, token: str) -> None:
    with pytest.raises(ValueError, match=r"article id|host"):
        mint_article_id(host, year, token)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Russia", "russia"),
        ("Новости", "новости"),
        ("  Arts & Culture ", "arts-culture"),
        ("U.S. / World", "u-s-world"),
        ("snake_case -- dashes", "snake-case-dashes"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\0b\\c\nd", "a-b-c-d"),
        ("Straße", "strasse"),
        ("ΟΔΟΣ", "οδοσ"),
        ("ﬁne ＷＩＤＥ ²", "fine-wide-2"),
        ("二〇二六年", "二〇二六年"),
        # marks that are part of words
        ("हिन्दी समाचार", "हिन्दी-समाचार"),
        ("ข่าวเด่น วันนี้", "ข่าวเด่น-วันนี้"),
        ("عَرَبِيّ", "عَرَبِيّ"),
        ("தமிழ் செய்திகள்", "தமிழ்-செய்திகள்"),
        # what shows nothing inside a word
        ("Nach\u00adrichten", "nachrichten"),
        ("\ufeffNews\u200b", "news"),
        ("ශ්\u200dරී ලංකා", "ශ්රී-ලංකා"),
        ("1\ufe0f\u20e3 One", "1-one"),
        ("\u0301accent first", "accent-first"),
    ],
)
def test_a_slug_keeps_letters_and_digits_of_any_script(name: str, expected: str) -> None:
    assert slug(name) == unicodedata.normalize("NFC", expected)


def test_names_that_cannot_be_told_by_their_letters_have_a_hash() -> None:
    assert slug("!!!") != slug("???") != slug("")
    for name in ("!!!", "", "\u3164", "🙂"):
        assert len(slug(name)) == 8
        assert slug(name).isalnum()


@pytest.mark.parametrize("name", ["CON", "nul", "Prn ", "AUX", "com1", "LPT9", "com¹", "COM0"])
def test_no_slug_is_a_windows_device(name: str) -> None:
    stem, dash, digest = slug(name).partition("-")
    assert (stem, dash, len(digest)) == (slug(name.lower())[: len(stem)], "-", 8)


@pytest.mark.parametrize(("name", "expected"), [("nul.txt", "nul-txt"), ("Console", "console")])
def test_what_only_begins_like_a_device_is_left_alone(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_long_name_is_cut_at_a_character_and_told_apart_by_its_hash() -> None:
    one, other = slug("日" * 40), slug("日" * 41)
    assert one != other
    assert one.startswith("日" * 23 + "-")
    assert len(one.encode()) <= 80
    assert slug("x" * 80) == "x" * 80
    assert len(slug("x" * 81)) == 80


@given(ANY_TEXT)
@example("ΐ")
@example("e\u034f\u0301")
@example("A" * 79 + "é")
@example("a-" * 60)
def test_any_name_gives_one_safe_segment(name: str) -> None:
    found = slug(name)
    assert 1 <= len(found.encode()) <= 80
    assert not found.startswith((".", "-"))
    assert not found.endswith((".", "-", " "))
    assert not set(found) & set('/\\.:*?"<>| %#')
    assert all(char == "-" or unicodedata.category(char)[0] in "LNM" for char in found)
    assert slug(found) == found


@given(ANY_TEXT)
def test_twins_of_a_name_have_one_slug_and_one_key(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        twin = unicodedata.normalize(form, name)
        assert slug(twin) == slug(name)
        assert category_key(twin) == category_key(name)


def test_every_character_there_is_settles() -> None:
    """Folding some characters undoes the normal form, and others compose when folded."""
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(char := chr(code)) in ("Cn", "Co"):
            continue
        found, key = slug(f"a{char}\u0301"), category_key(f"a{char}\u0301")
        assert slug(found) == found
        assert category_key(key) == key
        assert unicodedata.normalize("NFKC", found) == found
        assert unicodedata.normalize("NFKC", found.casefold()) == found


def test_a_slug_that_is_taken_or_reserved_gets_a_hash() -> None:
    assert unique_slug("Sport", set()) == "sport"
    second = unique_slug("Sport", {"sport"})
    assert second.startswith("sport-")
    assert unique_slug("Sport", {"sport"}) == second
    third = unique_slug("Sport", {"sport", second}.__contains__)
    assert third.startswith("sport-")
    assert third not in {"sport", second}
    for name in RESERVED:
        assert unique_slug(name.upper(), ()).startswith(f"{name}-")
    assert unique_slug("All", (), reserved=()) == "all"


def test_thousands_of_one_name_need_two_wishes_each() -> None:
    taken: set[str] = set()
    for n in range(3_000):
        wishes = list(islice(possible_slugs("Today in the harbour", f"articles/{n}.md"), 2))
        assert wishes[0] == "today-in-the-harbour"
        taken.add(next(each for each in wishes if each not in taken))
    assert len(taken) == 3_000


@given(ANY_TEXT, st.integers(1, 4))
def test_many_of_one_name_are_all_different_and_fit(name: str, count: int) -> None:
    taken: set[str] = set()
    for _ in range(count):
        found = unique_slug(name, taken)
        assert found not in taken
        assert len(found.encode()) <= 80
        taken.add(found)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Russia", " RUSSIA ", True),
        ("World  News", "world\u00a0news", True),
        ("Café", "Cafe\u0301", True),
        ("Straße", "STRASSE", True),
        ("a\0b", "a b", True),
        ("C++", "C", False),
        ("Cafe", "Café", False),
    ],
)
def test_names_are_one_category_when_only_case_form_or_space_differ(
    one: str, other: str, same: bool
) -> None:
    assert (category_key(one) == category_key(other)) is same


@given(ANY_TEXT)
def test_a_category_key_can_be_stored_anywhere(name: str) -> None:
    key = category_key(name)
    key.encode()  # no lone surrogate
    assert "\0" not in key
    assert category_key(key) == key


def test_a_stable_hash_is_the_same_for_ever() -> None:
    moment = datetime(2026, 11, 20, 7, tzinfo=UTC)
    digest = stable_hash("Title", ["a", None, 3], {"b": 1, "a": moment}, True)
    assert digest == "598259a5d89b8677296401bf54947e9c"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
def test_different_values_have_different_hashes(one: list[object], other: list[object]) -> None:
    assert (stable_hash(*one) == stable_hash(*other)) is alike(one, other)


def alike(one: object, other: object) -> bool:
    """Equal, but not merely because True equals 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def test_one_moment_is_one_value_in_any_zone() -> None:
    moment = datetime(2026, 11, 20, 7, tzinfo=UTC)
    there = moment.astimezone(timezone(timedelta(hours=9)))
    assert stable_hash(moment) == stable_hash(there) != stable_hash(moment.isoformat())


def test_parts_do_not_run_together() -> None:
    assert len({stable_hash("ab", ""), stable_hash("a", "b"), stable_hash(["ab", ""])}) == 3


def test_a_stranger_cannot_crash_it_with_half_a_character() -> None:
    assert stable_hash("\ud800") != stable_hash("\udfff")


def test_what_has_no_lasting_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        stable_hash(object())
    with pytest.raises(ValueError, match="without a zone"):
        stable_hash(datetime(2026, 11, 20))  # noqa: DTZ001 - the naive one is the point


def test_an_address_hash_needs_the_key() -> None:
    one = address_hash("ann@reader.example", b"one key")
    assert one == address_hash("ann@reader.example", b"one key")
    assert one != address_hash("ann@reader.example", b"another")
    assert one != address_hash("bob@reader.example", b"one key")
    assert len(one) == 64
