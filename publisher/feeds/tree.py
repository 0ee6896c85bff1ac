"""How categories that have a feed stand to one another; one without is passed over."""

from collections.abc import Sequence
from functools import cached_property

from publisher.core.model import Category


class Tree:
    def __init__(self, categories: Sequence[Category]) -> None:
        self._by_slug = {each.slug: each for each in categories}

    @cached_property
    def by_title(self) -> list[Category]:
        """All of them: an order that news leaves be."""
        return sorted(self._by_slug.values(), key=lambda each: (each.title.casefold(), each.slug))

    @cached_property
    def sections(self) -> list[Category]:
        """Those without a parent, by title."""
        return [each for each in self.by_title if each.parent not in self._by_slug]

    def above(self, category: Category) -> list[Category]:
        """Its parent last, before it that one's parent, and so on."""
        found: list[Category] = []
        parent = self._by_slug.get(category.parent or "")
        while parent and parent != category and parent not in found:  # they may go in a circle
            found.insert(0, parent)
            parent = self._by_slug.get(parent.parent or "")
        return found

    def below(self, category: Category) -> list[Category]:
        """Its children by title, and not theirs."""
        return [each for each in self.by_title if each.parent == category.slug != each.slug]
