"""A notice's mail: one reader's own, without articles, by the templates `notice-<kind>`."""

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment

from publisher.core.addresses import format_mailbox, parse_mailbox
from publisher.core.headers import one_line
from publisher.core.links import feeds_url
from publisher.core.model import Rendering, Site
from publisher.core.notice import Notice, NoticeKind
from publisher.kit.jinja import rendered
from publisher.kit.locale import direction, locale_of
from publisher.newsletters import parts
from publisher.newsletters import render as editions
from publisher.newsletters.render import MAX_OUTPUT, EditionContent

_SUBJECT = 180
_LANGUAGES = {"en"}  # that notices speak


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeMail:
    """All that a notice's rendering depends on besides the templates."""

    notice: Notice
    site: Site
    sender: str
    newsletters: tuple[str, ...]
    """Titles of those that are to be confirmed, or that begin."""
    known: tuple[str, ...]
    """Titles of those asked for that the reader gets already."""
    links: Mapping[str, str]
    """Where its links lead, by purpose."""
    key_id: str

    @property
    def template(self) -> str:
        return f"notice-{self.notice.kind}"


MailContent = EditionContent | NoticeMail


def render(content: MailContent, templates: Environment) -> Rendering:
    """The mail of this content; raises what `newsletters.render.render` does."""
    if isinstance(content, EditionContent):
        return editions.render(content, templates)
    return _render(content, templates)


def _render(content: NoticeMail, templates: Environment) -> Rendering:
    notice, site = content.notice, content.site
    locale = locale_of(notice.locale, site.language, among=_LANGUAGES)
    subject = one_line(_subject(content), _SUBJECT)
    names = {
        "site": one_line(site.title),
        "site_url": feeds_url(site),
        "contact": one_line(site.contact),
        "locale": locale,
        "direction": direction(locale),
        "subject": subject,
        "address": one_line(notice.address),
        "newsletters": [one_line(each) for each in content.newsletters],
        "known": [one_line(each) for each in content.known],
        "links": content.links,
    }
    page = rendered(templates, f"{content.template}.html", names, MAX_OUTPUT)
    text = rendered(templates, f"{content.template}.txt", names, MAX_OUTPUT)
    body, boundary = parts.body(text, parts.inlined(page, f"{content.template}.html"))
    name, address = parse_mailbox(content.sender)
    return Rendering(
        subject=subject,
        body=body,
        boundary=boundary,
        key_id=content.key_id,
        sender=format_mailbox(name or site.title, address),
        reply_to=format_mailbox("", site.contact) if site.contact else "",
        language=locale,
    )


def _subject(content: NoticeMail) -> str:
    titles = ", ".join(content.newsletters or content.known) or content.site.title
    match content.notice.kind:
        case NoticeKind.WELCOME:
            return f"Welcome to {titles}"
        case NoticeKind.GOODBYE:
            return f"Goodbye from {titles}"
        case NoticeKind.ADDRESS_CHANGE:
            return f"Please confirm your new address for {content.site.title}"
        case NoticeKind.ADDRESS_CHANGED:
            return f"Your address was changed at {content.site.title}"
        case NoticeKind.ADDRESS_TAKEN:
            return f"Your address was entered at {content.site.title}"
    return f"Please confirm: {titles}" if content.newsletters else f"You already receive {titles}"
