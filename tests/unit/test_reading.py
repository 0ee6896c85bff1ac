"""What an article is called, and what stands under that."""

from datetime import UTC, datetime

import pytest

from publisher.core.model import Article, Image
from publisher.kit.reading import beneath, headline, picture, shows, standfirst

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LONG = "The ferry waits for the fog to lift. " * 12


def article(
    title: str = "", summary: str = "", body_html: str = "", image: Image | None = None
) -> Article:
    return Article(
        id="tag:news.example,2026:article:1",
        source="folder",
        source_key="1",
        slug="bridge",
        title=title,
        summary=summary,
        body_html=body_html,
        image=image,
        published_at=NOW,
        updated_at=NOW,
        received_at=NOW,
        content_hash="1",
    )


@pytest.mark.parametrize(
    ("title", "summary", "body", "called"),
    [
        (" A\n title ", "", "<p>x</p>", "A title"),
        ("\u202e\0", "A summary.", "<p>x</p>", "A summary."),
        ("", "Of two\nlines.", "<p>x</p>", "Of two lines."),
        (
            "",
            "",
            "<figure><figcaption>Photo</figcaption></figure><p>One.</p><p>Two.</p>",
            "One. Two.",
        ),
        (
            "",
            "",
            f"<p>{LONG}</p>",
            " ".join(["The ferry waits for the fog to lift."] * 2) + " The ferry waits…",
        ),
        ("", "", "", "bridge"),
    ],
)
def test_an_article_without_a_title_goes_by_its_opening_words(
    title: str, summary: str, body: str, called: str
) -> None:
    assert headline(article(title, summary, body)) == called


@pytest.mark.parametrize(
    ("title", "summary", "body", "under"),
    [
        ("Fog", "It is here.", "<p>It came.</p>", "It is here."),
        ("Fog", "", "<p>It came.</p>", "It came."),
        ("Fog", "Fog over the bay.", "", "Fog over the bay."),
        ("Fog over the bay.", "Fog over the bay.", "", ""),
        ("", "It is here.", "", ""),
        ("", LONG, "", ""),
        ("", "", f"<p>{LONG}</p>", ""),
        ("Fog", "", "", ""),
    ],
)
def test_nothing_is_said_twice_under_a_headline(
    title: str, summary: str, body: str, under: str
) -> None:
    shown = article(title, summary, body)
    assert beneath(headline(shown), standfirst(shown, 320)) == under


def test_a_standfirst_has_a_limit() -> None:
    assert standfirst(article(summary=LONG), 40) == "The ferry waits for the fog to lift…"


@pytest.mark.parametrize("url", ["data:image/png;base64,xx", "", "/fog.jpg"])
def test_a_picture_that_cannot_be_fetched_is_none(url: str) -> None:
    assert picture(article(image=Image(url=url))) is None


def test_a_picture() -> None:
    image = Image(url="https://media.example/früh.jpg", alt=" Fog\n", caption="a\0b", length=7)
    assert picture(article(image=image)) == Image(
        url="https://media.example/fr%C3%BCh.jpg", alt="Fog", caption="a b", length=7
    )


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("https://media.example/fog.jpg", True),
        ("http://media.example/fog-300x200.jpg?w=3&amp;h=2", True),
        ("https://media.example/fog-scaled.jpg", True),
        ("https://media.example/fog-2.jpg", False),
        ("https://media.example/frog.jpg", False),
        ("https://media.example/2x2-fog.jpg", False),
    ],
)
def test_a_picture_is_seen_in_the_text_in_any_size(source: str, seen: bool) -> None:
    html = f'<p>Fog</p><figure><img alt="" src="{source}" width="3"></figure>'
    assert shows(html, "https://media.example/fog.jpg") is seen


def test_a_picture_that_is_linked_is_not_seen() -> None:
    url = "https://media.example/fog.jpg"
    assert not shows(f'<a href="{url}">fog.jpg</a><img src="/x.jpg" srcset="{url} 2x">', url)
