"""How a category's articles are shared out over its archive pages: arithmetic only.

Pages are numbered from the oldest article, so that a full page stays as it is for good; the
category's first page holds what is newer than the last full one, between one page and two of it.
"""

PAGE = 20


def full_pages(count: int) -> int:
    """How many numbered pages `count` articles fill."""
    return max(0, count // PAGE - 1)


def on_index(count: int) -> int:
    """How many of the newest articles stand on the category's first page."""
    return count - PAGE * full_pages(count)


def page_of(older: int) -> int:
    """The number of the page of an article that has `older` articles below it."""
    return older // PAGE + 1
