"""An edition's mail, made once for all readers with the same content: subject and MIME body."""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from babel.support import NullTranslations
from jinja2 import Environment

from publisher.core import splice
from publisher.core.addresses import format_mailbox, format_phrase, parse_mailbox
from publisher.core.headers import one_line
from publisher.core.links import ascii_host, feeds_url
from publisher.core.model import Article, Cadence, Category, Newsletter, Rendering, Site
from publisher.core.text import opening_words
from publisher.errors import PermanentError
from publisher.kit import translations
from publisher.kit.jinja import rendered, sources
from publisher.kit.locale import direction, locale_of
from publisher.kit.translations import LANGUAGES, gettext_noop
from publisher.newsletters.parts import body, inlined
from publisher.newsletters.stories import Link, Story, contents, correction, link, sections, story

MAX_HTML = 80_000
"""Bytes. Gmail clips a mail's HTML at 102 KB and hides the unsubscribe link with the rest."""
MAX_LINKS = 60
LISTED = 8
"""Headlines in the list of contents."""
LONG = 5
"""Stories from which on an edition has one."""
MAX_OUTPUT = 2_000_000
"""Characters that a template may write before the page is made to fit."""

READER = ("name", "address", "unsubscribe_url", "preferences_url")
"""What a template may print of its reader, as `{{ reader.name }}`; filled in for each."""

_EDITIONS = {
    Cadence.DAILY: gettext_noop("Daily edition"),
    Cadence.WEEKLY: gettext_noop("Weekly edition"),
    Cadence.IMMEDIATE: gettext_noop("Just in"),
}
_READERS_WORDS = 1_000  # bytes: links with tokens, a name, an address
_SUBJECT = 180
_PREHEADER = 140
_LIST_ID = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_COUNTED = re.compile(rf'(?:href|src)="(?:https?:|{splice.mark("[a-z_]+")})')


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionContent:
    """All that a rendering depends on besides the templates."""

    newsletter: Newsletter
    site: Site
    cadence: Cadence
    articles: tuple[Article, ...]
    """Shown with standfirst, the lead first."""
    more: tuple[Article, ...] = ()
    """Over the newsletter's maximum: shown as links."""
    corrections: tuple[Article, ...] = ()
    """Given before, and corrected since."""
    categories: Mapping[str, Category]
    """By slug: those that this edition shows."""
    planned_at: datetime
    locale: str
    """The reader's wish; where it has no words here, the newsletter's language is taken."""
    zone: str
    url: str = ""
    """Where everybody can read this edition; empty when nowhere."""
    key_id: str

    @property
    def template(self) -> str:
        return self.newsletter.template


def render(content: EditionContent, templates: Environment) -> Rendering:
    """Renders the newsletter's `.html` and `.txt` templates; the same content gives the same bytes.

    Raises what `rendered` does when a template fails, and PermanentError for a sender, reply-to or
    list-id that cannot stand in a header.
    """
    newsletter, site = content.newsletter, content.site
    locale = locale_of(content.locale, newsletter.language, site.language, among=LANGUAGES)
    stories = tuple(story(each, site, content.categories) for each in content.articles)
    links = tuple(link(each, site) for each in content.more)
    subject = _subject(content, stories, translations.of(locale))
    fixed = _context(content, locale, subject, stories)

    def html(amount: "_Amount", *, home: bool = True) -> str:
        names = fixed | amount.of(stories, links) | {"home": home}
        page = rendered(templates, f"{newsletter.template}.html", names, MAX_OUTPUT)
        return inlined(page, f"{newsletter.template}.html")

    amount, page = _largest_that_fits(_amounts(len(stories)), html)
    if len(_COUNTED.findall(page)) % 2:
        # To rspamd, an odd number of addresses is a sign of spam (URI_COUNT_ODD).
        page = html(amount, home=False)
    names = fixed | amount.of(stories, links)
    text = rendered(templates, f"{newsletter.template}.txt", names, MAX_OUTPUT)
    mime, boundary = body(text, page)
    name, address = parse_mailbox(newsletter.sender)
    return Rendering(
        subject=subject,
        body=mime,
        boundary=boundary,
        key_id=content.key_id,
        sender=format_mailbox(name or newsletter.title, address),
        reply_to=format_mailbox(*parse_mailbox(newsletter.reply_to)) if newsletter.reply_to else "",
        list_id=format_phrase(newsletter.title, _list_id(newsletter, site)),
        language=locale,
    )


def fingerprints(
    made_for: Mapping[str, object], site: Site, templates: Environment
) -> Mapping[str, str]:
    """Each changes with everything but articles that a rendering is made of.

    `made_for`, by newsletter: its settings; notices have theirs.
    """
    shared = hashlib.sha256(repr((site, translations.fingerprint())).encode("utf-8", "replace"))
    for name, source in sources(templates):  # one that cannot be read: `render` says so
        shared.update(f"\0{name}\0{source}".encode("utf-8", "replace"))
    found = {}
    for slug, settings in made_for.items():
        digest = shared.copy()
        digest.update(f"\0\0{settings!r}".encode("utf-8", "replace"))
        found[slug] = digest.hexdigest()[:32]
    return found


@dataclass(frozen=True, slots=True)
class _Amount:
    """How much of an edition is shown: so many stories, so many links, the rest as a number."""

    stories: int
    links: int

    def of(self, stories: tuple[Story, ...], links: tuple[Link, ...]) -> dict[str, object]:
        shown, listed = stories[: self.stories], stories[self.stories :] + links
        beneath = sections(shown[1:])
        headlines = contents(beneath, LISTED) if len(shown) >= LONG else ()
        return {
            "lead": shown[0] if shown else None,
            "contents": headlines,
            "further": len(shown) - 1 - len(headlines) if headlines else 0,
            "sections": beneath,
            "links": listed[: self.links],
            "left_out": max(0, len(listed) - self.links),
        }


def _amounts(stories: int) -> list[_Amount]:
    """From all to least: first the last stories become links, then the links become fewer."""
    least = min(1, stories)
    return [_Amount(count, MAX_LINKS) for count in range(stories, least, -1)] + [
        _Amount(least, count) for count in range(MAX_LINKS, -1, -1)
    ]


def _largest_that_fits(
    amounts: list[_Amount], html: Callable[[_Amount], str]
) -> tuple[_Amount, str]:
    page = html(amounts[0])
    if _fits(page):
        return amounts[0], page
    index = bisect_left(amounts, True, lo=1, key=lambda amount: _fits(html(amount)))
    amount = amounts[min(index, len(amounts) - 1)]
    return amount, html(amount)


def _fits(page: str) -> bool:
    """As it is sent: lines end in CRLF, and the reader's own words stand in the place of marks."""
    sent = page.replace("\n", "\r\n").encode("utf-8", "replace")
    return len(sent) + _READERS_WORDS <= MAX_HTML


def _context(
    content: EditionContent, locale: str, subject: str, stories: tuple[Story, ...]
) -> dict[str, object]:
    """The names in a template that do not depend on how much is shown."""
    return {
        "title": one_line(content.newsletter.title),
        "site": one_line(content.site.title),
        "site_url": feeds_url(content.site),
        "contact": one_line(content.site.contact),
        "edition": translations.of(locale).gettext(_EDITIONS[content.cadence]),
        "edition_url": content.url,
        "count": len(content.articles) + len(content.more),
        "corrections": [correction(each, content.site) for each in content.corrections],
        "immediate": content.cadence is Cadence.IMMEDIATE,
        "planned_at": content.planned_at,
        "zone": content.zone,
        "locale": locale,
        "direction": direction(locale),
        "subject": subject,
        "preheader": _preheader(stories),
        "reader": {name: splice.mark(name) for name in READER},
    }


def _subject(content: EditionContent, stories: tuple[Story, ...], words: NullTranslations) -> str:
    title = one_line(content.newsletter.title)
    if not stories:
        return one_line(f"{title}: {words.gettext('No new articles')}", _SUBJECT)
    others = len(content.articles) + len(content.more) - 1
    headline = stories[0].title
    if others:
        phrase = words.ngettext("%(lead)s and %(num)s more", "%(lead)s and %(num)s more", others)
        headline = phrase % {"lead": opening_words(headline, _SUBJECT // 2), "num": others}
    if content.cadence is Cadence.IMMEDIATE:
        return one_line(headline, _SUBJECT)
    return one_line(f"{title}: {headline}", _SUBJECT)


def _preheader(stories: tuple[Story, ...]) -> str:
    """What a list of mails shows after the subject: the headlines that the subject does not."""
    others = " · ".join(each.title for each in stories[1:])
    return one_line(others or "".join(each.standfirst for each in stories), _PREHEADER)


def _list_id(newsletter: Newsletter, site: Site) -> str:
    """`slug.host` (RFC 2919), unless the configuration names another."""
    host = urlsplit(site.url).hostname or "localhost"
    wanted = newsletter.list_id or ascii_host(f"{newsletter.slug}.{host}")
    if not _LIST_ID.fullmatch(wanted):
        raise PermanentError(f"list_id of {newsletter.slug}: '{one_line(wanted)}' is no list-id")
    return wanted
