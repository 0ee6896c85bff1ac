"""Which article stands on which page."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.feeds.archive import PAGE, full_pages, on_index, page_of


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
