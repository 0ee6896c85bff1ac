"""Exports in whatever state they are: all that can be read is read, and the rest is told of."""

import io
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import UnreadableError
from publisher.sources.port import Unusable
from publisher.sources.wordpress import export as module
from publisher.sources.wordpress.export import Export, Item
from publisher.sources.wordpress.pieces import LARGEST

SPACES = (
    'xmlns:wp="http://wordpress.org/export/1.2/" '
    'xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" {SPACES}><channel>'
TAIL = "</channel></rss>"


def item(title: str, number: int = 1, more: str = "") -> str:
    return f"<item><title>{title}</title><wp:post_id>{number}</wp:post_id>{more}</item>\n"


def read(data: bytes | str) -> list[Item | Unusable]:
    """Every item, or what is wrong with it."""
    return list(_read(Export(io.BytesIO(data.encode() if isinstance(data, str) else data))))


def _read(export: Export) -> Iterator[Item | Unusable]:
    for raw in export.items():
        try:
            yield raw if isinstance(raw, Unusable) else export.parse(raw)
        except UnreadableError as error:
            yield Unusable(item="", reason=error.reason)


def titles(data: bytes | str) -> list[str]:
    return [
        f"!{each.reason}" if isinstance(each, Unusable) else each["title"] for each in read(data)
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_each_version_under_each_scheme(version: str, scheme: str) -> None:
    written = HEAD.replace(
        "http://wordpress.org/export/1.2", f"{scheme}://wordpress.org/export/{version}"
    )
    more = "<excerpt:encoded>E</excerpt:encoded><content:encoded>C</content:encoded>"
    (found,) = read(written + item("T", 7, more) + TAIL)
    assert isinstance(found, Item)
    said = [found[name] for name in ("wp:post_id", "excerpt:encoded", "content:encoded")]
    assert said == ["7", "E", "C"]


def test_prefixes_may_be_others() -> None:
    head = HEAD.replace("xmlns:wp", "xmlns:w")
    (found,) = read(head + "<item><w:post_id>7</w:post_id></item>" + TAIL)
    assert isinstance(found, Item)
    assert found["wp:post_id"] == "7"


@pytest.mark.parametrize(
    ("title", "read_as"),
    [
        ("<![CDATA[a ]]]]><![CDATA[> b]]>", "a ]]> b"),
        ("<![CDATA[</item><item>]]>", "</item><item>"),
        ("<![CDATA[<!-- ]]>x", "<!-- x"),
        ("a<!-- </item> -->b", "ab"),
        ("a\x08b<![CDATA[c\x0b\x1fd]]>", "abc d"),
        ("caf\ufffe\uffff", "caf"),
        ("a&nbsp;b &mdash; c", "a\xa0b — c"),
        ("R&D &amp; more &lt;", "R&D & more <"),
        ("&#8;&#x0;a&#65;", "aA"),
        ("&unknown;&#99999999;", "&unknown;"),
        ("<![CDATA[&nbsp;]]>&copy;", "&nbsp;©"),
    ],
)
def test_what_wordpress_writes_though_xml_forbids_it(title: str, read_as: str) -> None:
    assert titles(HEAD + item(title) + item("next", 2) + TAIL) == [read_as, "next"]


def test_stray_bytes_are_read_as_windows_1252() -> None:
    data = (HEAD + item("<![CDATA[@ grün @]]>") + TAIL).encode().replace(b"@", b"\x93caf\xe9\x94")
    assert titles(data) == ["“café” grün “café”"]


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("ISO-8859-1", "iso-8859-1"),
        ("windows-1252", "cp1252"),
        ("ISO-8859-1", "utf-8"),
        ("UTF-16", "utf-8"),
        ("UTF-16", "utf-16"),
        ("no-such-thing", "utf-8"),
        ("UTF-8", "utf-8-sig"),
    ],
)
def test_the_encoding_is_that_of_the_bytes(declared: str, written: str) -> None:
    head = HEAD.replace("UTF-8", declared)
    assert titles((head + item("grün") + TAIL).encode(written)) == ["grün"]


@pytest.mark.parametrize("before", ["\n\n", "<b>Warning</b>: something in a plugin\n", "\ufeff \n"])
@pytest.mark.parametrize("after", ["\n\n", "<!-- 0.2 seconds -->", "<b>Fatal error</b>", "\0"])
def test_what_plugins_print_around_it_does_not_count(before: str, after: str) -> None:
    assert titles(before + HEAD + item("T") + TAIL + after) == ["T"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "it has no beginning"),
        ("   \n", "it has no beginning"),
        ("Hello", "Start tag expected"),
        ('{"title": "x"}', "Start tag expected"),
        (b"PK\x03\x04\0\0\0", "it is not a WordPress export"),
        (b"\x1f\x8b\x08\0", "it is not a WordPress export"),
        ("<html><body>x</body></html>", "says something else"),
        ("<rss version='2.0'><channel><item>x</item></channel></rss>", "says something else"),
        (f"<feed {SPACES}><item/></feed>", "something else"),
        ("<item>x</item>", "an item before its beginning"),
        (HEAD[:60], "it has no beginning"),
        ("<rss <", "StartTag|not a WordPress export"),
    ],
)  # fmt: skip
def test_what_is_no_export(data: bytes | str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read(data)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE rss [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE rss [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>',
    ],
)
def test_entities_are_not_for_exports(doctype: str) -> None:
    with pytest.raises(UnreadableError, match="it declares entities"):
        read(HEAD.replace("<rss", doctype + "<rss") + item("&l9;&x;") + TAIL)


def test_a_document_type_is_not_looked_up() -> None:
    doctype = '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/rss.dtd">'
    assert titles(HEAD.replace("<rss", doctype + "<rss") + item("&x;") + TAIL) == ["&x;"]


def test_a_broken_item_costs_no_other() -> None:
    broken = [
        "<b>x",
        "<a b=c>x</a>",
        "</title></b>",
        "<x:y/>",
        "<" * 50,
        "<d>" * 300 + "</d>" * 300,
    ]
    items = "".join(item(text, n) + item(f"good {n}", n) for n, text in enumerate(broken))
    found = titles(HEAD + items + TAIL)
    assert found[1::2] == [f"good {n}" for n in range(len(broken))]
    assert all(each.startswith("!it is not XML: ") for each in found[::2])


def test_an_item_that_was_never_closed() -> None:
    found = read(HEAD + "<item><title>Half</title>" + item("whole") + TAIL)
    assert found[0] == Unusable(
        item="an item “Half”", reason="the next item begins before this one ends"
    )
    assert isinstance(found[1], Item)


def test_an_item_beyond_all_measure() -> None:
    huge = "x" * (LARGEST + 2_000_000)
    data = HEAD + item("a") + item("big", 9, f"<x><![CDATA[{huge}]]></x>") + item("b") + TAIL
    assert titles(data) == ["a", "!it is larger than 16 MB", "b"]


def test_libxml2_does_not_take_ten_megabytes_of_one_text() -> None:
    data = HEAD + item("big", 9, f"<x>{'x' * 11_000_000}</x>") + item("b") + TAIL
    first, second = titles(data)
    assert first.startswith("!it is not XML: ")
    assert second == "b"


WHOLE = HEAD + item("one", 1) + item("<![CDATA[two]]>", 2) + item("three", 3) + TAIL


@pytest.mark.parametrize("end", range(len(HEAD), len(WHOLE)))
def test_an_export_that_breaks_off_gives_its_complete_items(end: int) -> None:
    found = titles(WHOLE[:end])
    complete = WHOLE[:end].count("</item>")
    assert found[:complete] == ["one", "two", "three"][:complete]
    assert len(found) == complete + 1
    assert "breaks off" in found[-1]


def test_what_breaks_off_is_named() -> None:
    assert read(WHOLE[: WHOLE.index("</item>")])[-1] == Unusable(
        item="post 1 “one”", reason="the file breaks off within it; export it again"
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_items_are_whole_wherever_a_chunk_ends(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", size)
    data = HEAD + "<language>é</language>" + item("<![CDATA[<item> ü]]>") + item("b&nbsp;") + TAIL
    assert titles(data) == ["<item> ü", "b"]


PIECES = (
    "<item>|</item>|<title>|</title>|<![CDATA[|]]>|<!--|-->|&amp;|&|<wp:post_id>1</wp:post_id>"
    "|<|>|x|\0|\x0b|é|<item |<!DOCTYPE x [|<!ENTITY|<?php|?>|</channel>|</rss>|<channel>"
)


@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=30).map("".join), st.booleans())
def test_no_file_whatsoever_breaks_the_reading(text: str, headed: bool) -> None:
    found: list[Item | Unusable] = []
    with suppress(UnreadableError):
        found = read((HEAD if headed else "") + text)
    assert all(isinstance(each, Item) or each.reason for each in found)


def test_what_stands_around_the_items() -> None:
    around = """
        <link>https://other.example</link><language>nb</language>
        <wp:base_blog_url>https://blog.example/n</wp:base_blog_url>
        <wp:author><wp:author_login>m</wp:author_login>
        <wp:author_display_name><![CDATA[Máire &amp; co]]></wp:author_display_name></wp:author>
        <wp:category><wp:category_nicename>a</wp:category_nicename><wp:cat_name>A&nbsp;B</wp:cat_name>
        <wp:category_parent>b</wp:category_parent></wp:category>"""
    export = Export(io.BytesIO((HEAD + around + item("x") + TAIL).encode()))
    assert len(list(export.items())) == 1
    assert (export.blog, export.language) == ("https://blog.example/n", "nb")
    assert export.authors == {"m": "Máire &amp; co"}
    assert (export.terms["a"].name, export.terms["a"].parent) == ("A\xa0B", "b")


def test_progress_is_told_in_bytes() -> None:
    told: list[int] = []
    data = WHOLE.encode()
    list(Export(io.BytesIO(data), told.append).items())
    assert told[-1] == len(data)
