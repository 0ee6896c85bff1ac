"""Which other categories the pages of a category name beside it."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from publisher.core.model import Category
from publisher.feeds import manifest
from publisher.feeds.tree import Tree

MOST = 10
"""Sections that fit beside each other at the top of a page."""


class Navigation:
    def __init__(self, tree: Tree, sizes: Mapping[str, int]) -> None:
        """`sizes`: how many articles stand in each category, by slug."""
        self._tree = tree
        self._sizes = sizes

    def by_size(self, categories: Sequence[Category]) -> list[Category]:
        """The largest first."""
        return sorted(categories, key=lambda each: (-self._sizes[each.slug], each.slug))

    @cached_property
    def _largest_sections(self) -> list[Category]:
        """By title."""
        largest = self.by_size(self._tree.sections)[:MOST]
        return [each for each in self._tree.sections if each in largest]

    def sections(self, category: Category | None) -> list[Category]:
        """Those at the top of a page, that in which `category` stands among them."""
        shown = self._largest_sections
        if category:
            own = [*self._tree.above(category), category][0]
            shown = shown if own in shown else [*shown, own]
        return shown

    def mark(self, category: Category | None) -> str:
        """Of the categories that the first page of one names beside itself."""
        others = [self._largest_sections]
        if category:
            others += [self._tree.above(category), self._tree.below(category)]
        return manifest.mark(*([each.slug for each in some] for some in others))
