"""Whatever HTML comes in, what is published holds an article's markup and nothing that can bite."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.text import clean_line
from publisher.kit.html import clean, from_markdown, from_paragraphs, prose

BASE = "https://news.example/articles/fog/"
REL = ' rel="noopener noreferrer"'

KEPT = [
    "<h2>A</h2><h3>B</h3><p>One <em>two</em> <strong>three</strong><br>four</p><hr>",
    '<ul><li>a</li></ul><ol start="3" reversed="" type="a"><li value="7">b</li></ol>',
    '<blockquote cite="https://x.example/q"><p>Q</p></blockquote>',
    '<figure><picture><source srcset="https://x.example/a.webp 2x" type="image/webp" '
    'media="(min-width: 40em)"><img src="https://x.example/a.jpg" alt="A &quot;b&quot;" '
    'width="640" height="50%" sizes="(max-width: 30em) 100vw, 50vw"></picture>'
    "<figcaption>C</figcaption></figure>",
    '<table><caption>T</caption><thead><tr><th scope="col" align="right">A</th></tr></thead>'
    '<tbody><tr><td colspan="2">1</td></tr></tbody></table>',
    "<pre><code>if a &lt; b:\n    pass\n</code></pre>",
    '<p dir="rtl" lang="ar">نص <bdi>x</bdi> <span lang="en-GB">y</span></p>',
    '<p><abbr title="North &amp; East">NE</abbr> <time datetime="2026-11-20T07:30:00+01:00">'
    "today</time> H<sub>2</sub>O x<sup>2</sup> <s>a</s> <mark>b</mark></p>",
    "<p><ruby>霧<rt>きり</rt></ruby></p>",
    '<p><img align="left" src="https://x.example/a.jpg" alt="">Beside it</p>',
    '<video src="https://x.example/v.mp4" poster="https://x.example/p.jpg" width="640" '
    'controls=""></video><audio src="https://x.example/a.mp3" controls=""></audio>',
    "<dl><dt>a</dt><dd>b</dd></dl><details><summary>More</summary>text</details>",
    f'<p><a href="mailto:a@b.example"{REL}>m</a></p>',
    f'<p><a href="tel:+49301234" hreflang="de"{REL}>t</a></p>',
]


@pytest.mark.parametrize("html", KEPT)
def test_an_articles_markup_stays_as_it_is(html: str) -> None:
    assert clean(html, BASE) == html


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        (
            "<script>x()</script><style>p{}</style><p onclick=x() style=color:red class=a id=b>t",
            "t",
        ),
        ("<iframe src=https://x.example></iframe><object data=x>o</object><embed src=x>t", "t"),
        ("<form action=/x><p>t</p><input value=v><button>b</button><select><option>o</form>", "t"),
        ("<form><p>never closed", "never closed"),
        ("<svg><script>x()</script><text>x</text></svg><math><mi>m</math>t", "t"),
        ("<scr\0ipt>x()</scr\0ipt>t<!-- c --><?php x ?>", "t"),
        ("<base href=https://evil.example/><meta http-equiv=refresh content=0><link href=x>t", "t"),
        ("<template><p>x</template><textarea><p>x</textarea><title>x</title>t", "t"),
        ("<o:p>t</o:p><font color=red>u</font><big>v</big>", "tuv"),
        ("a&#1;b&#xFFFE;c\x07d&#xD800;e", "abcd\ufffde"),
    ],
)
def test_what_can_bite_goes_and_the_words_stay(html: str, kept: str) -> None:
    cleaned = clean(html, BASE)
    assert re.sub(r"</?p>", "", cleaned) == kept


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/a", "https://news.example/a"),
        ("b.html?x=1&amp;y#z", "https://news.example/articles/fog/b.html?x=1&amp;y#z"),
        ("../c", "https://news.example/articles/c"),
        ("//cdn.example/d", "https://cdn.example/d"),
        ("\\\\cdn.example\\d", "https://cdn.example/d"),
        ("  HTTPS://X.example/e ", "HTTPS://X.example/e"),
        ("/two words&quot;", "https://news.example/two%20words%22"),
        ("/новости", "https://news.example/новости"),
        ("/a\nb\tc", "https://news.example/abc"),
        ("?page=2", "https://news.example/articles/fog/?page=2"),
    ],
)
def test_an_address_becomes_absolute(written: str, meant: str) -> None:
    assert clean(f'<a href="{written}">x</a>', BASE) == f'<a href="{meant}"{REL}>x</a>'


@pytest.mark.parametrize(
    "written",
    ["javascript:x()", "\u2003javascript:x()", "java\nscript:x()", "&#1;javascript:x()",
     "data:text/html,x", "vbscript:x", "file:///etc/passwd", "ftp://x.example/", "#note-1", "", " ",
     "https://[x", "https:", "http:///", "view-source:https://x.example", "JaVaScRiPt&colon;x()",
     "\ufeffjavascript:x()"],
)  # fmt: skip
def test_an_address_that_leads_nowhere_good_is_dropped(written: str) -> None:
    assert clean(f'<a href="{written}">x</a>', BASE) == f"<a{REL}>x</a>"
    assert clean(f'<p>x<img src="{written}" alt="y"></p>', BASE) == "<p>x</p>"


def test_what_is_shown_comes_from_the_web_only() -> None:
    html = (
        '<img src="mailto:a@b.example"><q cite="tel:1">q</q><audio src="data:audio/mp3,x"></audio>'
    )
    assert clean(html, BASE) == '<q>q</q><audio controls=""></audio>'


def test_each_image_of_a_set_becomes_absolute() -> None:
    html = (
        '<img alt="" srcset="a.jpg 1x, /b.jpg 2x,data:image/png;base64,xx 3x, c,d.jpg 480w,'
        ' e.jpg nonsense, f.jpg">'
    )
    assert clean(html, BASE) == (
        '<img alt="" srcset="https://news.example/articles/fog/a.jpg 1x, '
        "https://news.example/b.jpg 2x, https://news.example/articles/fog/c,d.jpg 480w, "
        'https://news.example/articles/fog/f.jpg">'
    )


def test_without_a_base_only_absolute_addresses_stay() -> None:
    html = '<a href="/x">x</a><a href="https://y.example/">y</a>'
    assert clean(html, "") == f'<a{REL}>x</a><a href="https://y.example/"{REL}>y</a>'


@pytest.mark.parametrize(
    ("ranks", "kept"),
    [
        ("1 2 3", "2 3 4"),
        ("3 3 4 3", "2 2 3 2"),
        ("2 5 6 5 2 4", "2 3 4 3 2 3"),
        ("4 2 3", "2 2 3"),
        ("1 2 3 4 5 6", "2 3 4 5 6 6"),
    ],
)
def test_headings_leave_out_no_rank(ranks: str, kept: str) -> None:
    def written(numbers: str) -> str:
        return "".join(f"<h{n}>A <em>b</em></h{n}><p>t</p>" for n in numbers.split())

    assert clean(written(ranks), BASE) == written(kept)
    assert clean(written(kept), BASE) == written(kept)


def test_the_pages_first_heading_is_its_title_alone() -> None:
    html = '<h1 lang="en">A</h1><p>&lt;h1&gt;</p><h2>B</h2>'
    assert clean(html, BASE) == '<h2 lang="en">A</h2><p>&lt;h1&gt;</p><h3>B</h3>'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<strike>a</strike>", "<s>a</s>"),
        ("<STRIKE\nclass=x>a</STRIKE>", "<s>a</s>"),
        ("<tt>a</tt><small>b</small>", "<code>a</code><small>b</small>"),
        ('<acronym title="World Trade">WT</acronym>', '<abbr title="World Trade">WT</abbr>'),
        ("<center>a</center><center>b</center>", "<div>a</div><div>b</div>"),
        ("<big>a</big> <font size=7 color=red>b</font>", "a b"),
        ("<dir><li>a</dir><menu><li>b</menu>", "<ul><li>a</li></ul><ul><li>b</li></ul>"),
        ("&lt;strike&gt; <q title='<tt>'>a</q>", '&lt;strike&gt; <q title="&lt;tt&gt;">a</q>'),
        ("<strike><strike>a</strike></strike>", "<s><s>a</s></s>"),
    ],
)
def test_tags_of_old_pages_become_those_of_today(old: str, new: str) -> None:
    assert clean(old, BASE) == new
    assert clean(new, BASE) == new


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("<p>a<marquee><p>b</p></marquee></p>", "<p>a</p><p>b</p><p></p>"),
        ("<h1>One<article><h2>Two</h2></article></h1>", "<h2>One</h2><h3>Two</h3>"),
        ("<ul><li>a<form><li>b</form></ul>", "<ul><li>a</li><li>b</li></ul>"),
        (
            "<a href='/1'>a<marquee><a href='/2'>b</a></marquee></a>",
            f'<a href="https://news.example/1"{REL}>a</a><a href="https://news.example/2"{REL}>b</a>',
        ),
        ("<ruby>霧<rp>(</rp><rt>きり</rt><rp>)</rp></ruby>",) * 2,
        ("<ruby><i>霧<rt>き<br>り</rt></i></ruby><rt>a</rt>", "<ruby><i>霧き<br>り</i></ruby>a"),
        ("<details><summary>a</summary>b</details>",) * 2,
        ("<details><ul><li><summary>a<li>b</summary></ul></details>",
         "<details><ul><li>a</li><li>b</li></ul></details>"),
    ],
)  # fmt: skip
def test_what_is_left_when_tags_have_gone_is_right_where_it_stands(written: str, kept: str) -> None:
    assert clean(written, BASE) == kept
    assert clean(kept, BASE) == kept


def test_a_lazy_image_is_shown() -> None:
    html = '<img data-src="/a.jpg" class="lazy"><noscript><img src="/a.jpg"></noscript>'
    assert clean(html, BASE) == '<img src="https://news.example/a.jpg">'


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<text>The ferry</text> <list><item>is back</item></list>", "The ferry is back"),
        ("<div><root/>words</div><set x=1>more<animate>", "<div>words</div>more"),
        ("<nosc<noscript>ript>a</noscript><p>b</p>", "ript&gt;a<p>b</p>"),
        ("<NOSCRIPT class=x><p>a</p></NOSCRIPT >b", "<p>a</p>b"),
        (
            '<p title="press <Enter>, then <text>">a',
            '<p title="press &lt;Enter&gt;, then &lt;text&gt;">a</p>',
        ),
        ("<svg><text>drawn</text></svg><math><mi>x</mi></math>a", "a"),
    ],
)
def test_of_tags_that_mean_nothing_the_words_stay(html: str, kept: str) -> None:
    assert clean(html, BASE) == kept


def test_attributes_hold_only_what_they_are_for() -> None:
    html = '<p dir="sideways" lang="a b">x<img src="/a" width="expression(1)" alt="-->"></p>'
    assert clean(html, BASE) == '<p>x<img src="https://news.example/a" alt="--&gt;"></p>'


def test_the_same_html_gives_the_same_bytes_in_every_process() -> None:
    html = "".join(KEPT)
    code = f"import sys; from publisher.kit.html import clean; print(clean({html!r}, {BASE!r}))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONUTF8": "1"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert runs == {html.encode() + b"\n"}


class Bites(HTMLParser):
    """Reads HTML as loosely as a browser and notes what should not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "iframe", "form", "svg", "h1", "object", "base"}:
            self.found.append(tag)
        for name, value in attrs:
            plain = re.sub(r"\s", "", value or "").lower()
            if name.startswith("on") or name in {"style", "id", "class"}:
                self.found.append(name)
            if name in {"href", "src", "poster", "cite"} and not re.match(
                r"https?://.|mailto:|tel:", plain
            ):
                self.found.append(f"{name}={value}")


PIECES = (
    "<p>|</p>|<a href=|<img src=|<img srcset=|<svg>|<style>|<script>|<h1>|<table>|<td>|<noscript>"
    "|<title>|javascript:|data:|https://x.example|/a|#|\"|'|>|<|&#1;|&lt;|&quot;|-->|<!--"
    "| onload=| style=|\u2003|\\"
)


@given(
    st.lists(st.sampled_from(PIECES.split("|")) | st.text(max_size=3), max_size=25).map("".join),
    st.sampled_from([BASE, "", "https://[", "javascript:x"]),
)
def test_no_html_whatsoever_bites(html: str, base: str) -> None:
    cleaned = clean(html, base)
    bites = Bites()
    bites.feed(cleaned)
    assert bites.found == []
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", cleaned)
    assert clean(cleaned, base) == cleaned


@pytest.mark.parametrize(
    "html",
    ["<div>" * 300_000, "<b><p>" * 100_000, "<a b" * 300_000, "<h1" * 300_000,
     "<img srcset='" + ", " * 300_000 + "'>", "<noscript" * 100_000, "<table>" * 100_000],
    ids=range(7),
)  # fmt: skip
def test_html_made_to_cost_time_costs_little(html: str) -> None:
    assert len(clean(html, BASE)) < 2_000_000


def test_a_large_table_of_results_is_whole() -> None:
    html = (
        "<table><tbody>" + "<tr><td>a</td><td>b</td></tr>" * 10_000 + "</tbody></table><p>end</p>"
    )
    assert clean(html, BASE).count("<td>b</td>") == 10_000
    assert "<p>end</p>" in clean(html, BASE)


def test_markdown() -> None:
    html = from_markdown(
        "# T\n\nA *b* ~~c~~ https://x.example <b>d</b>\n\n| A | B |\n|---|:-:|\n| 1 | 2 |\n\n"
        '<div>\n\n*in*\n\n</div>\n\n![i](/i.jpg "t")\n\n[x](javascript:y)\n'
    )
    assert clean(html, BASE) == (
        "<h2>T</h2>\n<p>A <em>b</em> <s>c</s> https://x.example <b>d</b></p>\n"
        '<table>\n<thead>\n<tr>\n<th>A</th>\n<th align="center">B</th>\n</tr>\n</thead>\n'
        '<tbody>\n<tr>\n<td>1</td>\n<td align="center">2</td>\n</tr>\n</tbody>\n</table>\n'
        "<div>\n<p><em>in</em></p>\n</div>\n"
        '<p><img src="https://news.example/i.jpg" alt="i" title="t"></p>\n'
        "<p>[x](javascript:y)</p>"
    )


@given(st.text())
def test_any_text_is_markdown(text: str) -> None:
    assert isinstance(clean(from_markdown(text), BASE), str)


def test_paragraphs_are_words_only() -> None:
    html = from_paragraphs([" One <b>two</b> & “three” ", "", " \u00a0", "four\0"])
    assert html == "<p>One &lt;b&gt;two&lt;/b&gt; &amp; “three”</p>\n<p>four</p>"
    assert clean(html, BASE) == html


# Prose


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("in<b>si</b>de", "inside"),
        ("<p>a</p><p>b</p>", "a b"),
        ("<p>One <b>w</b>ord.</p><ul><li>Two<ul><li>Three</ul></ul>", "One word. Two Three"),
        ("<P>a<BR>b &lt;c&gt;</P>", "a b <c>"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("<script>x()</script><style>p{}</style><noscript><img></noscript>y", "y"),
        ("a &#1; &nbsp; b", "a b"),
        ("<p>Quoi\u202f!&nbsp;» dit-il.</p>", "Quoi\u202f!\u00a0» dit-il."),
        ("<figure><img alt='a'><figcaption>The bell</figcaption></figure><p>It rang.", "It rang."),
        ("<figure><figcaption>Photo</figcaption></figure>", ""),
        ("<h2>Fog</h2><p>The ferry waits.</p><table><tr><td>00:40</table><p>So do we.",
         "The ferry waits. So do we."),
        ("<h2>Fares</h2><table><tr><th>Hour</th><th>Fare</th></tr></table>", "Fares Hour Fare"),
        ("<pre>x = 1</pre><p>So it is.", "So it is."),
        ("<p><a href=/>https://x.example/a</a><br>Posted <a href=/>here</a>.", "Posted here."),
        ("<p><a href=/>https://x.example/a</a>", "https://x.example/a"),
        ("1 < 2", "1 < 2"),
        ("<!-- a --><?php b ?>", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_prose_is_what_an_article_says_in_running_text(html: str, text: str) -> None:
    assert prose(html) == text


@given(st.lists(st.sampled_from([*PIECES.split("|"), "&#0;", "\ud800"]) | st.text(max_size=4)))
def test_any_html_has_a_clean_line_of_prose(pieces: list[str]) -> None:
    line = prose("".join(pieces))
    assert clean_line(line) == line


@pytest.mark.parametrize(
    "tag", ["<div>", "<b>", "<ul><li>", "<b><p>", "<table><td>", "<a b", "<!--"]
)
def test_prose_of_nesting_without_end_costs_no_time(tag: str) -> None:
    assert prose("<p>Opening.</p>" + tag * 300_000) == "Opening."
