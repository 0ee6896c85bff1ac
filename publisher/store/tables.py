"""The tables, one definition for SQLite and PostgreSQL (the migrations build exactly these)."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; SQLite has no zones: there UTC is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime reached the store: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of exactly INTEGER."""

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)


def _ref(target: str, **kw: Any) -> ForeignKey:  # Any: passed on to SQLAlchemy as it is
    return ForeignKey(target, ondelete="CASCADE", **kw)


meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

# One row. `n` gives seq and change; `low` the places below all others (too old to mail).
counter = Table(
    "counter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("low", BigInteger, nullable=False),
)

category = Table(
    "category",
    metadata,
    Column("slug", String, primary_key=True),
    Column("name_key", String, nullable=False, unique=True),  # NFKC, case-folded: one a category
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("language", String, nullable=False, default=""),
    Column("parent", String),
    Column("moved_to", String),  # what it became; its name and old addresses lead there
    Column("retired", Boolean, nullable=False, default=False),
    Column("change", BigInteger, nullable=False, default=0, index=True),
)

article = Table(
    "article",
    metadata,
    Column("id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("source_key", Text, nullable=False),
    Column("slug", String, nullable=False, unique=True),
    Column("url", Text, nullable=False, default=""),
    Column("title", Text, nullable=False, default=""),
    Column("summary", Text, nullable=False, default=""),
    Column("body_html", Text, nullable=False, default=""),
    Column("authors", JSON, nullable=False),
    Column("image", JSON(none_as_null=True)),
    Column("enclosures", JSON, nullable=False),
    Column("related", JSON, nullable=False),
    Column("aliases", JSON, nullable=False),
    Column("paragraphs", JSON(none_as_null=True)),  # of a text page, for the matcher
    Column("language", String, nullable=False, default=""),
    Column("correction", Text, nullable=False, default=""),
    Column("published_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False, default=1),
    Column("content_hash", String, nullable=False, index=True),
    Column("seq", BigInteger, unique=True),
    Column("change", BigInteger, nullable=False, default=0, index=True),
    Column("withdrawn_at", UtcDateTime),
    Column("withdrawn_by", String, nullable=False, default=""),  # source or operator
    Column("too_old", Boolean, nullable=False, default=False),  # on arrival: never mailed
    UniqueConstraint("source", "source_key", name="uq_article_source"),
    Index(
        "ix_article_waiting",
        "published_at",
        sqlite_where=text("seq IS NULL"),
        postgresql_where=text("seq IS NULL"),
    ),
)

membership = Table(
    "membership",
    metadata,
    Column("article_id", String, _ref("article.id"), primary_key=True),
    Column("category", String, _ref("category.slug"), primary_key=True),
    Column("position", Integer, nullable=False, default=0),  # the order the article names them in
    Column("place", BigInteger),  # the article's seq; on a later move the counter then
    Column("removed_at", UtcDateTime),
    Index("ix_membership_place", "category", "place"),
)

# What a text-page article says, as hashes: how the matcher finds whom to compare with.
text_key = Table(
    "text_key",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("article_id", String, _ref("article.id"), primary_key=True),
    Index("ix_text_key_article", "article_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("source", String, nullable=False),
    Column("document", Text, nullable=False),  # the file or address it came in
    Column("item", Text, nullable=False, default=""),  # which of the document's items, if many
    Column("reason", Text, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    UniqueConstraint("source", "document", "item", name="uq_quarantine_item"),
)

newsletter = Table(
    "newsletter",
    metadata,
    Column("slug", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("categories", JSON, nullable=False),  # a Choice
    Column("timing", JSON, nullable=False),  # the times that its readers' slots follow
    Column("retired_at", UtcDateTime),
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, default=""),
    Column("locale", String, nullable=False, default=""),
    Column("zone", String, nullable=False, default=""),
    Column("max_per_day", Integer),
    Column("state", String, nullable=False),
    Column("token_version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
)

slot = Table(
    "slot",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("newsletter", String, _ref("newsletter.slug"), nullable=False),
    Column("cadence", String, nullable=False),
    Column("at", String, nullable=False),  # HH:MM
    Column("weekday", Integer, nullable=False),
    Column("zone", String, nullable=False),
    Column("next_due_at", UtcDateTime, index=True),  # null: an immediate slot with nothing to send
)

subscription = Table(
    "subscription",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subscriber_id", BigInteger, _ref("subscriber.id"), nullable=False),
    Column("newsletter", String, _ref("newsletter.slug")),  # null: it became another
    Column("became", BigInteger),  # that one: of the same reader; links to this lead there
    Column("state", String, nullable=False),
    Column("consent", JSON, nullable=False),
    Column("categories", JSON(none_as_null=True)),  # a Choice; null = the newsletter's
    Column("cadence", String),  # these four: null = the newsletter's
    Column("at", String),
    Column("weekday", Integer),
    Column("zone", String),
    Column("slot_id", BigInteger, _ref("slot.id")),
    Column("paused_until", UtcDateTime),
    Column("after_seq", BigInteger, nullable=False, default=0),
    UniqueConstraint("subscriber_id", "newsletter", name="uq_subscription_reader"),
    Index("ix_subscription_slot", "slot_id", "id"),
)

edition = Table(
    "edition",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("slot_id", BigInteger, _ref("slot.id"), nullable=False),
    Column("newsletter", String, _ref("newsletter.slug"), nullable=False, index=True),
    Column("occasion", String, nullable=False),
    Column("upto_seq", BigInteger, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("enqueued", BigInteger, nullable=False, default=0),
    Column("cursor", BigInteger, nullable=False, default=0),
    Column("planned", Boolean, nullable=False, default=False),  # every reader has been looked at
    Column("state", String, nullable=False, index=True),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("slot_id", "occasion", name="uq_edition_occasion"),
)

variant = Table(
    "variant",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("edition_id", BigInteger, _ref("edition.id"), nullable=False),
    Column("hash", String, nullable=False),
    Column("locale", String, nullable=False),
    UniqueConstraint("edition_id", "hash", name="uq_variant_content"),
)

variant_article = Table(
    "variant_article",
    metadata,
    Column("variant_id", BigInteger, _ref("variant.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("article_id", String, _ref("article.id"), nullable=False, index=True),
)

rendering = Table(
    "rendering",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("variant_id", BigInteger, _ref("variant.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("fingerprint", String, nullable=False),  # of templates and settings it was made with
    Column("change", BigInteger, nullable=False),  # the counter when its articles were read
    Column("content", JSON, nullable=False),  # subject, sender, boundary, key id, …
    Column("body", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("variant_id", "number", name="uq_rendering_number"),
)

notice = Table(
    "notice",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", String, nullable=False),
    Column("address_hash", String, nullable=False),
    Column("occasion", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("locale", String, nullable=False, default=""),
    Column("content", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("kind", "address_hash", "occasion", name="uq_notice_occasion"),
)

_CLAIMABLE = text("state IN ('pending', 'deferred')")
_IN_FLIGHT = text("state = 'sending'")

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("edition_id", BigInteger, _ref("edition.id")),
    Column("notice_id", BigInteger, _ref("notice.id"), unique=True),
    Column("subscriber_id", BigInteger, _ref("subscriber.id")),
    Column("subscription_id", BigInteger),  # in its unsubscribe link, whatever becomes of that one
    Column("variant_id", BigInteger, _ref("variant.id")),
    Column("rendering_id", BigInteger, _ref("rendering.id")),  # taken at the first attempt
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("claim", String),
    Column("lease_until", UtcDateTime),
    Column("smtp_status", Integer),
    Column("enhanced_status", String, nullable=False, default=""),
    Column("reply", Text, nullable=False, default=""),
    Column("relay", String, nullable=False, default=""),
    Column("first_attempt_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    CheckConstraint("(edition_id IS NULL) <> (notice_id IS NULL)", name="one_origin"),
    UniqueConstraint("edition_id", "subscriber_id", name="uq_delivery_reader"),
    Index(
        "ix_delivery_due",
        "next_attempt_at",
        "id",
        sqlite_where=_CLAIMABLE,
        postgresql_where=_CLAIMABLE,
    ),
    Index(
        "ix_delivery_in_flight", "lease_until", sqlite_where=_IN_FLIGHT, postgresql_where=_IN_FLIGHT
    ),
    Index("ix_delivery_subscriber", "subscriber_id"),
    Index("ix_delivery_variant", "variant_id", "state"),
)

suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

bounce = Table(
    "bounce",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subscriber_id", BigInteger, _ref("subscriber.id"), index=True),
    Column("edition_id", BigInteger, _ref("edition.id")),
    Column("kind", String, nullable=False),
    Column("status", String, nullable=False, default=""),
    Column("diagnostic", Text, nullable=False, default=""),
    Column("received_at", UtcDateTime, nullable=False),
)
