"""Writes the list of all feeds as OPML 2.0, for a reader to import at once."""

from collections.abc import Sequence

from lxml import etree

from publisher.feeds.feed import Feed


def opml(title: str, feeds: Sequence[Feed]) -> bytes:
    """The same feeds give the same bytes. Each stands once, as RSS: readers take every line."""
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = title
    body = etree.SubElement(root, "body")
    for feed in feeds:
        etree.SubElement(
            body,
            "outline",
            type="rss",
            text=feed.title,
            title=feed.title,
            description=feed.description,
            language=feed.language,
            xmlUrl=feed.url + "rss.xml",
            htmlUrl=feed.html_url,
        )
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
