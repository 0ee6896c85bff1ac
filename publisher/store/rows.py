"""How an article stands in its row: from the row to the model, in this one place."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from publisher.core.model import Article, Enclosure, Image, Related


def article_from_row(
    row: Row[Any],  # Any: the columns' types are those of tables.article
    categories: Sequence[str],
) -> Article:
    """The article of a row of `tables.article`, standing in `categories` (slugs, as named)."""
    return Article(
        id=row.id,
        source=row.source,
        source_key=row.source_key,
        slug=row.slug,
        url=row.url,
        title=row.title,
        summary=row.summary,
        body_html=row.body_html,
        authors=tuple(row.authors),
        image=Image(**row.image) if row.image else None,
        enclosures=tuple(Enclosure(**each) for each in row.enclosures),
        related=tuple(Related(**each) for each in row.related),
        language=row.language,
        correction=row.correction,
        published_at=row.published_at,
        updated_at=row.updated_at,
        received_at=row.received_at,
        revision=row.revision,
        content_hash=row.content_hash,
        seq=row.seq,
        change=row.change,
        withdrawn_at=row.withdrawn_at,
        categories=tuple(categories),
    )
