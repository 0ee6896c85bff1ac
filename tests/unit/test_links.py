"""One address for each thing, in a form that every program opens."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.links import (
    article_url,
    ascii_host,
    category_url,
    feeds_url,
    has_own_page,
    shown_host,
    web_address,
    within,
)
from publisher.core.model import Article, Site

SITE = Site(title="N", url="https://news.example/paper")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def article(url: str = "", slug: str = "fog") -> Article:
    return Article(
        id="tag:news.example,2026:article:1",
        source="folder",
        source_key="1",
        slug=slug,
        url=url,
        published_at=NOW,
        updated_at=NOW,
        received_at=NOW,
        content_hash="1",
    )


def test_pages_of_the_site() -> None:
    assert feeds_url(SITE) == "https://news.example/paper/feeds/"
    assert category_url(SITE, "новости") == (
        "https://news.example/paper/feeds/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8/"
    )
    assert article_url(SITE, article(slug="nebel-über")) == (
        "https://news.example/paper/feeds/articles/nebel-%C3%BCber/"
    )


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        ("https://x.example/a?b=c#d", "https://x.example/a?b=c#d"),
        ("https://порт.example/суда?a=б", "https://xn--n1abei.example/%D1%81%D1%83%D0%B4%D0%B0?a=%D0%B1"),
        ("https://ida:p@Порт.example:81/", "https://ida:p@xn--n1abei.example:81/"),
        ("HTTP://X.example:8080?b=c?d#e#f", "http://x.example:8080/?b=c?d#e%23f"),
        ("https://x.example:/", "https://x.example/"),
        ("https://under_score.example./a", "https://under_score.example./a"),
        ("https://x.example/100%/a[1]%5b?b=[2]", "https://x.example/100%25/a%5B1%5D%5b?b=%5B2%5D"),
        ("https://x.example/two words%20three", "https://x.example/two%20words%20three"),
        ('https://x.example/"><b>\r\n', "https://x.example/%22%3E%3Cb%3E"),
    ],
)  # fmt: skip
def test_an_address_elsewhere_is_ascii(written: str, opened: str) -> None:
    assert article_url(SITE, article(url=written)) == web_address(written) == opened
    assert web_address(opened) == opened
    assert not has_own_page(article(url=written))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:x()",
        "mailto:ida@news.example",
        "/articles/fog",
        "https:///fog",
        "https://[x/",
        "http://[::1]:8080/a",
        "https://x.example:port/",
        "https://x.example:99999/",
        "https://two words.example/",
        "https://x..example/",
        "https://<b>/",
        "https://" + "ж" * 80 + ".example/",
        "https://x.example/" + "y" * 2000,
    ],
)
def test_what_cannot_be_opened_is_read_here(url: str) -> None:
    assert web_address(url) == ""
    assert has_own_page(article(url=url))
    assert article_url(SITE, article(url=url)).endswith("/feeds/articles/fog/")


@given(
    st.text() | st.text().map("https://{}".format) | st.text().map("https://x.example/{}".format)
)
def test_whatever_is_given_an_address_is_plain(url: str) -> None:
    address = web_address(url)
    assert address == "" or address.startswith(("http://", "https://"))
    assert address.isascii()
    assert not set(address) & set('\r\n \t<>"\\^`{|}[]')
    assert web_address(address) == address


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("News.Example", "news.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("ｎｅｗｓ。example", "news.example"),
        ("i❤\ufe0f.example", "xn--i-7iq.example"),
    ],
)
def test_a_host_as_browsers_ask_for_it(host: str, name: str) -> None:
    assert ascii_host(host) == name


@pytest.mark.parametrize("host", ["", "a..example", "x" * 64 + ".example", "ж" * 60 + ".example"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="no name of a host"):
        ascii_host(host)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://www.x.example:81/a", "x.example"),
        ("https://xn--n1abei.example/", "порт.example"),
        ("https://xn--\u007e.example/", "xn--~.example"),
    ],
)
def test_a_host_as_people_write_it(url: str, shown: str) -> None:
    assert shown_host(url) == shown


@pytest.mark.parametrize(
    ("site", "url", "href"),
    [
        ("https://n.example", "https://n.example/feeds/city/", "/feeds/city/"),
        ("https://n.example/paper", "https://n.example/paper/feeds/city/", "/paper/feeds/city/"),
        ("https://n.example/paper", "https://n.example/other/", "https://n.example/other/"),
        (
            "https://n.example",
            "https://elsewhere.example/feeds/",
            "https://elsewhere.example/feeds/",
        ),
    ],
)
def test_links_to_our_own_pages_start_at_the_root(site: str, url: str, href: str) -> None:
    assert within(Site(title="N", url=site), url) == href
