"""What stands in an edition's mail, in both its parts, and that it is the same every time."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

from publisher.core import splice
from publisher.core.links import article_url
from publisher.core.model import (
    Article,
    Cadence,
    Category,
    Image,
    Newsletter,
    Related,
    Rendering,
    Site,
)
from publisher.errors import ConfigurationError, PermanentError, PublisherError
from publisher.kit.jinja import environment
from publisher.kit.resources import folder
from publisher.newsletters.render import MAX_HTML, EditionContent, fingerprints, render

DATA = Path(__file__).parents[1] / "data" / "mail"
PLANNED = datetime(2026, 11, 20, 6, tzinfo=UTC)
UNSUBSCRIBE = "https://news.example/unsubscribe/t0ken?a=1&b=2"
PREFERENCES = "https://news.example/preferences/t0ken"
SITE = Site(title="Example News", url="https://news.example", contact="editor@news.example")
DAILY = Newsletter(slug="daily", title="The Daily", sender="Example News <news@news.example>")
CATEGORIES = {
    slug: Category(slug=slug, title=title)
    for slug, title in [("world", "World"), ("science", "Science"), ("новости", "Новости")]
}


@pytest.fixture(scope="module")
def templates() -> Environment:
    return environment([folder("templates/email")])


def article(number: int, title: str, *categories: str, **more: object) -> Article:
    plain: dict[str, object] = {
        "id": f"tag:news.example,2026:article:{number}",
        "source": "folder",
        "source_key": f"{number}.md",
        "slug": f"story-{number}",
        "title": title,
        "categories": categories or ("world",),
        "published_at": PLANNED,
        "updated_at": PLANNED,
        "received_at": PLANNED,
        "content_hash": str(number),
        "seq": number,
    }
    return Article(**(plain | more))  # type: ignore[arg-type]  # a test's short hand


HARBOUR = article(
    1,
    "Harbour reopens after the longest winter in forty years",
    summary="Forty-one ships had waited outside the breakwater since the new year. The first to "
    "come in carried oranges, and half the town was on the quay to see them.",
    body_html="<p>" + "The harbour master rang the bell himself. " * 70 + "</p>",
    authors=("Mara Lindqvist", "Tom Ferris"),
    image=Image(
        url="https://news.example/media/hafen früh.jpg", alt="Ships at dawn", caption="The first."
    ),
)
LAKE = article(
    2,
    "A glacier lake that nobody had on the map",
    "science",
    "world",
    body_html="<p>Surveyors flew over the valley twice before they believed it.</p><p>Then they "
    "came back with a boat &amp; a lead line.</p>",
)
SHIPS = article(
    3, "В порт вошли первые суда", "новости", language="ru", url="https://порт.example/суда?a=б"
)
CLOCK = article(4, "Why the town clock runs fast")
EDITION = EditionContent(
    newsletter=DAILY,
    site=SITE,
    cadence=Cadence.DAILY,
    articles=(HARBOUR, LAKE, SHIPS),
    more=(CLOCK,),
    categories=CATEGORIES,
    planned_at=PLANNED,
    locale="en",
    zone="Europe/Berlin",
    key_id="k1",
)


def parts(rendering: Rendering) -> tuple[str, str]:
    """Text and HTML as the reader's program decodes them."""
    values = {
        "name": "Ada",
        "address": "ada@reader.example",
        "unsubscribe_url": UNSUBSCRIBE,
        "preferences_url": PREFERENCES,
    }
    head = (
        f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{rendering.boundary}"'
    )
    message = message_from_bytes(
        head.encode() + b"\r\n\r\n" + splice.fill(rendering.body, values), policy=policy.default
    )
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert not message.defects
    text, html = [part.get_content() for part in message.iter_parts()]
    return text, html


class Page(HTMLParser):
    """The links, images and words of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_text_part_is_a_plain_newspaper(templates: Environment) -> None:
    text, _ = parts(render(EDITION, templates))
    assert text.replace("\r\n", "\n") == (DATA / "digest.txt").read_text(encoding="utf-8")


def test_the_page_names_each_article_once_under_its_section(templates: Environment) -> None:
    html = parts(render(EDITION, templates))[1]
    page = Page(html)
    assert [html.count(f">{each.title}</a>") for each in (*EDITION.articles, CLOCK)] == [1] * 4
    story_links = [link for link in page.links if "story-" in link or "xn--" in link]
    assert list(dict.fromkeys(story_links)) == [
        "https://news.example/feeds/articles/story-1/",
        "https://news.example/feeds/articles/story-2/",
        "https://xn--n1abei.example/%D1%81%D1%83%D0%B4%D0%B0?a=%D0%B1",
        "https://news.example/feeds/articles/story-4/",
    ]
    order = [page.text.rindex(word) for word in ("World", "Science", "Новости", "More stories")]
    assert order == sorted(order)


def test_the_page_is_fit_for_mail_programs(templates: Environment) -> None:
    html = parts(render(EDITION, templates))[1]
    page = Page(html)
    assert ("html", {"lang": "en", "dir": "ltr"}) in page.tags
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image["alt"] == "Ships at dawn"
    assert image["src"] == "https://news.example/media/hafen%20fr%C3%BCh.jpg"
    assert image["width"] == "536"
    assert UNSUBSCRIBE in page.links
    assert "Unsubscribe" in page.text
    assert "mailto:editor@news.example" in page.links
    assert "prefers-color-scheme: dark" in html
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in page.tags
    assert "font-family: Georgia" in html.split("<body")[1]  # inlined
    assert not {"script", "link", "iframe", "form"} & {tag for tag, _ in page.tags}


def test_articles_keep_their_language_and_direction(templates: Environment) -> None:
    arabic = article(9, "إعادة فتح الميناء", language="ar")
    page = Page(parts(render(replace(EDITION, articles=(HARBOUR, SHIPS, arabic)), templates))[1])
    parts_of_it = [
        (attributes.get("lang"), attributes["dir"])
        for tag, attributes in page.tags
        if tag == "div" and "dir" in attributes
    ]
    assert parts_of_it == [
        ("en", "ltr"), (None, "auto"), ("ru", "ltr"), ("ar", "rtl"), (None, "auto"),
    ]  # fmt: skip


def test_related_reading_that_can_be_opened_stands_with_its_article(templates: Environment) -> None:
    lead = replace(
        HARBOUR,
        related=(
            Related(title="Heard in the harbour"),
            Related(title="Never", url="javascript:x"),
            *(Related(title=f"Fares {n}", url=f"https://x.example/{n}") for n in range(9)),
        ),
    )
    text, html = parts(render(replace(EDITION, articles=(lead, LAKE)), templates))
    assert [link for link in Page(html).links if "x.example" in link] == [
        "https://x.example/0", "https://x.example/1", "https://x.example/2",
    ]  # fmt: skip
    assert "Related: Fares 2\r\nhttps://x.example/2" in text
    assert "Heard" not in text + html
    assert "Never" not in text + html


def test_a_long_edition_lists_its_contents(templates: Environment) -> None:
    def contents(count: int) -> list[str]:
        html = parts(render(replace(EDITION, articles=crowd(count, story), more=()), templates))[1]
        return re.findall(r"<li.*?>([^<>]+)</a>", html) + re.findall(r"and \d+ more below", html)

    def story(number: int) -> Article:
        return article(number, f"Story {number}", ("world", "science")[number % 2])

    assert contents(4) == []
    assert contents(5) == ["Story 2", "Story 4", "Story 3", "Story 5"]
    some = ["Story 2", "Story 4", "Story 6", "Story 8", "Story 3", "Story 5", "Story 7", "Story 9"]
    assert contents(12) == [*some, "and 3 more below"]


def test_sections_open_with_a_picture_and_every_picture_is_described(
    templates: Environment,
) -> None:
    def story(number: int) -> Article:
        image = Image(url=f"https://x.example/{number}.jpg", alt=f"Picture {number}" * (number % 2))
        return article(number, f"Story {number}", f"c{number // 2}", image=image)

    categories = {f"c{n}": Category(slug=f"c{n}", title=f"C{n}") for n in range(20)}
    long = replace(EDITION, articles=crowd(30, story), more=(), categories=categories)
    page = Page(parts(render(long, templates))[1])
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [image["src"] for image in images] == [
        f"https://x.example/{n}.jpg" for n in (1, 2, 4, 6, 8, 10)
    ]
    assert [image["alt"] for image in images] == ["Picture 1", "", "", "", "", ""]
    assert {image["width"] for image in images} == {"536", "160"}


def test_corrections_of_what_was_sent_before(templates: Environment) -> None:
    wrong = replace(CLOCK, correction="The clock runs *four* minutes fast, not <five>.")
    text, html = parts(render(replace(EDITION, corrections=(wrong,)), templates))
    assert "Correction" in html
    assert "The clock runs *four* minutes fast, not &lt;five&gt;." in html
    assert "CORRECTION\r\n\r\nWhy the town clock runs fast\r\nThe clock runs" in text
    assert "orrection" not in "".join(parts(render(EDITION, templates)))


def test_a_correction_of_what_was_withdrawn_leads_to_no_page_that_is_gone(
    templates: Environment,
) -> None:
    standing = replace(CLOCK, correction="It runs fast.")
    withdrawn = replace(standing, withdrawn_at=EDITION.planned_at)
    address = article_url(EDITION.site, CLOCK)
    for article, times in ((standing, 1), (withdrawn, 0)):
        edition = replace(EDITION, articles=(), more=(), corrections=(article,))
        text, html = parts(render(edition, templates))
        assert [text.count(address), html.count(address)] == [times, times]
        assert CLOCK.title in html
        assert f"{CLOCK.title}\r\nIt runs fast.\r\n" in text
    assert not re.search(r"\n(\r\n){2,}[A-Z=-]", text.split("CORRECTION")[1])


def test_the_way_to_the_browser_and_to_the_readers_own_page(templates: Environment) -> None:
    address = "https://news.example/editions/7-0123456789ab"
    text, html = parts(render(replace(EDITION, url=address), templates))
    assert f"Read in your browser:\r\n{address}" in text
    assert Page(html).links[1] == address
    assert f"Change what you get:\r\n{PREFERENCES}" in text
    assert PREFERENCES in Page(html).links
    assert "in your browser" not in "".join(parts(render(EDITION, templates)))


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "The Daily: Harbour reopens after the longest winter in forty years and 3 more"),
        ({"articles": (CLOCK,), "more": ()}, "The Daily: Why the town clock runs fast"),
        (
            {"articles": (CLOCK,), "more": (), "cadence": Cadence.IMMEDIATE},
            "Why the town clock runs fast",
        ),
        (
            {"articles": (CLOCK, LAKE), "more": (), "cadence": Cadence.IMMEDIATE, "locale": "de"},
            "Why the town clock runs fast und 1 weiterer Artikel",
        ),
        ({"articles": (), "more": ()}, "The Daily: No new articles"),
    ],
)
def test_subject(changes: dict[str, object], subject: str, templates: Environment) -> None:
    assert render(replace(EDITION, **changes), templates).subject == subject  # type: ignore[arg-type]


def test_an_immediate_mail_says_so_and_when(templates: Environment) -> None:
    text, _ = parts(render(replace(EDITION, cadence=Cadence.IMMEDIATE), templates))
    assert "Just in · November 20, 2026, 7:00" in text


def test_the_same_content_gives_the_same_bytes(templates: Environment) -> None:
    fresh = environment([folder("templates/email")])
    assert render(EDITION, templates) == render(EDITION, fresh)
    other = render(replace(EDITION, more=()), templates)
    assert other.boundary != render(EDITION, templates).boundary


def test_the_fixed_words_and_dates_speak_the_readers_language(templates: Environment) -> None:
    text, html = parts(render(replace(EDITION, locale="ru", zone="Asia/Vladivostok"), templates))
    assert "пятница, 20 ноября 2026" in text
    assert "Отписаться:" in text
    assert '<html lang="ru" dir="ltr">' in html
    assert render(replace(EDITION, locale="de-AT"), templates).language == "de-AT"


@pytest.mark.parametrize(
    ("wish", "spoken"), [("ru", "ru"), ("de-at", "de-AT"), ("pt-BR", "de"), ("../x", "de")]
)
def test_the_mail_speaks_a_language_it_has_words_for(
    wish: str, spoken: str, templates: Environment
) -> None:
    german = replace(EDITION, newsletter=replace(DAILY, language="de"), locale=wish)
    assert render(german, templates).language == spoken


# What strangers write stays words


def test_words_of_strangers_are_words(templates: Environment) -> None:
    title = f'<script>alert("1")</script> {{{{ 7*7 }}}} {splice.mark("unsubscribe_url")}\r\nX: y'
    lead = article(1, title, authors=("</td><b>",), url='https://x.example/"><script>?q=\r\n')
    text, html = parts(render(replace(EDITION, articles=(lead,), more=(lead,)), templates))
    clean = '<script>alert("1")</script> {{ 7*7 }} unsubscribe_url X: y'
    assert clean in text
    assert clean in Page(html).text
    assert "<script" not in html
    assert not [tag for tag, _ in Page(html).tags if tag == "b"]
    assert html.count("unsubscribe/t0ken") == 1


def test_an_article_without_title_or_summary_opens_with_its_words(templates: Environment) -> None:
    words_only = article(1, "", body_html="<p>It rained.</p><p>" + "And then it rained. " * 40)
    text, _ = parts(render(replace(EDITION, articles=(words_only,), more=()), templates))
    assert "It rained. And then it rained." in text
    assert text.count("It rained.") == 1
    lake = parts(render(replace(EDITION, articles=(LAKE,), more=()), templates))[0]
    assert "they came back with a boat & a lead line." in lake.replace("\r\n", " ")


def test_no_text_line_of_words_is_longer_than_72(templates: Environment) -> None:
    text, _ = parts(render(EDITION, templates))
    assert all(len(line) <= 72 for line in text.splitlines() if "://" not in line)


# How much fits


def crowd(count: int, make: Callable[[int], Article]) -> tuple[Article, ...]:
    return tuple(make(number) for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("articles", "more"),
    [
        (crowd(200, lambda n: article(n, f"Story {n}", summary="word " * 60)), ()),
        (crowd(30, lambda n: article(n, "Ж" * 900, summary="Ж" * 900)), ()),
        ((HARBOUR,), crowd(2000, lambda n: article(n, f"Story {n}"))),
        (
            crowd(40, lambda n: article(n, "x" * 10_000, url="https://x.example/" + "y" * 1900)),
            crowd(90, lambda n: article(n, "x" * 10_000, url="https://x.example/" + "y" * 1900)),
        ),
        (
            (article(1, "x", url="https://x.example/" + "y" * 100_000, authors=("z" * 9_999,)),),
            (article(2, "x", url="https://x.example/" + "y" * 100_000),),
        ),
    ],
    ids=["many", "long", "many-links", "huge", "endless-address"],
)
def test_the_page_stays_small_and_counts_what_it_leaves_out(
    articles: tuple[Article, ...], more: tuple[Article, ...], templates: Environment
) -> None:
    text, html = parts(render(replace(EDITION, articles=articles, more=more), templates))
    assert len(html.encode()) <= MAX_HTML
    page = Page(html)
    stories = sum(tag in ("h2", "h3") for tag, _ in page.tags)
    listed = sum(
        tag == "td" and "link" in (attributes.get("class") or "").split()
        for tag, attributes in page.tags
    )
    assert stories >= 1
    left_out = len(articles) + len(more) - stories - listed
    if left_out > 0:
        said = f"And {left_out + 1:,} more on the site"  # the sentence itself is a line of the list
        assert said in page.text
        assert said in text
    else:
        assert "on the site" not in page.text
    assert "Unsubscribe" in page.text


def test_over_the_limit_the_last_articles_become_links(templates: Environment) -> None:
    articles = crowd(90, lambda n: article(n, f"Story {n}.", summary="слово " * 90))
    html = parts(render(replace(EDITION, articles=articles, more=()), templates))[1]
    page = Page(html)
    assert 10 < sum(tag in ("h2", "h3") for tag, _ in page.tags) < 90
    assert all(f"Story {n}." in page.text for n in range(1, 91))
    assert "on the site" not in page.text


# Operators' own templates and settings


def own(tmp_path: Path, html: str, text: str = "text") -> Environment:
    (tmp_path / "digest.html").write_text(html, encoding="utf-8")
    (tmp_path / "digest.txt").write_text(text, encoding="utf-8")
    return environment([tmp_path, folder("templates/email")])


@pytest.mark.parametrize(
    ("html", "text", "sentence"),
    [
        ("one\n{{ nobody }}", "", r"digest\.html, line 2: 'nobody' is undefined"),
        ("one\ntwo\n{% if %}", "", r"digest\.html, line 3: "),
        ("{% include 'gone.html' %}", "", r"gone\.html is missing"),
        ("ok", "one\n\n{{ 1 / 0 }}", r"digest\.txt, line 3: division by zero"),
        ("{{ ''.__class__.__mro__ }}", "", r"digest\.html, line 1: .*unsafe"),
        ("{{ reader.nickname }}", "", r"digest\.html, line 1: .*nickname"),
    ],
)
def test_a_template_that_fails_names_its_line(
    html: str, text: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(PublisherError, match=sentence):
        render(EDITION, own(tmp_path, html, text))


def test_a_newsletter_can_have_its_own_template(tmp_path: Path) -> None:
    templates = own(
        tmp_path, "<p>{{ reader.name }}: {{ lead.title }}</p>", "Dear {{ reader.name }},"
    )
    text, html = parts(render(EDITION, templates))
    assert text == "Dear Ada,"
    assert f"<p>Ada: {HARBOUR.title}</p>" in html
    missing = replace(EDITION, newsletter=replace(DAILY, template="weekly"))
    with pytest.raises(ConfigurationError, match=r"weekly\.html is missing"):
        render(missing, templates)


def test_the_fingerprints_follow_templates_and_settings(tmp_path: Path) -> None:
    def made(text: str, title: str = "Daily", site: Site = SITE) -> Mapping[str, str]:
        both = {"daily": replace(DAILY, title=title), "": ("news@news.example", ["daily"])}
        return fingerprints(both, site, own(tmp_path, text))

    first = made("one")
    assert made("one") == first
    assert len(set(first.values())) == 2
    for other in (made("two"), made("one", site=replace(SITE, title="Other"))):
        assert not {*other.values()} & {*first.values()}
    retitled = made("one", "Other")
    assert retitled["daily"] != first["daily"]
    assert retitled[""] == first[""]


def test_who_sends_it(templates: Environment) -> None:
    rendering = render(EDITION, templates)
    assert rendering.sender == "Example News <news@news.example>"
    assert rendering.list_id == "The Daily <daily.news.example>"
    unnamed = replace(
        DAILY, sender="news@news.example", slug="новости", reply_to="Ed <e@x.example>"
    )
    rendering = render(replace(EDITION, newsletter=unnamed), templates)
    assert rendering.sender == "The Daily <news@news.example>"
    assert rendering.list_id == "The Daily <xn--b1amnebsh.news.example>"
    assert rendering.reply_to == "Ed <e@x.example>"


@pytest.mark.parametrize(
    "settings", [{"sender": ""}, {"sender": "a@b.example, c@d.example"}, {"list_id": "a b"}]
)
def test_settings_that_no_header_can_hold(settings: dict[str, str], templates: Environment) -> None:
    newsletter = replace(DAILY, **settings)  # type: ignore[arg-type]
    with pytest.raises(PermanentError):
        render(replace(EDITION, newsletter=newsletter), templates)
