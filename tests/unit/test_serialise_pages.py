"""Which article stands on which page, and what leads from page to page."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.model import Category
from publisher.feeds.about import with_territory
from publisher.feeds.archive import (
    PAGE,
    full_pages,
    month,
    months_begin,
    months_on,
    on_index,
    page_of,
)
from publisher.feeds.tree import Branch, Tree


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


def test_a_month_is_that_of_the_site():
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    assert month(midnight, "Europe/Berlin") == "2026-01"
    assert month(midnight, "America/New_York") == "2025-12"
    assert months_on([midnight, midnight.replace(year=987)], "UTC") == "2026-01 0987-01"


def test_a_month_begins_where_who_reads_back_in_time_meets_it():
    pages = ["2025-12", "2026-01 2025-12", "2024-05 2026-01"]  # page 1 is the oldest
    assert months_begin("2026-03 2026-02", pages) == {
        "2026-03": None,
        "2026-02": None,
        "2026-01": 3,
        "2025-12": 2,
        "2024-05": 3,  # one of long ago that came in late
    }
    assert list(months_begin("", pages)) == ["2026-01", "2025-12", "2024-05"]


def family(**parents: str) -> Tree:
    return Tree([Category(slug=slug, title=slug, parent=up) for slug, up in parents.items()])


def test_a_family_of_categories():
    tree = family(zoo="city", city="", council="city", budget="council", moon="sky")
    by_slug = {each.slug: each for each in tree.by_title}
    assert [each.slug for each in tree.sections] == ["city", "moon"]
    assert [each.slug for each in tree.above(by_slug["budget"])] == ["city", "council"]
    assert tree.above(by_slug["moon"]) == []  # its parent has no feed
    assert [each.slug for each in tree.below(by_slug["city"])] == ["council", "zoo"]


def drawn(branches: Sequence[Branch]) -> list[object]:
    return [(each.category.slug, *drawn(each.below)) for each in branches]


def test_every_category_stands_once_in_the_directory_beneath_its_parent():
    tree = family(zoo="city", city="", council="city", budget="council", moon="sky")
    assert drawn(tree.branches()) == [("city", ("council", ("budget",)), ("zoo",)), ("moon",)]
    circle = family(a="b", b="c", c="b", self="self")
    assert drawn(circle.branches()) == [("a",), ("b", ("c",)), ("self",)]


def test_parents_that_go_in_a_circle_end_somewhere():
    tree = family(a="b", b="c", c="b", self="self")
    by_slug = {each.slug: each for each in tree.by_title}
    assert [each.slug for each in tree.above(by_slug["a"])] == ["c", "b"]
    assert [each.slug for each in tree.above(by_slug["b"])] == ["c"]
    assert tree.above(by_slug["self"]) == []
    assert "self" not in [each.slug for each in tree.below(by_slug["self"])]


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en", "en_US"),
        ("de-AT", "de_AT"),
        ("ru", "ru_RU"),
        ("zh-Hant", "zh_TW"),
        ("es-419", "es_419"),
    ],
)
def test_open_graph_wants_a_land_with_each_language(locale, shown):
    assert with_territory(locale) == shown
