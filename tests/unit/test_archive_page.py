"""Category archive pages as text: real traits, many languages, broken encodings, broken ends."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from publisher.core.archive_page import ArchivePage, TextArticle, decode, parse
from publisher.core.markers import USUAL, fold
from publisher.core.model import Related
from publisher.core.punctuation import closed
from publisher.errors import UnreadableError

PAGES = Path(__file__).parents[1] / "data" / "archive_page"
REAL = Path(__file__).parents[2].parent / "shared" / "real" / "category-archive-russia.txt"


def text_of(name: str) -> str:
    return decode((PAGES / f"{name}.txt").read_bytes())[0]


def page(*blocks: str) -> ArchivePage:
    return parse("\n\n".join(["Category Archive : Harbour", *blocks]))


def articles(*blocks: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(article.title, article.paragraphs) for article in page(*blocks).articles]


def counts(read: ArchivePage) -> tuple[int, int, int]:
    """Articles, references with a caption, references without."""
    related = [reference for article in read.articles for reference in article.related]
    captioned = sum(bool(reference.caption) for reference in related)
    return len(read.articles), captioned, len(related) - captioned


@pytest.mark.parametrize(
    ("name", "category", "expected"),
    [
        ("english", "Harbour", (6, 3, 2)),
        ("german", "Verkehr", (3, 2, 1)),
        ("french", "Culture", (4, 2, 1)),
        ("russian", "Наука", (3, 2, 1)),
        ("arabic", "علوم", (4, 2, 1)),
        ("chinese", "科学", (3, 2, 1)),
        ("japanese", "くらし", (3, 2, 1)),
    ],
)
@pytest.mark.parametrize("marker", ["its own", "Read more", "Nachzulesen im Heft"])
def test_page_in_any_language(
    name: str, category: str, expected: tuple[int, int, int], marker: str
) -> None:
    text = text_of(name)
    read = parse(text if marker == "its own" else with_marker(text, marker))
    assert (read.category, read.leftover, read.untitled) == (category, "", ())
    assert counts(read) == expected
    assert all(article.complete for article in read.articles)
    assert read == parse(text)


def with_marker(text: str, marker: str) -> str:
    """The page with another phrase for "read more": a usual one, or one that it must learn."""
    lines = []
    for line in text.split("\n"):
        label, *rest = re.split("[:：]", line, maxsplit=1)
        if fold(label) not in USUAL:
            lines.append(line)
        else:
            lines.append(f"{marker.upper()}: {rest[0].strip()}" if rest else marker)
    return "\n".join(lines)


def test_the_english_page_word_by_word() -> None:
    read = parse(text_of("english"))
    bridge, ferry, station, seal, herring, divers = read.articles
    assert bridge.title.startswith("The old swing bridge at Port Ellery will stay open")
    assert [paragraph[:20] for paragraph in bridge.paragraphs] == [
        "The swing bridge at ",
        "“We have asked for t",
        "The night shift will",
        "A final vote is due ",
    ]
    assert bridge.paragraphs[1].endswith("January gale.”")  # the no-break space is gone
    assert bridge.related == (
        Related(
            title="Bridge keeper retires after forty years",
            caption="FILE PHOTO. The swing bridge at Port Ellery.",
        ),
        Related(title="Who pays for the lights on the mole? The council does not know"),
    )
    assert ferry.paragraphs[-1].startswith("“It is not much,”")
    assert ferry.related[0].caption == "Passengers on the quay at Gannet Sound"
    assert station.paragraphs == ("Nobody else had applied",)
    assert seal.paragraphs == ("The club has put up a sign…",)
    assert [reference.title for reference in herring.related] == [
        "What a crate of herring is worth – and to whom",
        "Three boats sold in one week",
    ]
    assert len(divers.paragraphs) == 2


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name}")
def test_the_real_page() -> None:
    text, cut = decode(REAL.read_bytes())
    read = parse(text)
    assert (read.category, cut, read.leftover) == ("Russia", False, "")
    assert counts(read) == (10, 8, 4)
    body = " ".join(paragraph for article in read.articles for paragraph in article.paragraphs)
    for article in read.articles:
        assert all(reference.title not in body for reference in article.related)
    assert "read more" not in body.casefold()
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    assert len(blocks) == 1 + 10 + sum(len(a.paragraphs) for a in read.articles) + 2 * 8 + 4


# One line, and whether it can be a title.
@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("Council votes for the bridge", True),
        ("Bridge “safe”", True),
        ("Bridge keeper retires (photos)", True),
        ("Bridge, keeper, and cat: a story", True),
        ("Is it safe? Nobody knows", True),
        ("Storm on its way 🌩", True),
        ("Wind 20°", True),
        ("The bridge is safe.", False),
        ("“The bridge is safe.”\u00a0", False),
        ("The bridge is safe.’”", False),
        ("„Die Brücke ist sicher.“", False),
        ("« C’est sûr\u00a0! »", False),
        ("»Die Brücke ist sicher.«", False),
        ("(The bridge is safe.)", False),
        ("The bridge is safe. (wire)", False),
        ("The bridge is safe.[1]", False),
        ("It is safe… 🙂", False),
        ("*It is safe!*", False),
        ("The list:", False),
        ("First, this;", False),
        ("这座桥很安全。", False),
        ("「橋は安全です。」", False),
        ("الجسر آمن؟\u200f", False),
        ("پل محفوظ ہے۔", False),
        ("पुल सुरक्षित है।", False),
        ("Կամուրջը անվտանգ է։", False),
        ("ድልድዩ ደህና ነው።", False),
        ("တံတားက လုံခြုံတယ်။", False),
        ("Είναι ασφαλής;", False),
    ],
)
def test_a_title_has_no_closing_punctuation(line: str, title: bool) -> None:
    read = articles("A title", "A paragraph.", line, "Another paragraph.")
    if title:
        assert read == [("A title", ("A paragraph.",)), (line.strip(), ("Another paragraph.",))]
    else:
        assert read == [("A title", ("A paragraph.", line.strip(), "Another paragraph."))]


def test_a_paragraph_that_lost_its_full_stop_is_no_title() -> None:
    long = "and so it went on " * 20
    assert articles("A title", "One.", long, "Two.") == [
        ("A title", ("One.", long.strip(), "Two."))
    ]


# Blocks of one article after its first paragraph, and what they come to: references, paragraphs.
@pytest.mark.parametrize(
    ("blocks", "related", "paragraphs"),
    [
        (["Read more", "A boat.\nHeadline"], [("Headline", "A boat.")], []),
        (["READ MORE", "A boat\nHeadline?"], [("Headline?", "A boat")], []),
        (["Read more »", "A boat\nHeadline"], [("Headline", "A boat")], []),
        (["Read more:", "A boat\nHeadline"], [("Headline", "A boat")], []),
        (["Read more\nA boat\nHeadline"], [("Headline", "A boat")], []),
        (["Read more", "A boat\nin the fog.\nHeadline"], [("Headline", "A boat in the fog.")], []),
        (["Read more", "Headline"], [("Headline", "")], []),
        (["Read more", "Text goes on."], [], ["Text goes on."]),
        (["Read more", "* * *", "A boat\nHeadline"], [("Headline", "A boat")], []),
        (["READ MORE: Headline"], [("Headline", "")], []),
        (["READ MORE : Headline!"], [("Headline!", "")], []),
        (["Read more： Headline"], [("Headline", "")], []),
        (["Text.\nREAD MORE: Headline"], [("Headline", "")], ["Text."]),
        (["READ MORE: Headline\nText."], [("Headline", "")], ["Text."]),
        (["READ MORE: One\nREAD MORE: Two"], [("One", ""), ("Two", "")], []),
        (["READ MORE:\nHeadline"], [("Headline", "")], []),
        (["READ MORE:"], [], []),
        (["Read more books, the mayor said."], [], ["Read more books, the mayor said."]),
        (["Two lines\nare one paragraph."], [], ["Two lines are one paragraph."]),
        (["-----"], [], []),
    ],
)
def test_references_are_never_body(
    blocks: list[str], related: list[tuple[str, str]], paragraphs: list[str]
) -> None:
    read = page("Title", "First.", *blocks, "Last.", "Next title", "Other.")
    first, second = read.articles
    assert [(reference.title, reference.caption) for reference in first.related] == related
    assert first.paragraphs == ("First.", *paragraphs, "Last.")
    assert second == TextArticle(title="Next title", paragraphs=("Other.",))


def test_a_recurring_title_is_no_marker() -> None:
    pictures = "The day in pictures"
    read = articles(pictures, "Boats\nand nets.", "Other", "Text.", pictures, "Fog\nand rain.")
    assert [title for title, _ in read] == [pictures, "Other", pictures]


@pytest.mark.parametrize(
    ("heading", "category"),
    [
        ("Category Archive : Harbour", "Harbour"),
        ("Category Archives: Harbour", "Harbour"),
        ("Archives de la catégorie\u00a0: Culture", "Culture"),
        ("分类存档：科学", "科学"),
        ("Category : Science: Physics", "Science: Physics"),
        ("Category Archive : U.S.", "U.S."),
        ("\ufeffCategory Archive :  Two\u00a0  Words ", "Two Words"),
    ],
)
def test_heading(heading: str, category: str) -> None:
    assert parse(f"\n{heading}\n\nTitle\n\nText.").category == category


def test_a_page_without_heading_needs_a_category() -> None:
    text = "Boats: a love story\n\nThey float.\n\nTitle\n\nText."
    with pytest.raises(UnreadableError, match=r"line 3: expected a heading.*“Nothing"):
        parse("\n\nNothing to see here.\n\nTitle\n\nText.")
    read = parse(text, "Harbour")
    assert read.category == "Harbour"
    assert [a.title for a in read.articles] == ["Boats: a love story", "Title"]
    assert parse("Archive : Sea\n\nTitle\n\nText.", "Harbour").category == "Sea"


def test_text_before_the_first_title_is_kept_apart() -> None:
    read = page("All about the harbour.", "More of it.", "Title", "Text.")
    assert read.untitled == ("All about the harbour.", "More of it.")
    assert [a.title for a in read.articles] == ["Title"]


@pytest.mark.parametrize(
    ("end", "leftover", "paragraphs", "complete"),
    [
        ("\n\nA new tit", "A new tit", 1, True),
        ("\n\nA new title\n", "A new title", 1, True),
        ("\n\nThe ferry, the br", "The ferry, the br", 1, True),
        ("\n\nThe ferry,", "The ferry,", 1, True),
        ("\n\nThe ferry sailed.", "", 2, True),
        ("\n\nThe ferry\nsaile", "", 2, False),
        ("\n\nRead", "Read", 1, True),
        ("\n\nRead more", "", 1, False),
        ("\n\nRead more\n\nA ship in the f", "A ship in the f", 1, True),
        ("\n\nRead more\n\nA ship in the fog.\nBrid", "", 1, True),
        ("\n\nREAD MORE:", "", 1, False),
        ("\n\nT\n\nOne-line bo", "", 1, False),
        ("\n\nT\n\nOne-line body\n", "", 1, True),
    ],
)
def test_a_page_that_breaks_off(end: str, leftover: str, paragraphs: int, complete: bool) -> None:
    read = parse(f"Archive : A\n\nTitle\n\nText.{end}")
    assert read.leftover == leftover
    assert len(read.articles[-1].paragraphs) == paragraphs
    assert read.articles[-1].complete is complete


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\u2028", "\r\r\n", " \n", "\u00a0\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["english", "arabic", "japanese"])
def test_newlines_and_encodings(name: str, encoding: str, newline: str) -> None:
    text = text_of(name)
    data = text.replace("\n", newline).encode(encoding)
    assert decode(data)[1] is False
    assert parse(decode(data)[0]) == parse(text)


def test_invisible_lines_are_blank() -> None:
    text = "Archive : A\n\u00a0\u200b\nTitle\n\ufeff\nOne.\n\u200f \nTwo.\u2029Three."
    assert parse(text).articles[0].paragraphs == ("One.", "Two.", "Three.")


def test_spaces() -> None:
    read = articles("Title", " « Un\u00a0mot\u00a0» et\u00a0 \u00a0deux\t\tfois\u200b. \u00a0")
    assert read[0][1] == ("« Un\u00a0mot\u00a0» et deux fois\u200b.",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Category\n\nna\xefve text", "line 3: neither UTF-8 nor UTF-16 text .byte 0xef"),
        ("Title".encode("utf-16-le"), "line 1: a NUL"),
        (b"\xff\xfe\x00\xdcA\x00", "neither UTF-8 nor UTF-16"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        decode(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_character_cut_off_at_the_end_is_dropped(encoding: str) -> None:
    data = "ab’🙂".encode(encoding)
    seen = [decode(data[:end]) for end in range(len(data) + 1)]
    assert {text for text, _ in seen} == {"", "a", "ab", "ab’", "ab’🙂"}
    assert seen[-1] == ("ab’🙂", False)
    assert seen[-2] == ("ab’", True)


# A page made of any articles whatever reads back as those articles.

LETTERS = st.characters(whitelist_categories=("Lu", "Ll", "Lo", "Nd"))
WORD = st.text(LETTERS, min_size=1, max_size=8)
ENDS = st.sampled_from([".", "!", "?", "…", "。", "؟", "।", ".”", ".»", "?)", ".\u00a0", ".\n"])


@st.composite
def titles(draw: st.DrawFn) -> str:
    words = draw(st.lists(WORD, min_size=3, max_size=7))
    inner = draw(st.sampled_from([" ", ", ", ": ", "? ", " – ", " “"]))
    title = f"{words[0]} x{words[1]}{inner}{' '.join(words[2:])}"
    label = re.split("[:：]", title)[0]
    assume(not closed(title) and fold(label) not in USUAL)
    return title


@st.composite
def paragraphs(draw: st.DrawFn) -> str:
    words = draw(st.lists(WORD, min_size=1, max_size=15))
    return f"x{draw(st.sampled_from([' ', chr(10)])).join(words)}{draw(ENDS)}"


@st.composite
def pages(draw: st.DrawFn) -> tuple[str, list[TextArticle]]:
    marker = draw(st.sampled_from(["Read more", "Weiterlesen", "Читайте также", "続きを読む"]))
    rendered, expected = ["Some Archive : Things"], []
    for title in draw(st.lists(titles(), min_size=1, max_size=5)):
        body = draw(st.lists(paragraphs(), min_size=1, max_size=4))
        related: list[Related] = []
        rendered.append(title)
        for number, paragraph in enumerate(body):
            rendered.append(paragraph)
            for headline in draw(st.lists(titles(), max_size=2)):
                caption = draw(st.one_of(st.just(""), titles(), titles().map("{}.".format)))
                related.append(Related(title=headline, caption=caption))
                if caption:
                    rendered += [marker, f"{caption}\n{headline}"]
                else:
                    rendered.append(f"{marker.upper()}: {headline}")
            body[number] = " ".join(paragraph.split("\n")).strip()
        expected.append(TextArticle(title=title, paragraphs=tuple(body), related=tuple(related)))
    blank = draw(st.sampled_from(["\n\n", "\n \n", "\n\u00a0\n\n", "\r\n\r\n"]))
    return blank.join(rendered), expected


@given(pages())
def test_any_page_reads_back(made: tuple[str, list[TextArticle]]) -> None:
    text, expected = made
    read = parse(text)
    assert list(read.articles) == expected
    assert (read.category, read.leftover, read.untitled) == ("Things", "", ())


@given(st.text(max_size=200))
def test_nothing_is_ever_lost_or_raised(text: str) -> None:
    read = parse(f"Archive : A\n\nTitle of it\n\n{text}", "A")
    assert read.category == "A"
    kept = [read.leftover, *read.untitled]
    for article in read.articles:
        kept += [article.title, *article.paragraphs]
        kept += [part for r in article.related for part in (r.title, r.caption)]
    assert sorted(visible("Title of it" + text)) == sorted(visible("".join(kept)))


def visible(text: str) -> list[str]:
    return [char for char in text if char.isalnum()]
