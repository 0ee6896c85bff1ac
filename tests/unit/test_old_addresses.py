"""Addresses of other programs lead to the right feeds."""

import pytest

from publisher.web.old_addresses import target


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/feed", "feeds/all/rss.xml"),
        ("/feed/", "feeds/all/rss.xml"),
        ("/feed/atom/", "feeds/all/atom.xml"),
        ("/feed/rss2/", "feeds/all/rss.xml"),
        ("/feed/json", "feeds/all/feed.json"),
        ("/rss", "feeds/all/rss.xml"),
        ("/rss.xml", "feeds/all/rss.xml"),
        ("/index.xml", "feeds/all/rss.xml"),
        ("/atom.xml", "feeds/all/atom.xml"),
        ("/feed.json", "feeds/all/feed.json"),
        ("/category/world", "feeds/world/"),
        ("/category/world/feed/", "feeds/world/rss.xml"),
        ("/category/world/feed/atom/", "feeds/world/atom.xml"),
        ("/category/europe/france/feed/", "feeds/france/rss.xml"),
        ("/category/новости/feed/", "feeds/новости/rss.xml"),
        ("/category/feed/feed/", "feeds/feed/rss.xml"),
    ],
)
def test_a_known_address_leads_to_its_feed(path: str, leads_to: str) -> None:
    found = target(path.split("/")[1:])
    assert found is not None
    assert "/".join(found) == leads_to


@pytest.mark.parametrize("path", ["/", "/category", "/about", "/feed/unknown", "/world/feed/x/y"])
def test_other_addresses_lead_nowhere(path: str) -> None:
    assert target(path.split("/")[1:]) is None
