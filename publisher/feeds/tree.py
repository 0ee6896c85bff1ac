"""How categories that have a feed stand to one another; one without is passed over."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from publisher.core.model import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A category with all that are beneath it."""

    category: Category
    below: tuple["Branch", ...]


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
        return [each for each in self._children[category.slug] if each.slug != category.slug]

    @cached_property
    def _children(self) -> Mapping[str, Sequence[Category]]:
        found: dict[str, list[Category]] = defaultdict(list)
        for each in self.by_title:
            found[each.parent or ""].append(each)
        return found

    def branches(self) -> list[Branch]:
        """All categories, each once and beneath its parent, by title."""
        seen: set[str] = set()

        def branch(category: Category) -> Branch:
            seen.add(category.slug)
            children = [each for each in self.below(category) if each.slug not in seen]
            return Branch(category=category, below=tuple(map(branch, children)))

        grown = [branch(each) for each in self.sections]
        # What is left has parents that go in a circle.
        return grown + [branch(each) for each in self.by_title if each.slug not in seen]
