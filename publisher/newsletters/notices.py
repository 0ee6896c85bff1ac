"""A notice's mail: one reader's own, without articles, by the templates `notice-<kind>`."""

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment

from publisher.core.addresses import format_mailbox, parse_mailbox
from publisher.core.headers import one_line
from publisher.core.links import feeds_url
from publisher.core.model import Rendering, Site
from publisher.core.notice import Notice, NoticeKind
from publisher.kit import translations
from publisher.kit.jinja import rendered
from publisher.kit.locale import direction, locale_of
from publisher.kit.translations import LANGUAGES, gettext_noop
from publisher.newsletters import parts
from publisher.newsletters import render as editions
from publisher.newsletters.render import MAX_OUTPUT, EditionContent

_SUBJECT = 180
_SUBJECTS = {
    NoticeKind.CONFIRM: gettext_noop("Please confirm: %(newsletters)s"),
    NoticeKind.WELCOME: gettext_noop("Welcome to %(newsletters)s"),
    NoticeKind.GOODBYE: gettext_noop("Goodbye from %(newsletters)s"),
    NoticeKind.ADDRESS_CHANGE: gettext_noop("Please confirm your new address for %(site)s"),
    NoticeKind.ADDRESS_CHANGED: gettext_noop("Your address was changed at %(site)s"),
    NoticeKind.ADDRESS_TAKEN: gettext_noop("Your address was entered at %(site)s"),
    NoticeKind.DATA_EXPORT: gettext_noop("Your data was downloaded at %(site)s"),
}
_NOTHING_TO_CONFIRM = gettext_noop("You already receive %(newsletters)s")


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
    """Where its links lead, by purpose; the button leads to the first."""
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
    locale = locale_of(notice.locale, site.language, among=LANGUAGES)
    subject = one_line(_subject(content, locale), _SUBJECT)
    name, address = parse_mailbox(content.sender)
    names = {
        "site": one_line(site.title),
        "site_url": feeds_url(site),
        "contact": one_line(site.contact),
        "locale": locale,
        "direction": direction(locale),
        "subject": subject,
        "preheader": one_line(" · ".join(content.newsletters or content.known)),
        "sender": address,
        "address": one_line(notice.address),
        "newsletters": [one_line(each) for each in content.newsletters],
        "known": [one_line(each) for each in content.known],
        "at": notice.created_at,
        "zone": notice.content.zone or site.zone,
        "links": content.links,
        "action_url": next(iter(content.links.values()), ""),
    }
    page = rendered(templates, f"{content.template}.html", names, MAX_OUTPUT)
    text = rendered(templates, f"{content.template}.txt", names, MAX_OUTPUT)
    body, boundary = parts.body(text, parts.inlined(page, f"{content.template}.html"))
    return Rendering(
        subject=subject,
        body=body,
        boundary=boundary,
        key_id=content.key_id,
        sender=format_mailbox(name or site.title, address),
        reply_to=format_mailbox("", site.contact) if site.contact else "",
        language=locale,
    )


def _subject(content: NoticeMail, locale: str) -> str:
    phrase = _SUBJECTS[content.notice.kind]
    if content.notice.kind is NoticeKind.CONFIRM and not content.newsletters:
        phrase = _NOTHING_TO_CONFIRM
    titles = ", ".join(content.newsletters or content.known) or content.site.title
    return translations.of(locale).gettext(phrase) % {
        "newsletters": titles,
        "site": content.site.title,
    }
