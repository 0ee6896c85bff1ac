"""The first shape of the tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "article",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("source_key", TEXT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("summary", TEXT, nullable=False),
        sa.Column("body_html", TEXT, nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("image", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("enclosures", sa.JSON(), nullable=False),
        sa.Column("related", sa.JSON(), nullable=False),
        sa.Column("paragraphs", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("correction", TEXT, nullable=False),
        sa.Column("corrected", sa.BigInteger(), nullable=True),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("first_seq", sa.BigInteger(), nullable=True),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", TEXT, nullable=False),
        sa.Column("too_old", sa.Boolean(), nullable=False),
        sa.Column("archive", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article")),
        sa.UniqueConstraint("seq", name=op.f("uq_article_seq")),
        sa.UniqueConstraint("slug", name=op.f("uq_article_slug")),
        sa.UniqueConstraint("source", "source_key", name="uq_article_source"),
    )
    op.create_index("ix_article_archive", "article", ["archive", "seq"], unique=False)
    op.create_index(op.f("ix_article_change"), "article", ["change"], unique=False)
    op.create_index(op.f("ix_article_content_hash"), "article", ["content_hash"], unique=False)
    op.create_index(op.f("ix_article_corrected_at"), "article", ["corrected_at"], unique=False)
    op.create_index(
        "ix_article_gone",
        "article",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("withdrawn_at IS NOT NULL"),
        postgresql_where=sa.text("withdrawn_at IS NOT NULL"),
    )
    op.create_index(
        "ix_article_waiting",
        "article",
        ["too_old", "published_at", "received_at", "source_key", "id"],
        unique=False,
        sqlite_where=sa.text("seq IS NULL AND withdrawn_at IS NULL"),
        postgresql_where=sa.text("seq IS NULL AND withdrawn_at IS NULL"),
    )
    op.create_table(
        "category",
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("parent", TEXT, nullable=True),
        sa.Column("moved_to", TEXT, nullable=True),
        sa.Column("first_slug", TEXT, nullable=True),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("configured", sa.Boolean(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_category")),
        sa.UniqueConstraint("name_key", name=op.f("uq_category_name_key")),
    )
    op.create_index(op.f("ix_category_change"), "category", ["change"], unique=False)
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("texts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter")),
    )
    op.create_table(
        "meta",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "newsletter",
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("timing", sa.JSON(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", TEXT, nullable=False),
        sa.Column("watched_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_newsletter")),
    )
    op.create_table(
        "notice",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("address_hash", TEXT, nullable=False),
        sa.Column("occasion", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("locale", TEXT, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("kind", "address_hash", "occasion", name="uq_notice_occasion"),
    )
    op.create_index(op.f("ix_notice_created_at"), "notice", ["created_at"], unique=False)
    op.create_table(
        "ping",
        sa.Column("hub", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("announced", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("hub", "topic", name=op.f("pk_ping")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("item", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("source", "document", "item", name="uq_quarantine_item"),
    )
    op.create_table(
        "refusal",
        sa.Column("relay", TEXT, nullable=False),
        sa.Column("domain", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("relay", "domain", name=op.f("pk_refusal")),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("address_key", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("locale", TEXT, nullable=False),
        sa.Column("zone", TEXT, nullable=False),
        sa.Column("max_per_day", sa.Integer(), nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("address_key", name=op.f("uq_subscriber_address_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_subscriber_capped",
        "subscriber",
        ["id"],
        unique=False,
        sqlite_where=sa.text("max_per_day IS NOT NULL"),
        postgresql_where=sa.text("max_per_day IS NOT NULL"),
    )
    op.create_table(
        "suppression",
        sa.Column("address_hash", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_suppression")),
    )
    op.create_table(
        "membership",
        sa.Column("article_id", TEXT, nullable=False),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archive", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_membership_article_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["category"], ["category.slug"], name=op.f("fk_membership_category"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", "category", name=op.f("pk_membership")),
    )
    op.create_index(
        "ix_membership_archive", "membership", ["category", "archive", "place"], unique=False
    )
    op.create_index("ix_membership_place", "membership", ["category", "place"], unique=False)
    op.create_table(
        "slot",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("newsletter", TEXT, nullable=False),
        sa.Column("cadence", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("zone", TEXT, nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["newsletter"], ["newsletter.slug"], name=op.f("fk_slot_newsletter"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
        sa.UniqueConstraint("key", name=op.f("uq_slot_key")),
    )
    op.create_index(op.f("ix_slot_next_due_at"), "slot", ["next_due_at"], unique=False)
    op.create_table(
        "text_key",
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("article_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_text_key_article_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", "article_id", name=op.f("pk_text_key")),
    )
    op.create_index("ix_text_key_article", "text_key", ["article_id"], unique=False)
    op.create_table(
        "edition",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("newsletter", TEXT, nullable=False),
        sa.Column("occasion", TEXT, nullable=False),
        sa.Column("upto_seq", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("enqueued", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totals", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["newsletter"],
            ["newsletter.slug"],
            name=op.f("fk_edition_newsletter"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slot.id"], name=op.f("fk_edition_slot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
        sa.UniqueConstraint("slot_id", "occasion", name="uq_edition_occasion"),
    )
    op.create_index(op.f("ix_edition_newsletter"), "edition", ["newsletter"], unique=False)
    op.create_index(op.f("ix_edition_state"), "edition", ["state"], unique=False)
    op.create_table(
        "subscription",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("newsletter", TEXT, nullable=True),
        sa.Column("became", sa.BigInteger(), nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("consent", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("categories", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("cadence", TEXT, nullable=True),
        sa.Column("at", TEXT, nullable=True),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("zone", TEXT, nullable=True),
        sa.Column("slot_id", sa.BigInteger(), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["newsletter"],
            ["newsletter.slug"],
            name=op.f("fk_subscription_newsletter"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slot.id"], name=op.f("fk_subscription_slot_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_subscription_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("subscriber_id", "newsletter", name="uq_subscription_reader"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_subscription_paused",
        "subscription",
        ["slot_id", "paused_until"],
        unique=False,
        sqlite_where=sa.text("paused_until IS NOT NULL"),
        postgresql_where=sa.text("paused_until IS NOT NULL"),
    )
    op.create_index("ix_subscription_slot", "subscription", ["slot_id", "id"], unique=False)
    op.create_index(
        "ix_subscription_waiting",
        "subscription",
        ["asked_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "bounce",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.Column("edition_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("diagnostic", TEXT, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_bounce_edition_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_bounce_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounce")),
    )
    op.create_index("ix_bounce_kind", "bounce", ["kind", "received_at"], unique=False)
    op.create_index(op.f("ix_bounce_subscriber_id"), "bounce", ["subscriber_id"], unique=False)
    op.create_table(
        "variant",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("edition_id", sa.BigInteger(), nullable=True),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("locale", TEXT, nullable=False),
        sa.CheckConstraint(
            "(edition_id IS NULL) <> (notice_id IS NULL)", name=op.f("ck_variant_one_origin")
        ),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_variant_edition_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name=op.f("fk_variant_notice_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant")),
        sa.UniqueConstraint("edition_id", "hash", name="uq_variant_content"),
        sa.UniqueConstraint("notice_id", name=op.f("uq_variant_notice_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rendering",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name=op.f("fk_rendering_variant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rendering")),
        sa.UniqueConstraint("variant_id", "number", name="uq_rendering_number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "variant_article",
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("article_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_variant_article_article_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"],
            ["variant.id"],
            name=op.f("fk_variant_article_variant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("variant_id", "position", name=op.f("pk_variant_article")),
    )
    op.create_index(
        op.f("ix_variant_article_article_id"), "variant_article", ["article_id"], unique=False
    )
    op.create_table(
        "variant_correction",
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("article_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_variant_correction_article_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"],
            ["variant.id"],
            name=op.f("fk_variant_correction_variant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("variant_id", "position", name=op.f("pk_variant_correction")),
    )
    op.create_index(
        op.f("ix_variant_correction_article_id"), "variant_correction", ["article_id"], unique=False
    )
    op.create_table(
        "rendering_without",
        sa.Column("rendering_id", sa.BigInteger(), nullable=False),
        sa.Column("article_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_rendering_without_article_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["rendering_id"],
            ["rendering.id"],
            name=op.f("fk_rendering_without_rendering_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("rendering_id", "article_id", name=op.f("pk_rendering_without")),
    )
    op.create_index(
        op.f("ix_rendering_without_article_id"), "rendering_without", ["article_id"], unique=False
    )
    op.create_table(
        "delivery",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("edition_id", sa.BigInteger(), nullable=True),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.Column("subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("variant_id", sa.BigInteger(), nullable=True),
        sa.Column("rendering_id", sa.BigInteger(), nullable=True),
        sa.Column("domain", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("claim", TEXT, nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("smtp_status", sa.Integer(), nullable=True),
        sa.Column("enhanced_status", TEXT, nullable=False),
        sa.Column("reply", TEXT, nullable=False),
        sa.Column("relay", TEXT, nullable=False),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(edition_id IS NULL) <> (notice_id IS NULL)", name=op.f("ck_delivery_one_origin")
        ),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["edition.id"], name=op.f("fk_delivery_edition_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name=op.f("fk_delivery_notice_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rendering_id"],
            ["rendering.id"],
            name=op.f("fk_delivery_rendering_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_delivery_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name=op.f("fk_delivery_variant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("edition_id", "subscriber_id", name="uq_delivery_reader"),
        sa.UniqueConstraint("notice_id", name=op.f("uq_delivery_notice_id")),
    )
    op.create_index(
        "ix_delivery_deferred",
        "delivery",
        ["next_attempt_at", "id", "domain"],
        unique=False,
        sqlite_where=sa.text("state = 'deferred'"),
        postgresql_where=sa.text("state = 'deferred'"),
    )
    op.create_index(
        "ix_delivery_in_flight",
        "delivery",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_delivery_pending",
        "delivery",
        ["edition_id", "id", "domain"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_delivery_rendering",
        "delivery",
        ["rendering_id"],
        unique=False,
        sqlite_where=sa.text("rendering_id IS NOT NULL"),
        postgresql_where=sa.text("rendering_id IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_subscriber", "delivery", ["subscriber_id", "edition_id"], unique=False
    )
    op.create_index("ix_delivery_variant", "delivery", ["variant_id", "state"], unique=False)
