"""What the web side asks of the store, each in a short transaction of its own."""

from dataclasses import dataclass
from datetime import datetime

from publisher.errors import TransientError
from publisher.store import articles, category_settings, newsletters, shelf, subscribers
from publisher.store.engine import Database


@dataclass(frozen=True, slots=True)
class WebStore:
    """Satisfies the Protocols of `web`; called off the event loop, from several threads."""

    db: Database

    def subscription_title(self, subscription_id: int) -> str | None:
        """Of the newsletter; None when there is no such subscription."""
        with self.db.read() as conn:
            slug = subscribers.newsletter_of(conn, subscription_id)
            return None if slug is None else newsletters.title(conn, slug)

    def unsubscribe(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        """Ends a subscription; False when it had ended before or does not exist."""
        with self.db.write() as conn:
            return subscribers.unsubscribe(conn, subscription_id, by=by, now=at)

    def is_withdrawn(self, article_slug: str) -> bool:
        """Whether the article with this page was public and was withdrawn."""
        with self.db.read() as conn:
            return articles.is_withdrawn(conn, article_slug)

    def category_now(self, former_slug: str) -> str | None:
        """The slug of the category that once had this one."""
        with self.db.read() as conn:
            return category_settings.now(conn, former_slug)

    def is_retired(self, category_slug: str) -> bool:
        """Whether the category was given up."""
        with self.db.read() as conn:
            return category_settings.is_retired(conn, category_slug)

    def trouble(self) -> str | None:
        """Why the program cannot do its work now, in a sentence, or None."""
        try:
            with self.db.read() as conn:
                shelf.head(conn)
        except TransientError as error:
            return str(error)
        return None
