"""Trying mails out: a newsletter's as a new reader would get it now, and each kind of notice."""

from publisher.app import App
from publisher.core.addresses import check
from publisher.core.edition import VariantContent
from publisher.core.model import EVERYTHING, Newsletter
from publisher.core.notice import Notice, NoticeContent, NoticeKind
from publisher.core.outcome import Answer
from publisher.core.tokens import Purpose
from publisher.delivery.connection import Connection, Envelope
from publisher.delivery.message import Recipient, compose, message_id
from publisher.delivery.message import preview as sample_mail
from publisher.errors import ConfigurationError, NotFoundError
from publisher.store import shelf

_LINKS = {
    NoticeKind.CONFIRM: (Purpose.CONFIRM,),
    NoticeKind.GOODBYE: (Purpose.UNSUBSCRIBE,),
    NoticeKind.ADDRESS_CHANGE: (Purpose.ADDRESS,),
    NoticeKind.DATA_EXPORT: (Purpose.PREFERENCES,),
}


def preview(app: App, newsletter: Newsletter) -> tuple[bytes, str]:
    """The mail a new reader would get now, as a whole and its HTML part alone.

    Raises NotFoundError when nothing is public yet, and what `newsletters.render` raises.
    """
    content = _newest(app, newsletter)
    return sample_mail(app.renderer.mail(newsletter, content), content.planned_at)


def notice(app: App, kind: NoticeKind, locale: str) -> None:
    """Make a notice as a reader of this language would get it, of all that it may hold.

    Raises what `newsletters.render` raises.
    """
    all_there_are = tuple(app.newsletters)
    asked = NoticeContent(
        newsletters=all_there_are,
        known=all_there_are,
        links={purpose: [0] for purpose in _LINKS.get(kind, ())},
    )
    nothing_new = NoticeContent(known=all_there_are)
    for content in (asked, nothing_new) if kind is NoticeKind.CONFIRM else (asked,):
        app.renderer.notice(
            Notice(
                kind=kind,
                address="reader@example.com",
                locale=locale,
                content=content,
                created_at=app.clock(),
            )
        )


async def send(app: App, newsletter: Newsletter, address: str) -> Answer:
    """Mail the preview to an address, outside of the books.

    Raises ConfigurationError without a relay, PermanentError for a bad address, and what
    `preview` raises.
    """
    if not app.settings.relays:
        raise ConfigurationError("no relay is configured (mail.relays)")
    content = _newest(app, newsletter)
    rendering = app.renderer.mail(newsletter, content)
    date = content.planned_at
    message = compose(
        rendering,
        Recipient(address=check(address)),
        message_id=message_id("test", 0, 0, date=date, rendering=rendering),
        date=date,
    )
    envelope = Envelope(
        sender=app.post.senders[newsletter.slug], recipient=address, message=message
    )
    connection = Connection(app.settings.relays[0], hostname=app.post.hostname)
    try:
        return await connection.send(envelope, _wanted)
    finally:
        await connection.close()


async def _wanted() -> bool:
    return True


def _newest(app: App, newsletter: Newsletter) -> VariantContent:
    """The newest public articles of a newsletter, as an edition of this moment."""
    wanted = None if EVERYTHING in newsletter.categories else set(newsletter.categories)
    with app.db.read() as conn:
        found = [
            each
            for each in shelf.newest(conn, None, 10 * newsletter.max_articles)
            if wanted is None or wanted.intersection(each.categories)
        ]
        categories = {each.slug: each for each in shelf.categories(conn)}
        head = shelf.head(conn)
    if not found:
        raise NotFoundError(f"nothing is public yet that {newsletter.slug} could hold")
    return VariantContent(
        newsletter=newsletter.slug,
        cadence=newsletter.cadences[0],
        zone=newsletter.zone,
        locale="",
        planned_at=app.clock(),
        articles=tuple(found[: newsletter.max_articles]),
        categories=categories,
        change=head,
    )
