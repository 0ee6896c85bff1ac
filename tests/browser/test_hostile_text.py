"""What strangers wrote, wherever it is shown: it runs nowhere, and its words can be read.

Nothing here is guarded by the policies with which pages are served: it is the escaping that is
looked at. `pytest -s` tells how much was.
"""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from urllib.parse import quote

from lxml import etree

from publisher.core.text import without_controls
from tests.browser.hostile_paper import (
    Paper,
    body,
    html_of,
    line,
    links_of,
    markdown_shown,
    number_of,
    slug_of,
    survives,
    trim,
)
from tests.browser.watch import Document, Watch, plain
from tests.flow.test_hostile_names import ATOM, begins, in_mail, seen

CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
ELSEWHERE = "http://reader.example/"

ARTICLE = {
    "title": "head > title",
    "heading": "h1",
    "authors": ".by",
    "category": ".kicker",
    "summary": "header .standfirst",
    "alt": ".hero img@alt",
    "caption": ".hero figcaption",
    "correction": ".correction",
    "related": ".related li",
    "body": ".body",
    "facts": 'script[type="application/ld+json"]',
}
LISTED = {"titles": "article :is(h2, h3) a", "at": "article :is(h2, h3) a@href"}
GONE = (
    "applet, button, canvas, datalist, embed, frameset, head, iframe, math, noembed, noframes, "
    "object, option, script, select, style, svg, template, textarea, title, xmp, "
    "annotation-xml, desc, foreignobject, mi, mn, mo, ms, mtext"
)
"""Elements that an article loses with all that stands in them."""


def test_articles(hostile: Paper, watch: Watch) -> None:
    there = {each.name for each in (hostile.feeds / "articles").iterdir()}
    slugs = [f"{kind}-{number}" for number in range(len(hostile.words)) for kind in "ab"]
    slugs = [slug for slug in slugs if slug in there]
    assert len(slugs) >= 1.9 * len(hostile.words)
    shown = watch.harmless(
        {
            slug: Document(
                html=hostile.get(f"/feeds/articles/{slug}/"),
                at=f"{hostile.home}/feeds/articles/{slug}/",
                texts=ARTICLE,
            )
            for slug in slugs
        },
    )
    bodies = watch.words_in([body_of(hostile, slug) for slug in slugs], GONE)
    lost = []
    for (slug, texts), said in zip(shown.items(), bodies, strict=True):
        number = number_of(slug)
        if slug.startswith("a"):
            assert about(texts) == expected(hostile, number), ascii(hostile.words[number])
        if not survives(said, texts["body"][0]):
            lost.append((slug, hostile.words[number], said, texts["body"][0]))
    assert lost == []


def about(texts: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    facts = json.loads(texts["facts"][0])
    return {
        **{name: [trim(each) for each in said] for name, said in texts.items()},
        "body": [],
        "facts": [facts["headline"]],
    }


def expected(hostile: Paper, number: int) -> Mapping[str, list[str]]:
    words = line(hostile.words[number])
    title = hostile.title(number)
    summary = line(f"{hostile.words[number]} in short")
    return {
        "title": [trim(f"{title} – Example News")],
        "heading": [trim(title)],
        "authors": [trim(words)] if words else [],
        "category": [trim(hostile.category(number))],
        "summary": [trim(summary)] if summary != title else [],
        "alt": [trim(words)],
        "caption": [trim(words)] if words else [],
        "correction": [trim(f"Correction: {words}")] if words else [],
        "related": [trim(words)] if words else ["https://else.example/"],
        "body": [],
        "facts": [title],
    }


def test_fronts_categories_and_how_to_follow(hostile: Paper, watch: Watch) -> None:
    folders = [path.parent.relative_to(hostile.feeds) for path in hostile.feeds.rglob("index.html")]
    folders = [each for each in folders if each.parts[:1] != ("articles",)]
    paths = ["/feeds/" + "".join(f"{quote(part)}/" for part in each.parts) for each in folders]
    shown = watch.harmless(
        {
            path: Document(
                html=hostile.get(path),
                at=hostile.home + path,
                texts=LISTED | {"heading": "h1", "kicker": "main .kicker"},
                forms=path.endswith("/follow/"),
            )
            for path in paths
        },
    )
    found, headings = set(), set()
    for path, texts in shown.items():
        headings |= {trim(each) for each in texts["heading"]}
        for title, at in zip(texts["titles"], texts["at"], strict=True):
            if "/articles/a-" in at:
                number = number_of(at)
                assert trim(title) == trim(hostile.title(number)), (path, at)
                found.add(number)
    assert found == set(range(len(hostile.words)))
    categories = {trim(hostile.category(number)) for number in found}
    assert categories <= headings
    assert {f"Follow {each}" for each in categories} <= headings


# feeds, as a reader shows them that takes all for granted

NAIVE = """\
const kinds = %s;
for (const [name, texts] of Object.entries(kinds)) {
  for (const each of texts) {
    document.write(`<div class="${name} written">${each}</div>`);
    const box = document.createElement("div");
    box.className = `${name} set`;
    document.body.append(box);
    box.innerHTML = each;
  }
}
"""


READ = ("rss.xml content", "atom.xml content", "feed.json content",
        "rss.xml title", "rss.xml summary", "atom.xml summary", "atom.xml author")  # fmt: skip


def test_feeds_in_a_reader_that_believes_all_of_it(hostile: Paper, watch: Watch) -> None:
    feeds = sorted((hostile.feeds / "all").rglob("rss.xml"))
    entries: dict[str, dict[str, str]] = {}
    documents, shown_once = {}, set[str]()
    for path in feeds:
        for name, read in (("rss.xml", rss), ("atom.xml", atom), ("feed.json", json_feed)):
            these = read(path.with_name(name))
            kinds = sorted({kind for each in these.values() for kind in each})
            texts = {
                kind: [each[kind] for each in these.values() if each[kind] not in shown_once]
                for kind in kinds
            }
            shown_once.update(*texts.values())
            program = NAIVE % json.dumps(texts).replace("<", "\\u003c")
            documents[f"{path.parent}/{name}"] = Document(
                html=plain(f"<script>{program}</script>"),
                at=ELSEWHERE,
                texts={
                    f"{kind} {how}": f".{kind}.{how}"
                    for kind, how in product(kinds, ("written", "set"))
                },
                ours=(program,),
            )
            for slug, each in these.items():
                entries.setdefault(slug, {}).update(
                    {f"{name} {kind}": text for kind, text in each.items()}
                )
    shown = watch.harmless(documents)
    for told in shown.values():
        for name, written in told.items():
            if name.endswith(" written"):
                assert written == told[name.removesuffix("written") + "set"], name
    slugs = [f"a-{number}" for number in range(len(hostile.words))]
    bodies = watch.words_in([body_of(hostile, slug) for slug in slugs], GONE)
    columns = [
        watch.words_in([entries[slug].get(kind, "") for slug in slugs], "none") for kind in READ
    ]
    for slug, said, *row in zip(slugs, bodies, *columns, strict=True):
        number = number_of(slug)
        words = line(hostile.words[number])
        note = f"Correction: {words}" if words else ""
        for text in row[:3]:
            assert survives(f"{note} {said}", text), ascii(words)
        summary = line(f"{hostile.words[number]} in short")
        wanted = [seen(each) for each in (hostile.title(number), summary, summary, words)]
        assert [seen(each) for each in row[3:]] == wanted, ascii(words)


def rss(path: Path) -> dict[str, dict[str, str]]:
    return {
        slug_of(item.findtext("link") or ""): {
            "title": item.findtext("title") or "",
            "summary": item.findtext("description") or "",
            "content": item.findtext(CONTENT) or "",
        }
        for item in etree.parse(path).iter("item")
    }


def atom(path: Path) -> dict[str, dict[str, str]]:
    return {
        slug_of(entry.xpath("string(*[local-name() = 'link' and @rel = 'alternate']/@href)")): {
            "summary": entry.findtext(f"{ATOM}summary") or "",
            "author": entry.findtext(f"{ATOM}author/{ATOM}name") or "",
            "content": entry.findtext(f"{ATOM}content") or "",
        }
        for entry in etree.parse(path).iter(f"{ATOM}entry")
    }


def json_feed(path: Path) -> dict[str, dict[str, str]]:
    items = json.loads(path.read_text())["items"]
    return {slug_of(each["url"]): {"content": each.get("content_html", "")} for each in items}


def test_feeds_as_the_browser_shows_xml(hostile: Paper, watch: Watch) -> None:
    paths = [*hostile.feeds.rglob("*.xml"), *hostile.feeds.glob("*.opml")]
    paths = [each for each in paths if each.parent.parent == hostile.feeds or "all" in each.parts]
    assert len(paths) > len(hostile.words)
    watch.harmless(
        {
            str(path): Document(html=path.read_bytes(), at=ELSEWHERE, kind="application/xml")
            for path in paths
        },
    )


# mails

DIGEST = {
    "titles": ":is(.lead h2, h3) a",
    "at": ":is(.lead h2, h3) a@href",
    "kickers": ".kicker",
    "bylines": ".byline",
    "standfirsts": ".standfirst",
    "notes": ".note .said",
    "alts": "img@alt",
    "subject": "head > title",
}


def test_editions_in_the_mail_and_in_the_browser(hostile: Paper, watch: Watch) -> None:
    mails = [each for each in hostile.server.mails if each.recipient.startswith(("ada@", "bo@"))]
    pages = [links_of(each)["editions"] for each in mails]
    documents = {
        f"{number} {each.recipient}": Document(html=html_of(each), at=ELSEWHERE, texts=DIGEST)
        for number, each in enumerate(mails)
    }
    in_mails = watch.harmless(documents)
    on_the_web = watch.harmless(
        {
            path: Document(html=hostile.get(path), at=hostile.home + path, texts=DIGEST)
            for path in pages
        },
    )
    for shown in (in_mails, on_the_web):
        found, corrected = set(), ""
        for texts in shown.values():
            kickers, bylines, standfirsts = (
                " ".join(map(in_mail, texts[each]))
                for each in ("kickers", "bylines", "standfirsts")
            )
            corrected += " ".join(map(in_mail, texts["notes"]))
            for title, at in zip(texts["titles"], texts["at"], strict=True):
                if "/articles/a-" in at:
                    number = number_of(at)
                    found.add(number)
                    words = line(hostile.words[number])
                    assert begins(in_mail(title), hostile.title(number)), ascii(words)
                    start = in_mail(words)[:30].rstrip()
                    assert start in bylines, ascii(words)
                    assert start in standfirsts, ascii(words)
                    assert in_mail(hostile.category(number))[:30].rstrip() in kickers, ascii(words)
        assert found == set(range(len(hostile.words)))
        for words in map(line, hostile.words):
            assert in_mail(words)[:30].rstrip() in corrected, ascii(words)


def body_of(hostile: Paper, slug: str) -> str:
    number = number_of(slug)
    make = body if slug.startswith("a") else markdown_shown
    return without_controls(make(number, hostile.words[number]))
