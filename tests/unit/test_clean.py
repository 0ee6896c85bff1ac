"""What is taken in is fit to be shown."""

from publisher.core.model import Candidate, Related, Site
from publisher.sources.clean import offer


def test_a_reference_without_legible_words_goes_by_its_address() -> None:
    site = Site(title="Example News", url="https://news.example")
    related = (
        Related(title="\u200b", url="https://else.example/fares"),
        Related(title="Fares", url="javascript:alert(1)"),
    )
    offered = offer(Candidate(key="a.md", title="The ferry", related=related), "", site)
    assert [(each.title, each.url) for each in offered.related] == [
        ("https://else.example/fares", "https://else.example/fares"),
        ("Fares", ""),
    ]
