"""A file as Jekyll, Hugo or Zola writes it becomes the article its author meant."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.core.model import Candidate, Enclosure, Image, Related
from publisher.errors import UnreadableError
from publisher.sources.front_matter import LIMIT, parse

DATA = Path(__file__).parents[1] / "data" / "folder"
ZONE = "Europe/Berlin"


def utc(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def read(text: str, path: str = "a.md", zone: str = ZONE) -> Candidate:
    return parse(text, zone=zone, path=path)


def reason(text: str, path: str = "a.md") -> str:
    with pytest.raises(UnreadableError) as caught:
        read(text, path)
    return caught.value.reason


EXPECTED = [
    Candidate(
        key="2026-11-20-night-ferry.md",
        title="The night ferry is back: what changes on Friday",
        summary="Two crossings after midnight, and a bell for the fog.",
        body_html=(
            "<p>The <em>Marigold</em> sails again at <strong>00:40</strong> and 02:10.</p>\n"
            '<table>\n<thead>\n<tr>\n<th align="left">Crossing</th>\n<th align="right">Fare</th>\n'
            '</tr>\n</thead>\n<tbody>\n<tr>\n<td align="left">Night</td>\n<td align="right">4.0'
            "</td>\n</tr>\n</tbody>\n</table>\n"
            '<p><a href="/timetable">Timetable</a> and <s>old fares</s> new fares.</p>'
        ),
        authors=("Ines Halloran",),
        categories=("harbour", "transport"),
        slug="night-ferry",
        published_at=utc(20, 6, 30),
        updated_at=utc(20, 23),
        image=Image(url="/assets/ferry.jpg", alt="The ferry in fog"),
    ),
    Candidate(
        key="hugo.md",
        title="Kolm uut silda üle Kivijõe",
        summary="Linnavolikogu valis ehitaja.",
        body_html="<p>Esimene lause.</p>\n<h2>Taust</h2>\n<p>Teine lõik.</p>",
        authors=("Liis Rannamets", "Uku Kask"),
        categories=("Linn ja maa", "Ehitus"),
        language="et",
        slug="kolm-silda",
        published_at=utc(19, 4),
        updated_at=utc(19, 9, 15),
        image=Image(url="images/sild.jpg"),
    ),
    Candidate(
        key="hugo-cover.markdown",
        title="2026",
        body_html="<p>Året i bilder.</p>",
        authors=("Zoë Lindqvist", "Bo Ek"),
        categories=("Årsbok",),
        language="sv_SE",
        url="https://paper.example/bok/2026",
        slug="2026",
        published_at=utc(20, 6, 30),
        updated_at=utc(20, 10),
        image=Image(url="omslag.png", alt="Omslaget", caption="Foto: Zoë Lindqvist"),
        enclosures=(Enclosure(url="https://cdn.example/2026.mp3", type="audio/mpeg", length=4096),),
        related=(
            Related(title="En äldre bok"),
            Related(title="Året innan", url="https://paper.example/bok/2025"),
        ),
    ),
    Candidate(
        key="hugo-json.md",
        title="Le marché aux livres déménage",
        summary="Trente bouquinistes, un hangar.",
        body_html="<p>Le hangar sent la colle.</p>",
        authors=("Maëlle Kervran",),
        categories=("Culture et loisirs",),
        slug="hugo-json",
        published_at=utc(20, 17, 5),
        image=Image(url="marche.webp", alt="Des caisses de livres"),
    ),
    Candidate(
        key="zola.md",
        title="Поезд до моря",
        summary="Дорога открыта.",
        body_html="<p>Первый поезд ушёл утром.</p>",
        authors=("Вера Сомова",),
        categories=("Новости", "Транспорт"),
        language="ru",
        slug="poezd-do-morya",
        published_at=utc(19, 23),
        updated_at=utc(22, 8),
        image=Image(url="poezd.jpg", caption="На перроне"),
    ),
    Candidate(
        key="langer-tag/index.html",
        title="Ein langer Tag im Watt",
        body_html=("<p>Die Flut kam <em>früher</em> als gedacht.</p>\n<script>track()</script>"),
        categories=("Natur und Umwelt",),
        language="de",
        slug="langer-tag",
        published_at=utc(19, 23),
    ),
    Candidate(
        key="whole-page.html",
        title="المكتبة تفتح ليلًا",
        summary="مصابيح خافتة وشاي بالنعناع.",
        body_html="<p>عند الحادية عشرة يُضاء شبّاك واحد.</p>",
        language="ar",
        slug="whole-page",
    ),
    Candidate(
        key="2026-11-19_kiri.md",
        title="霧の朝、船は出ない",
        body_html="<p>霧笛が三度鳴った。</p>",
        slug="kiri",
        published_at=utc(18, 23),
    ),
    Candidate(
        key="_drafts/unfinished.md",
        title="Not yet",
        body_html="<p>To be written.</p>",
        slug="unfinished",
        draft=True,
    ),
]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: each.key)
def test_a_file_of_each_kind(expected: Candidate) -> None:
    text = (DATA / expected.key).read_text("utf-8")
    found = read(text, expected.key)
    for field in Candidate.__dataclass_fields__:
        wanted, got = getattr(expected, field), getattr(found, field)
        assert (got.strip() if field == "body_html" else got) == wanted, field


@pytest.mark.parametrize("title", ["", "\u3164", "\u2800 \u2800", "\u0301", "\u200b", "\ue000"])
def test_a_title_that_shows_nothing_is_none(title: str) -> None:
    front = f"---\ntitle: '{title}'\n---\n"
    assert read(f"{front}# The ferry\n\nIt came.").title == "The ferry"
    assert read(f"{front}It came.").title == ""


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    text = (DATA / "hugo.md").read_text("utf-8")
    assert read("\ufeff" + text.replace("\n", "\r\n")) == read(text)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unclosed.md", "its front matter has no end: a second line --- is missing"),
        (
            "yaml.md",
            "its front matter is not valid YAML, line 2: mapping values are not allowed here",
        ),
        ("toml.md", "its front matter is not valid TOML, line 3: "),
        ("json.md", "its front matter is not valid JSON, line 3: "),
        ("list.md", "its front matter is not valid YAML, line 2: keys with values are expected"),
        (
            "date.md",
            'date: "next Tuesday" cannot be read as a date; '
            "write it like 2026-11-20 or 2026-11-20 07:30 (line 3)",
        ),
        ("draft.md", 'draft: "perhaps" is neither true nor false (line 3)'),
        ("empty.md", "it has neither a title nor text"),
    ],
)
def test_what_cannot_be_taken_says_why_and_where(name: str, said: str) -> None:
    assert reason((DATA / "broken" / name).read_text("utf-8"), name).startswith(said)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-20", utc(19, 23)),
        ("2026-11-20 07:30", utc(20, 6, 30)),
        ("2026-11-20T07:30:00Z", utc(20, 7, 30)),
        ("2026-11-20 07:30:00.25 +0100", utc(20, 6, 30)),
        ("2026-11-20 07:30:00 -05:00", utc(20, 12, 30)),
        ("2026-11-20 07:30 UTC", utc(20, 7, 30)),
        ("2026/11/20 7:30", utc(20, 6, 30)),
        ("20261120T073000", utc(20, 6, 30)),
        ("2026 11 20", utc(19, 23)),
        ("2026 - 11 - 20", utc(19, 23)),
        ("2026.11.20  07:30", utc(20, 6, 30)),
        ("2026-11-20 T 07:30:00 Z", utc(20, 7, 30)),
        ("2026-11-20 7:30 PM", utc(20, 18, 30)),
        ("20 Nov 2026", utc(19, 23)),
        ("20 November 2026", utc(19, 23)),
        ("20th of november, 2026", utc(19, 23)),
        ("20-Nov-2026", utc(19, 23)),
        ("1 Sept. 2026", datetime(2026, 8, 31, 22, tzinfo=UTC)),
        ("May 1, 2026", datetime(2026, 4, 30, 22, tzinfo=UTC)),
        ("November 20, 2026", utc(19, 23)),
        ("Nov. 20th 2026", utc(19, 23)),
        ("NOVEMBER 20 2026 07:30", utc(20, 6, 30)),
        ("Friday, November 20, 2026 at 7:30 p.m.", utc(20, 18, 30)),
        ("20 Nov 2026, 12:05 AM", utc(19, 23, 5)),
        ("20 Nov 2026 07:30 EST", utc(20, 12, 30)),
        ("Fri, 20 Nov 2026 07:30:00 +0100 (CET)", utc(20, 6, 30)),
        ("'2026-11-20'", utc(19, 23)),
        ("Fri, 20 Nov 2026 07:30:00 +0100", utc(20, 6, 30)),
        ("20 Nov 2026 07:30:00 GMT", utc(20, 7, 30)),
        ("2026-07-01 12:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_date_is_read_as_written_and_without_a_zone_in_the_sites(
    written: str, meant: datetime
) -> None:
    found = read(f"---\ntitle: T\ndate: {written}\n---\n").published_at
    assert found == meant
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    ["yesterday", "2026-13-01", "2026-11-20 25:00", "2026", "20.11.2026", "[2026, 11, 20]",
     "11/20/2026", "20/11/2026", "20-11-2026", "11-12-2026", "20.11.26", "20 Nov 26", "Nov 2026",
     "20. listopada 2026", "20 Novembre 2026", "Marchy 20, 2026", "31 June 2026", "20 Nov 20261",
     "20 Nov 2026 07:30 CET", "20 Nov 2026 13:30 PM", "20 Nov 2026 0:30 am", "20 Nov 2026 soon",
     "2026-11-201", "2026-11-20" + " " * 90_000 + "x", "Nov 20", "1764028800", "٢٠٢٦-١١-٢٠",
     "0001-01-01 00:00 +0100", "12:30:00", "2026-11-20 07:30 +99:99", "true"],
)  # fmt: skip
def test_an_unreadable_date_is_never_guessed(written: str) -> None:
    said = reason(f"---\ntitle: T\ndate: {written}\n---\nText")
    assert said.startswith("date: ")
    assert said.endswith("(line 3)")


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("date", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_date_that_no_zone_could_show_is_none(date: str, zone: str) -> None:
    """The zero of Go's dates is such a one: it would stop every page that it stands on."""
    with pytest.raises(UnreadableError, match="cannot be read as a date"):
        read(f"---\ntitle: A\ndate: {date}\n---\nText.\n", zone=zone)


@pytest.mark.parametrize(
    ("front", "meant"),
    [
        ("date: 2026-11-01\npublishDate: 2026-11-20T00:00:00Z", utc(20)),
        ("published: true\ndate: 2026-11-20T00:00:00Z", utc(20)),
        ("date:\npubdate: 2026-11-20T00:00:00Z", utc(20)),
        ("published_at: 2026-11-20T00:00:00Z", utc(20)),
    ],
)
def test_the_day_it_may_be_read_comes_before_the_day_it_was_written(
    front: str, meant: datetime
) -> None:
    found = read(f"---\ntitle: T\n{front}\n---\n", "2026-01-02-t.md")
    assert (found.published_at, found.draft) == (meant, False)


@pytest.mark.parametrize(
    ("front", "draft"),
    [("draft: true", True), ("draft: yes", True), ("draft: 'true'", True), ("draft: false", False),
     ("published: false", True), ("draft: false\npublished: false", True), ("draft:", False)],
)  # fmt: skip
def test_a_draft(front: str, draft: bool) -> None:
    assert read(f"---\ntitle: T\n{front}\n---\n").draft is draft


@pytest.mark.parametrize(
    ("front", "names"),
    [
        ("categories: harbour transport", ("harbour", "transport")),
        ("categories: City life, Sport", ("City life", "Sport")),
        ("categories: [City life, Sport, Sport]", ("City life", "Sport")),
        ("category: City life", ("City life",)),
        ("category: City\ncategories: [Sport, City]", ("City", "Sport")),
        ("category: [City, Sport]", ("City", "Sport")),
        ("categories:\n- {name: City life, slug: city}", ("City life",)),
        ("taxonomies:\n  categories: [City]", ("City",)),
        ("extra: {category: City}", ("City",)),
        ("tags: [City]\nkeywords: x", ()),
        ("categories: []", ()),
        ("categories: [2026, no, ~]", ("2026", "no")),
    ],
)
def test_categories_are_named_in_many_ways_but_tags_are_none(
    front: str, names: tuple[str, ...]
) -> None:
    assert read(f"---\ntitle: T\n{front}\n---\n").categories == names


def test_only_jekyll_parts_names_at_spaces() -> None:
    assert read('+++\ntitle = "T"\ncategories = "City life"\n+++').categories == ("City life",)


@pytest.mark.parametrize(
    ("written", "title"),
    [("2026", "2026"), ("007", "007"), ("1_000", "1_000"), ("yes", "yes"), ("2026-11-20",) * 2,
     ("12:30", "12:30"), ("1e3", "1e3"), ('"Null"', "Null"), ("'A: B'", "A: B"), ("null", "H"),
     (r'"Ferry \ud83d\udea2"', "Ferry \U0001f6a2")],
)  # fmt: skip
def test_a_title_is_what_was_written(written: str, title: str) -> None:
    assert read(f"---\ntitle: {written}\n---\n# H\n\nText").title == title


@pytest.mark.parametrize(
    ("front", "title"),
    [('+++\ntitle = 2026\n+++\n', "2026"), ("+++\ntitle = 2026-11-20\n+++\n", "2026-11-20"),
     ("+++\ntitle = 1.50\n+++\n", "1.50"), ('{"title": 1.50}\n', "1.50"),
     ('{"title": true}\n', "true")],
)  # fmt: skip
def test_so_it_is_in_toml_and_json(front: str, title: str) -> None:
    assert read(front + "Text").title == title


@pytest.mark.parametrize(
    ("path", "text", "title", "body"),
    [
        ("a.md", "# A *fine* day\n\nText", "A fine day", "<p>Text</p>"),
        ("a.md", "A day\n=====\n\nText", "A day", "<p>Text</p>"),
        ("a.md", "## Small\n\nText", "Small", "<p>Text</p>"),
        ("a.md", "Text\n\n# Late", "Late", "<p>Text</p>"),
        ("a.md", "Text\n\n## Part", "", "<p>Text</p>\n<h2>Part</h2>"),
        ("a.md", "---\ntitle: Day\n---\n# DAY\n\nText", "Day", "<p>Text</p>"),
        ("a.md", "---\ntitle: Day\n---\n# Night\n", "Day", "<h1>Night</h1>"),
        ("a.md", "`<h1>x</h1>`", "", "<p><code>&lt;h1&gt;x&lt;/h1&gt;</code></p>"),
        ("a.html", "<h1 class=x>Day &amp; night</h1><p>Text", "Day & night", "<p>Text"),
        ("a.html", "<h1>never closed", "", "<h1>never closed"),
        ("a.htm", "<html><title>Day</title><body>Text <b>x</b>", "Day", "Text <b>x</b>"),
        ("a.html", "<body><nav>N</nav><main><p>M</p></main></body>", "", "<p>M</p>"),
    ],
)
def test_without_a_title_its_first_heading_is_one(
    path: str, text: str, title: str, body: str
) -> None:
    found = read(text, path)
    assert (found.title, found.body_html.strip()) == (title, body)


@pytest.mark.parametrize(
    ("front", "path", "url", "slug"),
    [
        ("", "news/2026-11-20-a-day.md", "", "a-day"),
        ("", "news/2026-11-20-a-day/index.md", "", "a-day"),
        ("", "news/2026-13-20-a-day.md", "", "2026-13-20-a-day"),
        ("", "2026-11-20.md", "", "2026-11-20"),
        ("slug: mine\nurl: /other/", "a.md", "", "mine"),
        ("url: /2026/11/a-day/", "b.md", "", "a-day"),
        ("permalink: /a-day.html", "b.md", "", "a-day"),
        ("permalink: /%C3%A9t%C3%A9/?x=1#y", "b.md", "", "été"),
        ("permalink: pretty", "b.md", "", "b"),
        ("permalink: /:year/:title/", "b.md", "", "b"),
        ("url: https://paper.example/a", "b.md", "https://paper.example/a", "b"),
        ("link: HTTP://paper.example/a", "b.md", "HTTP://paper.example/a", "b"),
        ("url: javascript:alert(1)", "b.md", "", "b"),
    ],
)
def test_address_and_slug(front: str, path: str, url: str, slug: str) -> None:
    found = read(f"---\ntitle: T\n{front}\n---\n", path)
    assert (found.url, found.slug) == (url, slug)


@pytest.mark.parametrize(
    ("front", "image"),
    [
        ("image: a.jpg", Image(url="a.jpg")),
        ("image: {src: a.jpg, alt: A, caption: C}", Image(url="a.jpg", alt="A", caption="C")),
        ("images: [{url: a.jpg}, b.jpg]", Image(url="a.jpg")),
        ("featured-image: a.jpg\nimage_alt: A", Image(url="a.jpg", alt="A")),
        ("header: {image: a.jpg, image_description: A}", Image(url="a.jpg", alt="A")),
        ("header: {overlay_color: red}\ncover: a.jpg", Image(url="a.jpg")),
        ("extra: {cover: {image: a.jpg}}", Image(url="a.jpg")),
        ("image: false", None),
        ("image: []", None),
    ],
)
def test_the_picture(front: str, image: Image | None) -> None:
    assert read(f"---\ntitle: T\n{front}\n---\n").image == image


def test_an_enclosure_without_type_and_length() -> None:
    found = read("---\ntitle: T\nenclosures: [/a.mp3, {url: /b.zzz, length: many}]\n---\n")
    assert found.enclosures == (
        Enclosure(url="/a.mp3", type="audio/mpeg", length=0),
        Enclosure(url="/b.zzz", type="application/octet-stream", length=0),
    )


def test_a_bomb_of_aliases_costs_nothing() -> None:
    levels = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 30))
    front = f"---\ntitle: T\nk0: &k0 [x]\n{levels}"
    found = read(f"{front}categories: *k29\nauthors: *k1\nimage: *k29\n---\n")
    assert found.title == "T"
    assert reason(f"{front}date: *k29\n---\n").startswith('date: "this structure" cannot be read')


@pytest.mark.parametrize(
    "text",
    [
        "---\nx: " + "[" * 40_000 + "\n---\n",
        "---\n" + "".join(" " * n + "- \n" for n in range(400)) + "---\n",
        "+++\nx = " + "[" * 5_000 + "\n+++\n",
        '{"x": ' + "[" * 90_000,
        "---\nx: !!python/object/apply:os.system [ls]\n---\n",
        '---\nx: "\\UFFFFFFFF"\n---\nText',
        "+++\nx = " + "9" * 5_000 + "\n+++\n",
        "---\nx: " + "y" * 200_000 + "\n---\n",
        "x" * (LIMIT + 1),
        "\x89PNG\r\n\0\0",
        "---",
        "{}",
        "",
    ],
    ids=range(13),
)
def test_hostile_files_are_refused(text: str) -> None:
    assert len(reason(text)) < 200


PIECES = (
    '---\n|+++\n|{|}\n|\n|: | = |- |"|[|]|&a |*a|title|date|categories|image|related|draft|<h1>'
    "|</h1>|<html>|<body>|2026-11-20|# |\ud800|\ufffe|extra|{{<|!!|\x85|'|~|999999999999999999"
)
FRONT = st.sampled_from(PIECES.split("|"))
ANY = st.text() | st.lists(FRONT | st.text(max_size=3), max_size=30).map("".join)


@given(ANY, st.sampled_from(["a.md", "b/2026-11-20-c.html", ""]))
@example("---\n? [a]\n: b\n---\n", "a.md")
@example("---\n? ~\n: b\n---\n", "a.md")
@example("---\na: &a [*a]\nauthors: *a\ncategories: *a\n---\nx", "a.md")
@example("<html>", "a.html")
@example('{"title": "\\ud800"}', "a.md")
@example("---\ntitle: x\nurl: 'https://[x'\nimage: '//['\n---\n", "a.md")
def test_whatever_a_file_holds_it_is_an_article_or_a_reason(text: str, path: str) -> None:
    try:
        found = read(text, path)
    except UnreadableError:
        return
    assert found.title or found.summary or found.body_html


@given(st.text())
def test_whatever_stands_where_a_date_should_be(written: str) -> None:
    try:
        found = read('+++\ntitle = "T"\ndate = ' + toml_string(written) + "\n+++\n")
    except UnreadableError:
        return
    assert found.published_at is None or found.published_at.tzinfo is UTC


def toml_string(text: str) -> str:
    fit = "".join(char for char in text if char.isprintable())
    return '"' + fit.replace("\\", "\\\\").replace('"', '\\"') + '"'
