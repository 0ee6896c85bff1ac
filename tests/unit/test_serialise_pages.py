"""The small decisions behind pages: which article on which page, which way a language runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.model import Site
from publisher.feeds.addresses import within
from publisher.feeds.archive import PAGE, full_pages, on_index, page_of
from publisher.feeds.pages import direction, known_locale


@given(st.integers(0, 10_000))
def test_every_article_stands_on_exactly_one_page(count):
    full = full_pages(count)
    assert full * PAGE + on_index(count) == count
    assert on_index(count) < 2 * PAGE
    assert on_index(count) >= PAGE or full == 0


@given(st.integers(0, 10_000))
def test_one_more_article_moves_none_between_full_pages(count):
    for older in range(full_pages(count) * PAGE):
        assert page_of(older) <= full_pages(count) <= full_pages(count + 1)


@pytest.mark.parametrize(
    ("language", "way"),
    [
        ("ar", "rtl"),
        ("ar-EG", "rtl"),
        ("he", "rtl"),
        ("fa_IR", "rtl"),
        ("az-Arab-IR", "rtl"),
        ("ur-Latn", "ltr"),
        ("en", "ltr"),
        ("ja", "ltr"),
        ("", "ltr"),
        ("x-nonsense", "ltr"),
    ],
)
def test_which_way_a_language_is_written(language, way):
    assert direction(language) == way


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("ru", "ru"),
        ("pt_BR", "pt-BR"),
        ("de-XX", "de"),
        ("tlh", "en"),
        ("", "en"),
        ("../etc", "en"),
    ],
)
def test_dates_are_written_in_a_language_that_is_known(language, locale):
    assert known_locale(language, "en") == locale


@pytest.mark.parametrize(
    ("site", "url", "href"),
    [
        ("https://n.example", "https://n.example/feeds/city/", "/feeds/city/"),
        ("https://n.example/paper/", "https://n.example/paper/feeds/city/", "/paper/feeds/city/"),
        ("https://n.example/paper", "https://n.example/other/", "https://n.example/other/"),
        (
            "https://n.example",
            "https://elsewhere.example/feeds/",
            "https://elsewhere.example/feeds/",
        ),
    ],
)
def test_links_to_our_own_pages_start_at_the_root(site, url, href):
    assert within(Site(title="N", url=site), url) == href
