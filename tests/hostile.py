"""Articles as nobody should write them: the same ones for the same seed."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from publisher.core.model import Article, Candidate, CategoryName, Enclosure, Image, Related
from publisher.kit.html import clean

T = TypeVar("T")

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)

WORDS = (
    "", " ", "harbour", "Fish & chips <on> the bridge", "<b>bold</b>", "<i>open", "x < y && y > z",
    "</title></item><script>alert(1)</script>", "]]>", "<![CDATA[ cut ]]>", "<!-- hidden -->",
    "<?php echo 1 ?>", "&amp;amp; &lt;b&gt; &#60;i&#62;", "&nbsp;&copy;&bogus;", "R&D2", "AT&T",
    "100%", "\"quoted\" 'and'", "🦊 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪", "שלום עולם", "مرحبا بالعالم",
    "\u202eright to left\u202c", "\u2067isolated\u2069", "\u202enever closed",
    "\u2069\u202c closed", "".join(map(chr, range(0x20))), "".join(map(chr, range(0x7f, 0xa0))),
    "nul\x00inside", "escape \x1b[31mred", "lone \ud83d half", "\udfff\ud800", "\ufffe\uffff",
    "\ufdd0\ufdef", "\U0001fffe\U0010ffff", "\ufeffmarked", "private \ue000 use", "caf\ufffd",
    "\u2028\u2029", "line\nbreak\r\nand\rmore", "tab\tand  spaces",
    "Z\u0337\u0322\u0321a\u0334l\u0336g\u0335o", "soft\u00adhyphen zero\u200bwidth",
    "ﬁsh Ｗｉｄｅ Å", "新聞の見出し", "หนังสือพิมพ์", "unbroken" * 60,
)  # fmt: skip

ADDRESSES = (
    "", "#", "#top", "?q=1", "picture.jpg", "../up.png", "/root.gif", "//cdn.example/x.png",
    "http://", "https://", "http:///x", "https://media.example", "https://media.example?q=1",
    "https://media.example/a b.mp3", "https://media.example/é.ogg", "https://straße.example/",
    "https://media.example/%zz%41", "https://media.example/a[1].mp3", "https://media.example/#a#b",
    "https://media.example/|^`{}\\\"<>", "https://user:word@media.example/x.mp3",
    "https://under_score.example/x.mp3", "http://localhost/x.mp3", "http://192.0.2.1:8080/x.mp3",
    "http://[2001:db8::1]/x.mp3", "http://[broken/x", "https://media.example:port/x",
    "https://media.example:/x", "https://media.example:99999/x", "https://media.example./x.mp3",
    "https://exa mple.example/", "https://-.example/", "https://..example/",
    "HTTPS://MEDIA.EXAMPLE/X", "ftp://media.example/x.mp3", "javascript:alert(1)",
    "data:text/html,x", "mailto:a@b.example", "file:///etc/passwd", "tel:+123", "urn:x:y",
    "https://media.example/\ud800\x00\x1f", "https://media.example/\u202e",
    "https://media.example/" + "a" * 2100, "https://media.example/clip.mp3",
    "https://media.example/film.mp4?from=feed#t=1",
)  # fmt: skip

LANGUAGES = (
    "", "en", "de", "de_DE", "DE-at", "pt-BR", "zh-Hant-TW", "ar", "xx-invalid", "klingon", "qq",
    "english", "deu", "e", "en-", "-", "en--US", "x" * 40, "i-klingon", "x-private",
    "de-1234567890", "fr\x00", "ru RU", "日本語", "\ud800",
)  # fmt: skip

AUTHORS = (
    "", " ", "Ida Morell", "Tomas Brandt", "ida@news.example", "Ida <ida@news.example>",
    "ida@news.example (Ida Morell)", "<b>Ida</b> Morell", "Tom &amp; Ann", "R&D2 desk", "\x00",
    "]]>", "<ida@news.example> and <tomas@news.example>", "Ida, Tomas; and others", "سلمى الحداد",
    "\ud800", "</name></author>", "森田 春", "caf\ufffd", "https://ida.example/", "O'Neill \"Jr\"",
)  # fmt: skip

CATEGORIES = (
    "City", "City & Council", "<b>Bold</b>", "]]>", "all", "articles", "..", "/", "Новости",
    "العالم", "R&D2", "&amp;", "100%", "emoji 🦊", "\x00", "", "\u202eturned", "tag, with; marks",
    "a" * 300, "it's", "\"", "<script>", "a/b", "C++", "#hash", "?", "\ud800",
)  # fmt: skip

KINDS = (
    "", " ", "foo", "audio/mpeg", "Audio/MPEG", "image/jpeg", "audio/", "/mpeg", "a/b/c",
    "text/html;x", "text/html; charset=utf-8", "audio/mp eg", "<b>", "\x00", "video/mp4\n",
    "\ud800", "é/é",
)  # fmt: skip

LENGTHS = (0, 1, 99, 38_112_044, 10**18, -1)

YEARS = (1, 69, 99, 1582, 1899, 1900, 1969, 1989, 1990, 2001, 2025, 2026, 9999)

_TAGS = (
    "p", "div", "a", "b", "i", "em", "h1", "h2", "h3", "h6", "ul", "ol", "li", "dl", "dt", "dd",
    "table", "thead", "tbody", "tr", "td", "th", "caption", "colgroup", "col", "blockquote", "pre",
    "code", "figure", "figcaption", "img", "picture", "source", "video", "audio", "br", "hr", "wbr",
    "ruby", "rb", "rt", "rp", "span", "font", "big", "center", "strike", "tt", "acronym", "dir",
    "menu", "article", "main", "nav", "marquee", "nobr", "label", "fieldset", "legend", "form",
    "button", "select", "option", "textarea", "iframe", "object", "embed", "script", "style", "svg",
    "math", "noscript", "template", "title", "html", "head", "body", "frameset", "plaintext", "xmp",
    "details", "summary", "dialog", "del", "ins", "q", "time", "address", "o:p", "x-custom",
    "image", "param", "track", "input", "isindex", "keygen", "applet", "bgsound", "basefont",
    "hgroup", "search",
)  # fmt: skip

BODIES = (
    "", " ", "<p></p>", "No markup at all, but a < b.", "<p>One paragraph.", "</p></div></td>stray",
    '<p><img src="/a.jpg" alt="A &quot;quoted&quot; gull"> <img alt="no source"></p>',
    '<p><img src="//cdn.example/b.png" srcset="b.png 1x, //cdn.example/c.png 2x, #d 3x"></p>',
    '<p><a href="#top">up</a> <a href="../x?y=1&z=2">there</a> <a href="">here</a> <a>none</a></p>',
    '<p><a href="javascript:alert(1)" onclick="alert(2)" style="position:fixed">press</a></p>',
    '<img src="x" alt="src=foo bar"><img src="data:image/png;base64,AAAA" alt="inline">',
    "<h1>One<article><h2>Two</h2></article></h1>", "<ul><li>a<form><li>b</form></li></ul>",
    "<p>a<marquee><p>b</p></marquee></p>",
    "<a href='/1'>a<marquee><a href='/2'>b</a></marquee></a>",
    "<table><tr><td>1<td>2<tr><th>3</table>", "<table>loose<tr><td><p>x</table>",
    "<table><a href='/x'>out</a><tr><td>in</td></tr></table>", "<b><p>x</b>y</p>",
    "<p><b><i>x</b>y</i>", "<pre>\n\n  kept\n</pre>", "<textarea>\n<p>x</textarea>",
    "<br></br><hr></hr><p/>x", "<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>",
    "<ruby><span>漢<rt>kan</span></ruby><rt>loose</rt>",
    "<!-- comment --><![CDATA[ x ]]><?php echo '<p>'; ?><!DOCTYPE html><p>x",
    "<iframe src='https://film.example'></iframe><object><p>x</p></object><svg><title>t</title></svg>",
    "<math><mi>x</mi></math>after<p>text",
    "<script>if (a < b) { '</p>' }</script><style>p{}</style>text",
    "&#0;&#1;&#x80;&#x85;&#xfffe;&#xd800;&#xfdd0;&#x1ffff; &#xfffd; &nosuch; &amp &lt",
    "<p>]]></p>", "<div>" * 300 + "deep", "<b>" * 40 + "bold" + "</p>" * 10,
    "<p title='a > b' dir=RTL lang=he>x",
    "<noscript><img src='/lazy.jpg'></noscript><img src='data:,' data-src='/lazy.jpg'>",
    "<details><summary>s</summary>d</details><dialog open>d</dialog>", "<plaintext>all <b>the rest",
    "<select><option>1<option>2</select><button>press</button><input value=x>",
    "<p>" + "word " * 3000, "<a href='https://x.example/\x85 \ufffd'>y\x85z</a>",
    "<p>\x00\x0b\x0c\x1f\x7f\u2028\ufdd0</p>",
    "<a href='mailto:ida@news.example'>mail</a> <a href='tel:1'>call</a> <a href='ftp://x'>ftp</a>",
    "<video controls autoplay src='/f.mp4' poster='p.jpg'><track src=t><source src=/g></video>",
)  # fmt: skip


class Wild:
    """Draws articles in which about anything may be wrong at once."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.last: datetime | None = NOW

    def candidates(self, count: int, category: str) -> list[Candidate]:
        return [self.candidate(str(number), category) for number in range(count)]

    def candidate(self, key: str, category: str) -> Candidate:
        number = self.draw.randrange
        return Candidate(
            key=key,
            title=self.title(),
            summary=self.words(3) if number(2) else "",
            body_html=self.body(),
            authors=self.some(AUTHORS, 3),
            categories=(category, *map(self.category, range(number(3)))),
            language=self.one(LANGUAGES),
            url=self.one(ADDRESSES) if number(3) == 0 else "",
            slug=self.words(1) if number(5) == 0 else "",
            published_at=self.moment(),
            updated_at=self.moment(),
            image=self.image() if number(2) else None,
            enclosures=tuple(self.enclosure() for _ in range(self.one((0, 0, 1, 1, 2, 4)))),
            related=tuple(self.related() for _ in range(self.one((0, 0, 0, 1, 3)))),
            correction=self.words(2) if number(6) == 0 else "",
        )

    def articles(self, count: int) -> list[Article]:
        """Rows as an older version may have kept them: only their texts were always cleaned."""
        return [
            Article(
                id=f"tag:news.example,2026:article:{number}",
                source="offering",
                source_key=said.key,
                slug=f"article-{number}",
                url=said.url,
                title=said.title,
                summary=said.summary,
                body_html=clean(said.body_html, "https://news.example/"),
                authors=said.authors,
                categories=("old", "odd", "retired"),
                image=said.image,
                enclosures=said.enclosures,
                related=said.related,
                language=said.language,
                correction=said.correction,
                published_at=min((said.published_at or NOW).astimezone(UTC), NOW),
                updated_at=min((said.updated_at or NOW).astimezone(UTC), NOW),
                received_at=NOW,
                content_hash="",
                seq=number - count // 2,
            )
            for number, said in enumerate(self.candidates(count, "Old"))
        ]

    def one(self, among: Sequence[T]) -> T:
        return self.draw.choice(among)

    def some(self, among: Sequence[T], most: int) -> tuple[T, ...]:
        return tuple(self.draw.choices(among, k=self.draw.randint(0, most)))

    def words(self, most: int) -> str:
        return " ".join(self.some(WORDS, most))

    def title(self) -> str:
        if self.draw.randrange(60) == 0:
            return self.one(("endless", "<b>&", "🦊", "\u202eא", "word ")) * 25_000
        return self.words(3)

    def body(self) -> str:
        if self.draw.randrange(3):
            return "\n".join(self.some((*BODIES, *WORDS), 4))
        return self.soup(self.draw.randint(1, 60))

    def soup(self, tags: int) -> str:
        """Tags as they come, closed or not."""
        made = []
        for _ in range(tags):
            tag, number = self.one(_TAGS), self.draw.randrange(10)
            if number < 5:
                made.append(f"<{tag}{self.attribute()}>")
            elif number < 8:
                made.append(f"</{tag}>")
            else:
                made.append(self.one(WORDS))
        return "".join(made)

    def attribute(self) -> str:
        name = self.one(("", "", "href", "src", "alt", "title", "srcset", "dir", "lang", "style"))
        quoted = self.one((*ADDRESSES, *WORDS)).replace('"', "&quot;")
        return f' {name}="{quoted}"' if name else ""

    def category(self, _: int) -> str | CategoryName:
        name = self.one(CATEGORIES)
        if self.draw.randrange(4):
            return name
        return CategoryName(
            title=name,
            slug=self.one((*CATEGORIES, *WORDS)),
            description=self.words(2),
            parent=CategoryName(title=self.one(CATEGORIES), description=self.words(2)),
        )

    def moment(self) -> datetime | None:
        """Of any year and zone; now and then the same as the last."""
        number = self.draw.randrange
        if number(4) == 0:
            return self.last
        if number(8) == 0:
            self.last = None
            return None
        zone = timezone(timedelta(minutes=self.one((0, 0, 0, 60, 345, -570, 840, -720))))
        # Not the first and last days there are, which other zones put beyond the calendar.
        day = datetime(self.one(YEARS), 6, 1, tzinfo=zone)
        self.last = day + timedelta(days=number(28), seconds=number(86_400), microseconds=number(9))
        return self.last

    def image(self) -> Image:
        return Image(
            url=self.one(ADDRESSES),
            alt=self.words(2),
            caption=self.words(2),
            type=self.one(KINDS),
            length=self.one((None, *LENGTHS)),
        )

    def enclosure(self) -> Enclosure:
        return Enclosure(url=self.one(ADDRESSES), type=self.one(KINDS), length=self.one(LENGTHS))

    def related(self) -> Related:
        return Related(title=self.words(2), url=self.one(ADDRESSES), caption=self.words(1))
