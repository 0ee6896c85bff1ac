"""A stranger's words are shown as they were meant, and cannot do harm where they are shown."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.kit.text import (
    clean_line,
    clean_text,
    inline_text,
    opening_words,
    plain,
    without_controls,
)

ANYTHING = st.text() | st.text(
    "ab \n\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u0301\0"
)
PIECES = "<p>|</p>|<b>|<ul><li>|<table>|<td>|<pre>|<svg>|<!--|&|&#0;|\ud800|]]>"
MARKUP = st.lists(st.sampled_from(PIECES.split("|")) | st.text(max_size=4)).map("".join)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("  Two \t words\u00a0\u3000here ", "Two words here"),
        ("Title\r\nBcc: all@news.example", "Title Bcc: all@news.example"),
        ("a\0b\x1bc\x85d\u2028e", "a b c d e"),
        ("\ud83d half \ufffe\uffff an emoji", "half an emoji"),
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


@given(ANYTHING)
def test_a_clean_line_is_one_line_and_stays_as_it_is(text: str) -> None:
    line = clean_line(text)
    assert line == " ".join(line.split())
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


@pytest.mark.parametrize(
    ("text", "limit", "start"),
    [
        ("Short enough.", 13, "Short enough."),
        ("The ferry sails again tonight", 20, "The ferry sails…"),
        ("The ferry, sails again", 12, "The ferry…"),
        ("The ferry sails", 10, "The ferry…"),
        ("Donaudampfschifffahrt", 10, "Donaudamp…"),
        ("霧笛が三度鳴ると青い扉が開く", 8, "霧笛が三度鳴る…"),
        ("abcdq\u0323fg", 6, "abcd…"),
        ("ab 👩\u200d🚒👩\u200d🚒", 6, "ab…"),
        ("\u2067one two\u2069 three", 9, "one two…"),
    ],
)
def test_the_opening_words(text: str, limit: int, start: str) -> None:
    assert opening_words(text, limit) == start


@given(ANYTHING, st.integers(1, 40))
@example("\u202a 00\u202c", 4)
def test_the_opening_words_are_never_too_many(text: str, limit: int) -> None:
    start = opening_words(text, limit)
    assert len(start) <= limit
    assert clean_line(start) == start


ARTICLE = """<h2>Fog</h2><p>The <a href="https://x.example">ferry</a> &amp; the <b>bell</b>.</p>
<ul><li>one</li><li>two</li></ul><blockquote><p>Wait.</p></blockquote>
<figure><img src="https://x.example/a.jpg" alt="Bell"><figcaption>The bell</figcaption></figure>
<table><tr><th>Hour</th><th>Fare</th></tr><tr><td>00:40</td><td>4</td></tr></table>
<dl><dt>Bell</dt><dd>rings</dd></dl><p>a<br>b &lt;c&gt;</p>"""


def test_an_article_as_plain_text() -> None:
    assert plain(ARTICLE) == (
        "Fog\n\nThe ferry & the bell.\n\n  * one\n  * two\n\n    Wait.\n\nThe bell\n\n"
        "Hour   Fare\n00:40  4\n\nBell\n    rings\n\na\nb <c>"
    )


def test_an_article_on_one_line() -> None:
    line = inline_text(ARTICLE)
    assert line == ("Fog The ferry & the bell. one two Wait. Hour Fare 00:40 4 Bell rings a b <c>")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("in<b>si</b>de", "inside"),
        ("<p>a</p><p>b</p>", "a b"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("<script>x()</script><style>p{}</style><noscript><img></noscript>y", "y"),
        ("a &#1; &nbsp; b", "a b"),
        ("<figure><figcaption>Photo</figcaption></figure>", ""),
        ("1 < 2", "1 < 2"),
    ],
)
def test_html_on_one_line(html: str, text: str) -> None:
    assert inline_text(html) == text


@given(MARKUP)
def test_any_html_becomes_text(html: str) -> None:
    assert clean_line(inline_text(html)) == inline_text(html)
    assert "\0" not in plain(html)


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<ul><li>", "<blockquote>", "<table><td>", "<a b"])
def test_nesting_without_end_costs_no_time(tag: str) -> None:
    html = tag * 300_000
    assert len(inline_text(html) + plain(html)) < 100_000
