"""The tables, one definition for SQLite and PostgreSQL (the migrations build exactly these)."""

import re
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
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.types import TypeDecorator, TypeEngine

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


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


class Text(TypeDecorator[str]):
    """Text of any length that every database can hold, compared and ordered by its code points.

    PostgreSQL would order by the rules of a language. It takes no NUL, and like SQLite's driver no
    lone surrogate: what comes in with one is kept, and looked for, with U+FFFD in its place.
    """

    impl = AnyText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        collation = "C" if dialect.name == "postgresql" else None  # SQLite's own is the same
        return AnyText(collation=collation)

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        return _UNSTORABLE.sub("\ufffd", value) if value else value


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


_PENDING = text("state = 'pending'")
_PAUSED = text("paused_until IS NOT NULL")
_CAPPED = text("max_per_day IS NOT NULL")
_GONE = text("withdrawn_at IS NOT NULL")

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# One row. `n` gives seq and change; `low` the places below all others (too old to mail); `texts`
# counts what was written of text pages: who matched a page against less must match it again.
counter = Table(
    "counter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("low", BigInteger, nullable=False),
    Column("texts", BigInteger, nullable=False),
)

category = Table(
    "category",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("name_key", Text, nullable=False, unique=True),  # NFKC, case-folded: one a category
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("language", Text, nullable=False, default=""),
    Column("parent", Text),
    Column("moved_to", Text),  # what it became; its name and old addresses lead there
    Column("first_slug", Text),  # of its feed, whose id is made of it; null: its own
    Column("retired", Boolean, nullable=False, default=False),
    Column("configured", Boolean, nullable=False, default=False),  # its slug is a name of it, too
    Column("change", BigInteger, nullable=False, default=0, index=True),
)

_WAITING = text("seq IS NULL AND withdrawn_at IS NULL")

article = Table(
    "article",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("source_key", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False, default=""),
    Column("title", Text, nullable=False, default=""),
    Column("summary", Text, nullable=False, default=""),
    Column("body_html", Text, nullable=False, default=""),
    Column("authors", JSON, nullable=False),
    Column("image", JSON(none_as_null=True)),
    Column("enclosures", JSON, nullable=False),
    Column("related", JSON, nullable=False),
    Column("paragraphs", JSON(none_as_null=True)),  # of a text page, for the matcher
    Column("language", Text, nullable=False, default=""),
    Column("correction", Text, nullable=False, default=""),
    Column("corrected", BigInteger),  # the change by which it last got another correction, public
    Column("corrected_at", UtcDateTime, index=True),
    Column("published_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False, default=1),
    Column("content_hash", Text, nullable=False, index=True),
    Column("seq", BigInteger, unique=True),
    Column("first_seq", BigInteger),  # null: `seq` is its first; another came when it came back
    Column("missed", Boolean, nullable=False, default=False),  # readers passed it, withdrawn
    Column("change", BigInteger, nullable=False, default=0, index=True),
    Column("withdrawn_at", UtcDateTime),
    Column("withdrawn_by", Text, nullable=False, default=""),  # source or operator
    Column("too_old", Boolean, nullable=False, default=False),  # on arrival: never mailed
    Column("archive", Integer),  # the archive document of the feed of all; null: in none yet
    UniqueConstraint("source", "source_key", name="uq_article_source"),
    # In the order in which they become public: thousands may wait, and a few go at a time.
    Index(
        "ix_article_waiting",
        "too_old",
        "published_at",
        "received_at",
        "source_key",
        "id",
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    ),
    Index("ix_article_archive", "archive", "seq"),
    # Few, among which each planning looks.
    Index("ix_article_gone", "seq", sqlite_where=_GONE, postgresql_where=_GONE),
)

membership = Table(
    "membership",
    metadata,
    Column("article_id", Text, _ref("article.id"), primary_key=True),
    Column("category", Text, _ref("category.slug"), primary_key=True),
    Column("position", Integer, nullable=False, default=0),  # the order the article names them in
    Column("place", BigInteger),  # the article's seq; on a later move the counter then
    Column("removed_at", UtcDateTime),
    Column("archive", Integer),  # the archive document of this category's feed that holds it
    Index("ix_membership_place", "category", "place"),
    Index("ix_membership_archive", "category", "archive", "place"),
)

# What a text-page article says, as hashes: how the matcher finds whom to compare with.
text_key = Table(
    "text_key",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("article_id", Text, _ref("article.id"), primary_key=True),
    Index("ix_text_key_article", "article_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("source", Text, nullable=False),
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
    Column("slug", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("categories", JSON, nullable=False),  # a Choice
    Column("timing", JSON, nullable=False),  # the times that its readers' slots follow
    Column("retired_at", UtcDateTime),
    Column("paused_at", UtcDateTime),  # nothing of it is planned or sent
    Column("pause_reason", Text, nullable=False, default=""),
    Column("watched_since", UtcDateTime),  # what bounced before pauses it no more: it was resumed
    Column("rate", Integer),  # mails a minute at most; null: as many as the relays take
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, default=""),
    Column("locale", Text, nullable=False, default=""),
    Column("zone", Text, nullable=False, default=""),
    Column("max_per_day", Integer),
    Column("state", Text, nullable=False),
    Column("token_version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_subscriber_capped", "id", sqlite_where=_CAPPED, postgresql_where=_CAPPED),
    sqlite_autoincrement=True,  # links carry its id: it must never become another reader's
)

slot = Table(
    "slot",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("newsletter", Text, _ref("newsletter.slug"), nullable=False),
    Column("cadence", Text, nullable=False),
    Column("at", Text, nullable=False),  # HH:MM
    Column("weekday", Integer, nullable=False),
    Column("zone", Text, nullable=False),
    Column("next_due_at", UtcDateTime, index=True),  # null: immediate, with nothing to send
)

subscription = Table(
    "subscription",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subscriber_id", BigInteger, _ref("subscriber.id"), nullable=False),
    Column("newsletter", Text, _ref("newsletter.slug")),  # null: it became another
    Column("became", BigInteger),  # that one: of the same reader; links to this lead there
    Column("state", Text, nullable=False),
    Column("consent", JSON, nullable=False),
    Column("asked_at", UtcDateTime),  # the last time that somebody signed up for it
    Column("categories", JSON(none_as_null=True)),  # a Choice; null = the newsletter's
    Column("cadence", Text),  # these four: null = the newsletter's
    Column("at", Text),
    Column("weekday", Integer),
    Column("zone", Text),
    Column("slot_id", BigInteger, _ref("slot.id")),
    Column("paused_until", UtcDateTime),
    Column("after_seq", BigInteger, nullable=False, default=0),
    UniqueConstraint("subscriber_id", "newsletter", name="uq_subscription_reader"),
    Index("ix_subscription_slot", "slot_id", "id"),
    Index("ix_subscription_waiting", "asked_at", sqlite_where=_PENDING, postgresql_where=_PENDING),
    Index(
        "ix_subscription_paused",
        "slot_id",
        "paused_until",
        sqlite_where=_PAUSED,
        postgresql_where=_PAUSED,
    ),
    sqlite_autoincrement=True,  # links carry its id
)

edition = Table(
    "edition",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("slot_id", BigInteger, _ref("slot.id"), nullable=False),
    Column("newsletter", Text, _ref("newsletter.slug"), nullable=False, index=True),
    Column("occasion", Text, nullable=False),
    Column("upto_seq", BigInteger, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("enqueued", BigInteger, nullable=False, default=0),
    Column("cursor", BigInteger, nullable=False, default=0),
    Column("planned", Boolean, nullable=False, default=False),  # every reader has been looked at
    Column("state", Text, nullable=False, index=True),
    Column("finished_at", UtcDateTime),
    Column("totals", JSON(none_as_null=True)),  # by state, of the mails no longer kept one by one
    UniqueConstraint("slot_id", "occasion", name="uq_edition_occasion"),
)

notice = Table(
    "notice",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("address_hash", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("locale", Text, nullable=False, default=""),
    Column("content", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    UniqueConstraint("kind", "address_hash", "occasion", name="uq_notice_occasion"),
)

# What one mail is made of: of an edition for all who get the same, or of a notice.
variant = Table(
    "variant",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("edition_id", BigInteger, _ref("edition.id")),
    Column("notice_id", BigInteger, _ref("notice.id"), unique=True),
    Column("hash", Text, nullable=False),
    Column("locale", Text, nullable=False),
    CheckConstraint("(edition_id IS NULL) <> (notice_id IS NULL)", name="one_origin"),
    UniqueConstraint("edition_id", "hash", name="uq_variant_content"),
    sqlite_autoincrement=True,  # it may be deleted while it waits to be rendered
)

variant_article = Table(
    "variant_article",
    metadata,
    Column("variant_id", BigInteger, _ref("variant.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("article_id", Text, _ref("article.id"), nullable=False, index=True),
)

# Articles that the readers of a variant were given before, and are told the corrections of.
variant_correction = Table(
    "variant_correction",
    metadata,
    Column("variant_id", BigInteger, _ref("variant.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("article_id", Text, _ref("article.id"), nullable=False, index=True),
)

rendering = Table(
    "rendering",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("variant_id", BigInteger, _ref("variant.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),  # of templates and settings it was made with
    Column("change", BigInteger, nullable=False),  # the counter when its articles were read
    Column("content", JSON, nullable=False),  # subject, sender, boundary, key id, …
    Column("body", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("variant_id", "number", name="uq_rendering_number"),
    sqlite_autoincrement=True,  # workers remember it by its id: it must never be another's mail
)

_DEFERRED = text("state = 'deferred'")
_IN_FLIGHT = text("state = 'sending'")
_RENDERED = text("rendering_id IS NOT NULL")

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
    Column("domain", Text, nullable=False, default=""),  # that the mail goes to
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),  # of what is deferred; what is pending is due
    Column("in_doubt", Boolean, nullable=False, default=False),  # it may have arrived already
    Column("claim", Text),
    Column("lease_until", UtcDateTime),
    Column("smtp_status", Integer),
    Column("enhanced_status", Text, nullable=False, default=""),
    Column("reply", Text, nullable=False, default=""),
    Column("relay", Text, nullable=False, default=""),
    Column("first_attempt_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    CheckConstraint("(edition_id IS NULL) <> (notice_id IS NULL)", name="one_origin"),
    UniqueConstraint("edition_id", "subscriber_id", name="uq_delivery_reader"),
    Index(
        "ix_delivery_pending",
        "edition_id",
        "id",
        "domain",
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    ),
    Index(
        "ix_delivery_deferred",
        "next_attempt_at",
        "id",
        "domain",
        sqlite_where=_DEFERRED,
        postgresql_where=_DEFERRED,
    ),
    Index(
        "ix_delivery_in_flight", "lease_until", sqlite_where=_IN_FLIGHT, postgresql_where=_IN_FLIGHT
    ),
    Index("ix_delivery_subscriber", "subscriber_id", "edition_id"),
    Index("ix_delivery_variant", "variant_id", "state"),
    # Or each rendering that is deleted would have all deliveries searched.
    Index(
        "ix_delivery_rendering",
        "rendering_id",
        sqlite_where=_RENDERED,
        postgresql_where=_RENDERED,
    ),
)

# Articles of its variant that a rendering does not hold: they were withdrawn when it was made.
rendering_without = Table(
    "rendering_without",
    metadata,
    Column("rendering_id", BigInteger, _ref("rendering.id"), primary_key=True),
    Column("article_id", Text, _ref("article.id"), primary_key=True, index=True),
)

# A receiving domain that refuses our mail through a relay (domain "": the relay itself does).
refusal = Table(
    "refusal",
    metadata,
    Column("relay", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

# What a WebSub hub is to be told: a due row for each feed. `next_attempt_at` null: nothing to do.
ping = Table(
    "ping",
    metadata,
    Column("hub", Text, primary_key=True),
    Column("topic", Text, primary_key=True),  # the feed's address
    Column("version", Text, nullable=False),  # a hash of the bytes that it has now
    Column("change", BigInteger, nullable=False),  # what it was built from: never an older one
    Column("announced", Text, nullable=False, default=""),  # the last version that the hub took
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("reply", Text, nullable=False, default=""),  # the hub's, where it did not take it
)

suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

bounce = Table(
    "bounce",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subscriber_id", BigInteger, _ref("subscriber.id"), index=True),
    Column("edition_id", BigInteger, _ref("edition.id")),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False, default=""),
    Column("diagnostic", Text, nullable=False, default=""),
    Column("received_at", UtcDateTime, nullable=False),
    Index("ix_bounce_kind", "kind", "received_at"),
)
