"""A post's text as readable HTML, still to be cleaned: nothing of WordPress's is left in it."""

from publisher.core.text import without_controls
from publisher.sources.wordpress.blocks import has_blocks, verses, without_comments
from publisher.sources.wordpress.embeds import lines_as_links, shown
from publisher.sources.wordpress.markup import Media
from publisher.sources.wordpress.paragraphs import paragraphs
from publisher.sources.wordpress.shortcodes import shortcodes


def readable(content: str, media: Media) -> str:
    """`content` as WordPress would show it, as far as HTML alone can; no text of it is lost."""
    html = without_controls(content)
    classic = not has_blocks(html)
    html = lines_as_links(shortcodes(verses(without_comments(html, media)), media))
    return shown(paragraphs(html) if classic else html)
