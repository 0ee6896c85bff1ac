"""The mails of the program in all their languages: small, whole, and fit for mail programs."""

import json
import re
import subprocess
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from publisher.newsletters.render import MAX_HTML, render
from tests import mails
from tests.programs import needs, node_package

# What some programs cannot show and lose nothing by it, with the reason.
PROGRESSIVE = {
    "@media": "sizes for phones and colours for the dark; without it the page flows all the same",
    "color-scheme meta tag": "says that the page has colours for the dark",
    "<style> element": "holds nothing but @media: all other styles are on their elements",
    "<body> element": "its attributes stand on the element within it, too",
    "border-radius": "Outlook's buttons have corners",
    "overflow-wrap": "breaks endless words; Gmail breaks them by itself",
    "word-break": "the same, where a column's least width counts",
    "overflow": "hides the preheader; Outlook has mso-hide for that",
    "max-height property": "the same",
    "aria-hidden attribute": "the preheader is read out, as in the list of mails",
    "role attribute": "for screen readers; tables hold no data anyway",
}


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {name: value or "" for name, value in attrs}))


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    return mails.pages()


def test_mail_programs_show_all_that_matters(pages: Mapping[str, str]) -> None:
    node_package("caniemail")
    script = Path(__file__).parents[1] / "node" / "mail_clients.mjs"
    said = subprocess.run(
        [needs("node"), str(script)], input=json.dumps(pages), text=True, capture_output=True
    )
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert set(found) == set(pages)
    lost = {
        f"{name}: {feature} in {', '.join(programs)}"
        for name, features in found.items()
        for feature, programs in features.items()
        if feature not in PROGRESSIVE
    }
    assert not lost
    used = {feature for features in found.values() for feature in features}
    assert not PROGRESSIVE.keys() - used


def test_outlook_gets_space_and_widths_in_the_way_it_knows(pages: Mapping[str, str]) -> None:
    for name, html in pages.items():
        for tag, attributes in Elements(html).all:
            style = attributes.get("style", "")
            if re.search(r"padding[^:]*: [^;]*[1-9]", style):
                assert tag == "td", f"{name}: Outlook has padding in cells only: {tag} {style}"
            if tag == "img":
                assert int(attributes["width"]) <= 536, name
                assert "alt" in attributes, name
            if tag == "table":
                assert attributes["role"] == "presentation", name
        assert html.count("<!--[if mso]>") == html.count("<![endif]-->") == 3, name


def test_the_language_and_its_direction_are_told_within_the_body(pages: Mapping[str, str]) -> None:
    """Gmail and Outlook.com throw away `html` and `body` with what stands on them."""
    for name, html in pages.items():
        language = name[:2]
        way = "rtl" if language == "ar" else "ltr"
        root = next(each for tag, each in Elements(html.partition("<body")[2]).all if tag == "div")
        assert (root["lang"], root["dir"]) == (language, way)
        assert f'<html lang="{language}" dir="{way}">' in html


@pytest.mark.parametrize("language", mails.LANGUAGES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 30, 200])
def test_an_edition_of_any_length_is_small_and_names_what_it_can(language: str, count: int) -> None:
    rendering = render(mails.edition(language, count), mails.TEMPLATES)
    html = mails.html(mails.composed(rendering))
    assert len(html.replace("\n", "\r\n").encode()) <= MAX_HTML
    # rspamd gives a point for an odd number (URI_COUNT_ODD): tests/flow/test_spam.py asks it.
    assert len(re.findall('(?:href|src)="http', html)) % 2 == 0
    shown = [
        attributes.get("href", "").rpartition("/story-")[2]
        for tag, attributes in Elements(html).all
        if tag == "a"
    ]
    numbers = {each.strip("/") for each in shown if each.strip("/").isdigit()}
    if count <= 30:
        assert len(numbers) == count
    else:
        assert len(numbers) >= 60
        assert str(count - len(numbers)) in html  # how many are left


def test_no_words_are_missing_in_any_language(pages: Mapping[str, str]) -> None:
    """What is English in an Arabic mail is an English name, title or address."""
    english = {"The", "You", "Your", "Unsubscribe", "Read", "Related", "Change", "Write", "Confirm"}
    for name, html in pages.items():
        if not name.startswith(("ar", "de")):  # the others' articles are English ones
            continue
        words = set(re.findall(r"[A-Za-z]+", re.sub(r"<style.*?</style>|<[^>]*>", " ", html)))
        assert not words & english, name
