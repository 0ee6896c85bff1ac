"""Posts of a WordPress export as candidates for articles."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from publisher.core.identity import category_key
from publisher.core.model import Candidate, CategoryName, Enclosure
from publisher.kit.html import prose
from publisher.sources.port import Unusable
from publisher.sources.wordpress.attachments import Attachments, as_number
from publisher.sources.wordpress.export import Export, Item, Term
from publisher.sources.wordpress.markup import Media, words
from publisher.sources.wordpress.shortcodes import shortcodes
from publisher.sources.wordpress.text import readable

_PUBLIC = {"publish", "future"}
_DEEPEST = 20  # categories within categories


@dataclass(frozen=True, slots=True)
class Posts:
    """What one blog's posts have in common."""

    home: str
    """Where the blog stands."""
    language: str
    authors: Mapping[str, str]
    categories: Mapping[str, CategoryName]
    """By nicename."""
    attachments: Attachments
    zone: ZoneInfo
    """Of dates that stand in no other."""

    @classmethod
    def of(cls, export: Export, attachments: Attachments, zone: ZoneInfo) -> Self:
        """`export` has been read to its end."""
        home = export.blog.rstrip("/") + "/" if export.blog else ""
        names = _category_names(export.terms)
        return cls(home, export.language, dict(export.authors), names, attachments, zone)

    def candidate(self, item: Item) -> Candidate | Unusable | None:
        """The article that a post is; None for pages, menus and whatever is no post."""
        if item["wp:post_type"] != "post":
            return None
        number, status = as_number(item["wp:post_id"]), item["wp:status"]
        name = str(number or "") or item["guid"]
        title = words(item["title"])
        if not name:
            return Unusable(item=title or "a post", reason="it has neither a number nor a guid")
        key = f"{_identity(self.home)}/?p={name}"
        published_at = self._published_at(item)
        scheduled = status == "future"
        if status not in _PUBLIC or item["wp:post_password"] or (scheduled and not published_at):
            return Candidate(key=key, title=title or key, draft=True)
        media = Media(
            image=self.attachments.image,
            attached=partial(self.attachments.of_post, number),
            block=self.attachments.block,
        )
        excerpt = item["excerpt:encoded"]
        thumbnail = as_number(item.meta.get("_thumbnail_id", "").strip())
        login = item["dc:creator"].strip("<> ")
        author = words(self.authors.get(login, "")) or login
        return Candidate(
            key=key,
            title=title,
            summary=prose(shortcodes(excerpt, media)) if excerpt else "",
            body_html=readable(item["content:encoded"], media),
            authors=(author,) if author else (),
            categories=tuple(self._category(*each) for each in item.categories),
            language=self.language,
            url=_address(item["link"], draft=scheduled),
            slug=unquote(item["wp:post_name"], errors="ignore"),
            published_at=published_at,
            updated_at=self._moment(item["wp:post_modified_gmt"], item["wp:post_modified"]),
            image=self.attachments.image(thumbnail) if thumbnail else None,
            enclosures=_enclosures(item.meta.get("enclosure", "")),
        )

    def _category(self, nicename: str, name: str) -> CategoryName:
        listed = self.categories.get(nicename)
        return listed or _category_name(Term(nicename=nicename, name=name))

    def _published_at(self, item: Item) -> datetime | None:
        said = self._moment(item["wp:post_date_gmt"], item["wp:post_date"])
        if said or not item["pubDate"] or "-0001" in item["pubDate"]:  # a year, to WordPress
            return said
        try:
            said = parsedate_to_datetime(item["pubDate"])
            return said.replace(tzinfo=said.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def _moment(self, utc: str, local: str) -> datetime | None:
        for written, zone in ((utc, UTC), (local, self.zone)):
            try:
                said = datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
                return said.astimezone(UTC)
            except (ValueError, OverflowError):
                continue  # nothing, or `0000-00-00 00:00:00`
        return None


def _category_names(terms: Mapping[str, Term]) -> dict[str, CategoryName]:
    bearers = Counter(category_key(words(term.name)) for term in terms.values())
    made: dict[str, CategoryName] = {}
    depths: dict[str, int] = {"": 0}
    for nicename in terms:
        way: dict[str, Term] = {}
        at = nicename
        while at in terms and at not in made and at not in way:
            way[at] = terms[at]
            at = terms[at].parent
        # A chain that leads back to itself begins where it was entered.
        above = at if at in made else ""
        for each, term in reversed(way.items()):
            above = above if depths[above] < _DEEPEST else ""
            shared = bearers[category_key(words(term.name))] > 1
            made[each] = _category_name(term, made.get(above), shared=shared)
            depths[each] = depths[above] + 1
            above = each
    return made


def _category_name(
    term: Term, parent: CategoryName | None = None, *, shared: bool = False
) -> CategoryName:
    slug = unquote(term.nicename, errors="ignore")
    return CategoryName(
        title=words(term.name) or slug,
        slug=slug,
        description=prose(term.description) if term.description else "",
        parent=parent,
        shared=shared,
    )


def _identity(home: str) -> str:
    """The blog whatever its scheme, `www.` or slash."""
    try:
        parts = urlsplit(home)
        host = (parts.hostname or "").removeprefix("www.")
        return f"{host}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"
    except ValueError:
        return home


def _address(link: str, *, draft: bool) -> str:
    """Its own address; that of what is not public yet is no more than a number (`?p=7`)."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    web = parts.scheme in ("http", "https") and parts.hostname
    return "" if not web or (draft and "p" in parse_qs(parts.query)) else link


def _enclosures(meta: str) -> tuple[Enclosure, ...]:
    """WordPress notes address, bytes and type of a sound or film that a post links to."""
    url, length, kind = [each.strip() for each in (*meta.split("\n"), "", "", "")[:3]]
    number = as_number(length)
    return (Enclosure(url=url, type=kind, length=number),) if url and number and kind else ()
