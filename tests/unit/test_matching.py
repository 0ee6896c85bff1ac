"""The matcher: what a page's articles are when the page comes again in another shape."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.archive_page import ArchivePage, TextArticle, decode, parse
from publisher.core.matching import (
    Cut,
    Fragment,
    KnownText,
    New,
    Repeated,
    Revised,
    Same,
    Verdict,
    keys,
    match,
)
from publisher.core.model import Related
from publisher.core.words import words

PAGES = Path(__file__).parents[1] / "data" / "archive_page"
REAL = Path(__file__).parents[2].parent / "shared" / "real" / "category-archive-russia.txt"
OWN = sorted(PAGES.glob("*.txt"))

needs_real = pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name}")
every_page = pytest.mark.parametrize(
    "path",
    [*(pytest.param(p, id=p.stem) for p in OWN), pytest.param(REAL, id="real", marks=needs_real)],
)


def read(path: Path) -> ArchivePage:
    return parse(decode(path.read_bytes())[0])


def known(articles: Sequence[TextArticle], ids: str = "k") -> list[KnownText]:
    return [
        KnownText(id=f"{ids}{n}", title=a.title, paragraphs=a.paragraphs, related=a.related)
        for n, a in enumerate(articles)
    ]


def same(count: int) -> list[Verdict]:
    return [Same(f"k{n}") for n in range(count)]


def kinds(verdicts: Sequence[Verdict]) -> Counter[type[Verdict]]:
    return Counter(type(verdict) for verdict in verdicts)


def article(title: str, *paragraphs: str, related: Sequence[str] = ()) -> TextArticle:
    references = tuple(Related(title=headline) for headline in related)
    return TextArticle(title=title, paragraphs=paragraphs, related=references)


def prose(subject: str, paragraphs: int = 4) -> tuple[str, ...]:
    """Paragraphs that share no five words with those of another subject."""
    return tuple(
        " ".join(f"{subject}{number}{letter}" for letter in "abcdefghijklmn") + "."
        for number in range(paragraphs)
    )


# The page comes again.


@every_page
def test_the_same_page_again(path: Path) -> None:
    articles = read(path).articles
    assert list(match(articles, known(articles))) == same(len(articles))
    assert set(match(articles, [])) == {New()}


@every_page
def test_one_more_on_top(path: Path) -> None:
    articles = read(path).articles
    top = article("A whale has come into the bay", *prose("whale"))
    assert list(match([top, *articles], known(articles))) == [New(), *same(len(articles))]


@every_page
def test_reordered_and_beside_strangers(path: Path) -> None:
    articles = read(path).articles
    strangers = [
        KnownText(id=f"s{n}", title=f"Stranger {n}", paragraphs=prose(f"s{n}")) for n in range(9)
    ]
    found = match(articles[::-1], [*strangers, *known(articles)])
    assert list(found) == same(len(articles))[::-1]


@every_page
def test_other_quotes_spaces_and_case_are_the_same(path: Path) -> None:
    articles = read(path).articles
    plain = str.maketrans("“”‘’«»„\u00a0", '""\'\'""" ')
    again = [
        replace(
            a,
            title=a.title.translate(plain).upper(),
            paragraphs=tuple(p.translate(plain) for p in a.paragraphs),
        )
        for a in articles
    ]
    assert list(match(again, known(articles))) == same(len(articles))


@every_page
def test_an_article_twice_on_the_page(path: Path) -> None:
    articles = read(path).articles
    found = match([*articles, *articles], known(articles))
    assert list(found) == same(len(articles)) + [Repeated()] * len(articles)
    found = match([*articles, *articles], [])
    assert list(found) == [New()] * len(articles) + [Repeated()] * len(articles)


# Something was mended.


def mended(one: TextArticle, step: int) -> Iterator[TextArticle]:
    """The article with each word of title and paragraphs mended in turn, or left out."""
    texts = [one.title, *one.paragraphs]
    for number, text in enumerate(texts):
        for word in list(re.finditer(r"\w+", text))[::step]:
            # Where no spaces stand between words, two characters are one.
            end = word.end() if ord(word[0][0]) < 0x3000 else word.start() + 2
            for better in ("", "mended", f"{word[0][:1]}x{word[0][1:]}"):
                text_now = text[: word.start()] + better + text[end:]
                if not words(text_now):
                    continue
                now = [*texts[:number], text_now, *texts[number + 1 :]]
                yield replace(one, title=now[0], paragraphs=tuple(now[1:]))


@every_page
def test_a_word_mended_anywhere(path: Path) -> None:
    articles = read(path).articles
    for number, one in enumerate(articles):
        expected = same(len(articles))
        expected[number] = Revised(f"k{number}")
        for better in mended(one, 29 if path == REAL else 3):
            page = [*articles[:number], better, *articles[number + 1 :]]
            assert list(match(page, known(articles))) == expected, better
            assert keys(better.title, better.paragraphs) & keys(one.title, one.paragraphs)


def test_a_short_article_mended_on_a_page_of_its_own() -> None:
    old = known([article("Trams stop", "Until noon")])
    assert match([article("Trams halt", "Until noon")], old) == (Revised("k0"),)
    assert match([article("Trams stop", "Until dusk")], old) == (Revised("k0"),)


def test_another_headline_behind_read_more() -> None:
    first, last = (
        article("First", *prose("first"), related=["One", "Two"]),
        article("Last", *prose("last"), related=["Three", "Four five"]),
    )
    old = known([first, last])
    for related in (["One", "Due"], ["One"], ["One", "Two", "Three"], ["Two", "One"]):
        now = article("First", *prose("first"), related=related)
        assert match([now, last], old) == (Revised("k0"), Same("k1")), related
    now = article("Last", *prose("last"), related=["Three", "Five four"])
    assert match([first, now], old) == (Same("k0"), Revised("k1"))
    for related in ([], ["Three"], ["Three", "Four fi"]):  # the page may break off there
        now = article("Last", *prose("last"), related=related)
        assert match([first, now], old) == (Same("k0"), Cut("k1")), related


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (article("Old title", *prose("old", 2), *prose("more", 3)), Revised("k0")),
        (article("Old title", *prose("old", 1), *prose("more", 3)), Revised("k0")),
        (article("New title", *prose("old", 2), *prose("more", 2)), Revised("k0")),
        (article("New title", *prose("old", 4)[1:], *prose("more", 1)), Revised("k0")),
        (article("New title", *prose("more", 1), *prose("old", 4)), Revised("k0")),
        (article("New title", " ".join(prose("old", 4))), Revised("k0")),
        (article("New title", prose("old", 4)[2]), Fragment("k0", "")),
        (article("New title", *prose("more", 4)), New()),
        (article("New title", *prose("more", 4), prose("old")[0]), New()),
        (article("Old title", *prose("more", 4)), New()),  # a series: see below
    ],
)
def test_what_makes_two_texts_one_article(now: TextArticle, verdict: Verdict) -> None:
    old = known([article("Old title", *prose("old", 4))])
    (found,) = match([now, article("The page goes on", *prose("on"))], old)[:1]
    assert without_reason(found) == verdict


def without_reason(verdict: Verdict) -> Verdict:
    return Fragment(verdict.of, "") if isinstance(verdict, Fragment) else verdict


def test_strong_likeness_goes_before_weak() -> None:
    one = article("The day in pictures", *prose("boats"))
    two = article("The day in pictures", *prose("fog"))
    better = replace(two, paragraphs=(*two.paragraphs[:3], "Something else."))
    old = known([one, two])
    assert match([two, one], old) == (Same("k1"), Same("k0"))
    assert match([better, one], old) == (Revised("k1"), Same("k0"))
    assert match([one, better, two], old)[0] == Same("k0")
    assert match([one, better, two], old)[2] == Same("k1")


# Series, round-ups, bylines: much alike and yet other articles.


def test_a_title_that_comes_every_day() -> None:
    boats, fog, rain = (
        article("The day in pictures", *prose(day), "Photographs by our readers, as always.")
        for day in ("boats", "fog", "rain")
    )
    assert match([boats, fog], []) == (New(), New())
    old = known([boats, fog])
    assert match([boats, fog], old) == (Same("k0"), Same("k1"))
    assert match([rain, boats, fog], old) == (New(), Same("k0"), Same("k1"))
    assert match([rain, article("Other", *prose("other"))], old) == (New(), New())


def test_a_round_up_that_quotes_is_new() -> None:
    articles = [article(f"Title {n}", *prose(f"subject{n}")) for n in range(5)]
    leads = [a.paragraphs[0] for a in articles]
    round_up = article("The week in short", *leads)
    assert match([round_up, *articles], known(articles))[0] == New()
    assert match([round_up], known(articles)) == (New(),)


def test_a_common_byline_makes_no_pair() -> None:
    one = article("Boats are back in the harbour", "By Ada Quill", *prose("boats"))
    two = article("Rain is good for the gardens", "By Ada Quill", *prose("rain"))
    assert match([two, article("End", *prose("end"))], known([one])) == (New(), New())


# Pieces.


@every_page
def test_a_heading_put_in_anywhere_never_makes_a_new_article(path: Path) -> None:
    text = decode(path.read_bytes())[0]
    articles = parse(text).articles
    blocks = re.split(r"\n\n+", text)
    for number in range(1, len(blocks) + 1):
        for heading in ("What is known so far", "背景资料"):
            page = parse("\n\n".join([*blocks[:number], heading, *blocks[number:]]))
            found = kinds(match(page.articles, known(articles)))
            assert not found[New], (number, page)
            assert found[Revised] <= 1


def test_a_heading_in_the_middle() -> None:
    whole = article("Title", *prose("whole", 6))
    above, below = replace(whole, paragraphs=prose("whole", 6)[:3]), prose("whole", 6)[3:]
    end = article("End", *prose("end"))
    page = [above, article("What is known so far", *below), end]
    reason = "most of it stands in the article “Title”"
    found = match(page, known([whole, end]))
    assert found == (Cut("k0"), Fragment("k0", reason), Same("k1"))


def test_a_piece_of_an_article_of_the_same_page() -> None:
    whole = article("Title", *prose("whole", 6))
    piece = article("What is known so far", *prose("whole", 6)[2:5])
    reason = "most of it stands in the article “Title”"
    assert match([piece, whole], []) == (Fragment("", reason), New())
    assert match([piece, whole], known([whole])) == (Fragment("k0", reason), Same("k0"))


def test_an_older_wording_beside_the_newer() -> None:
    new = article("Title", *prose("whole", 6))
    old = replace(new, paragraphs=(*new.paragraphs[:5], "It was said otherwise before."))
    assert [without_reason(v) for v in match([new, old], known([new]))] == [
        Same("k0"),
        Fragment("k0", ""),
    ]


# The page breaks off.


def all_cuts(path: Path, step: int, again: bool = False) -> Iterator[tuple[int, list[Verdict]]]:
    data = path.read_bytes()
    whole = known(parse(decode(data)[0]).articles)
    if again:
        data = data + b"\n\n" + data.split(b"\n\n", 1)[1]
    for end in range(0, len(data), step):
        page = parse(decode(data[:end])[0])
        yield end, list(match(page.articles, whole))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_a_page_cut_at_every_byte(path: Path) -> None:
    for end, found in all_cuts(path, 1):
        assert found[:-1] == same(len(found))[:-1], end
        if found:
            assert found[-1] in (Same(f"k{len(found) - 1}"), Cut(f"k{len(found) - 1}")), end


@needs_real
def test_the_real_page_cut_short() -> None:
    for end, found in all_cuts(REAL, 61):
        assert set(kinds(found)) <= {Same, Cut}, end


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_a_page_pasted_twice_and_cut(path: Path) -> None:
    for end, found in all_cuts(path, 7, again=True):
        assert set(kinds(found)) <= {Same, Cut, Repeated}, end


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_page_with_crlf_cut_short(encoding: str) -> None:
    text = decode((PAGES / "german.txt").read_bytes())[0]
    data = text.replace("\n", "\r\n").encode(encoding)
    for end in range(len(data)):
        page = parse(decode(data[:end])[0])
        found = match(page.articles, known(parse(text).articles))
        assert set(kinds(found)) <= {Same, Cut}, end


def test_a_page_with_a_phrase_of_its_own_cut_short() -> None:
    """Where it stands once only, the phrase cannot be learned: nothing new, nothing altered."""
    text = decode((PAGES / "german.txt").read_bytes())[0]
    text = text.replace("Lesen Sie auch\n", "Aus dem Archiv\n")
    text = text.replace("LESEN SIE AUCH:", "AUS DEM ARCHIV:")
    whole = parse(text).articles
    assert whole == read(PAGES / "german.txt").articles
    for end in range(len(text)):
        found = match(parse(text[:end]).articles, known(whole))
        assert set(kinds(found)) <= {Same, Cut, Fragment}, end


def test_only_the_last_article_can_be_cut() -> None:
    one, two = article("One", *prose("one")), article("Two", *prose("two"))
    short = replace(one, paragraphs=one.paragraphs[:2])
    assert match([short, two], known([one, two])) == (Revised("k0"), Same("k1"))
    assert match([two, short], known([one, two])) == (Same("k1"), Cut("k0"))


def test_a_shortened_sentence_is_a_mend() -> None:
    old = known([article("Title", "They hope for a lasting settlement.")])
    assert match([article("Title", "They hope for a lasting settle")], old) == (Cut("k0"),)
    assert match([article("Title", "They hope for a lasting peace.")], old) == (Revised("k0"),)
    assert match([article("Title", "They hope.")], old) == (Revised("k0"),)


def test_a_cut_between_letter_and_accent() -> None:
    old = known([article("Title", "Le cafe\u0301 ferme\u0301.")])
    assert match([article("Title", "Le cafe")], old) == (Cut("k0"),)


# Words and keys.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“It’s FINE,” he said…", "it s fine he said"),
        ("Fußgänger-Zone", "fussga\u0308nger zone"),
        ("ﬁle № 5", "file no 5"),
        ("in\u00a0Rome, \u200bso\u00adon", "in rome soon"),
        ("$5 €6", "$ 5 € 6"),
        ("听冰。站", "听 冰 站"),
        ("ｶﾅ と kana", "カ ナ と kana"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("— * —", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert " ".join(words(text)) == expected


def test_keys_are_stable_and_fit_the_store() -> None:
    found = keys("A title here", ("One two three four five six seven.", "Short"))
    assert found == keys("a TITLE, here", ("one two three four five six seven", "“Short”"))
    assert len(found) == 6
    assert min(found) == -8705598438016134600  # stored: must never change
    assert all(-(2**63) <= key < 2**63 for key in found)


@every_page
def test_keys_find_pieces_and_cut_articles(path: Path) -> None:
    for one in read(path).articles:
        whole = keys(one.title, one.paragraphs)
        for number, paragraph in enumerate(one.paragraphs):
            assert keys("Another title", one.paragraphs[number:]) & whole
            assert keys(one.title, (paragraph[:9],)) & whole


TEXTS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=9).map(" ".join)
ARTICLES = st.builds(
    TextArticle,
    title=TEXTS,
    paragraphs=st.lists(TEXTS, min_size=1, max_size=4).map(tuple),
    related=st.lists(st.builds(Related, title=TEXTS, caption=TEXTS), max_size=1).map(tuple),
)


@given(st.lists(ARTICLES, max_size=6), st.lists(ARTICLES, max_size=6))
def test_every_article_gets_one_verdict_and_no_id_twice(
    page: list[TextArticle], before: list[TextArticle]
) -> None:
    found = match(page, known(before))
    assert len(found) == len(page)
    paired = [verdict.id for verdict in found if isinstance(verdict, Same | Revised | Cut)]
    assert len(paired) == len(set(paired))
    assert found == match(page, known(before))


@given(st.lists(ARTICLES, min_size=1, max_size=6, unique_by=lambda a: (a.title, a.paragraphs)))
def test_any_page_again_is_the_same(page: list[TextArticle]) -> None:
    assert list(match(page, known(page))) == same(len(page))


def test_a_hundred_articles_against_five_hundred() -> None:
    common = "This line stands below each and every article of the paper."
    articles = [article(f"Title {n}", *prose(f"n{n}x", 30), common) for n in range(600)]
    start = time.perf_counter()
    assert kinds(match(articles[500:], known(articles[:500])))[New] == 100
    assert kinds(match(articles[:100], known(articles[:500])))[Same] == 100
    assert time.perf_counter() - start < 20  # a few seconds; far from a comparison of all pairs
