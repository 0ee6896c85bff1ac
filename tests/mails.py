"""Mails as readers get them: editions of any length, and every notice, in every language."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

from publisher.core.model import (
    Article,
    Cadence,
    Category,
    Image,
    Newsletter,
    Related,
    Rendering,
    Site,
)
from publisher.core.notice import Notice, NoticeContent, NoticeKind
from publisher.delivery.message import Recipient, compose, message_id
from publisher.kit import translations
from publisher.kit.jinja import environment
from publisher.kit.resources import folder
from publisher.newsletters import notices
from publisher.newsletters.notices import NoticeMail
from publisher.newsletters.render import EditionContent, render

PLANNED = datetime(2026, 11, 20, 6, tzinfo=UTC)
TOKEN = "k1.WzEyMywxXQ.Zk9vYmFyQmF6UXV4Q29ycmVjdEhvcnNl"
LANGUAGES = tuple(sorted(translations.LANGUAGES))
TEMPLATES = environment([folder("templates/email")])
NOTICES = sorted(path.stem for path in Path(folder("templates/email")).glob("notice-*.html"))

_SITES = {
    "en": ("The Harbour Courier", "The Morning Tide", "Alerts"),
    "de": ("Der Hafenbote", "Die Morgenflut", "Eilmeldungen"),
    "ar": ("بريد الميناء", "مد الصباح", "Harbour Alerts"),
    "es": ("El Correo del Puerto", "La Marea", "Avisos"),
    "fr": ("Le Courrier du port", "La Marée du matin", "Alertes"),
    "ru": ("Портовый вестник", "Утренний прилив", "Срочно"),
}
_SECTIONS = {
    "en": ("Harbour", "Science", "Culture", "Sport"),
    "de": ("Hafen", "Wissenschaft", "Kultur", "Sport"),
    "ar": ("الميناء", "العلوم", "الثقافة", "الرياضة"),
}
# Headline and standfirst. The last of each is in another language, as in a port town's paper.
_STORIES = {
    "en": (
        (
            "The ice is out, and the first ships are in",
            "Forty-one of them had waited beyond the breakwater since the new year. The first to "
            "come in carried oranges, and half the town stood on the quay to see them.",
        ),
        (
            "A glacier lake that nobody had on the map",
            "Surveyors flew over the valley twice before they believed it, and then came back "
            "with a boat and a lead line.",
        ),
        (
            "The library of the drowned is dry again",
            "Nine years after the flood, 3,000 books are back on their shelves. Some still smell "
            "of the river.",
        ),
        ("Derby ends three all, and nobody goes home", "The last goal fell in the fog."),
        (
            "Why the town clock runs four minutes fast",
            "The keeper who set it so had a reason, and a train to catch.",
        ),
        ("عاد القارب الأخير إلى الميناء", "غادر عند الفجر ولم ينتظره أحد سوى حارس المنارة."),
    ),
    "de": (
        (
            "Das Eis ist fort, und die ersten Schiffe laufen ein",
            "Einundvierzig hatten seit Neujahr vor der Mole gewartet. Das erste brachte Orangen, "
            "und die halbe Stadt stand am Kai, um sie zu sehen.",
        ),
        (
            "Gletscherseevermessungsgesellschaft findet einen See, den keine Karte kennt",
            "Zweimal flogen sie über das Tal, ehe sie es glaubten; dann mit Boot und Lot.",
        ),
        (
            "Die Bücherei der Ertrunkenen ist wieder trocken",
            "Neun Jahre nach der Flut stehen 3.000 Bände wieder im Regal. Manche riechen noch "
            "nach Fluss.",
        ),
        ("Derby endet drei zu drei, und keiner geht heim", "Das letzte Tor fiel im Nebel."),
        (
            "Warum die Rathausuhr vier Minuten vorgeht",
            "Der Wärter, der sie so stellte, hatte einen Grund und einen Zug zu erreichen.",
        ),
        ("عاد القارب الأخير إلى الميناء", "غادر عند الفجر ولم ينتظره أحد سوى حارس المنارة."),
    ),
    "ar": (
        (
            "ذاب الجليد ودخلت أولى السفن الميناء",
            "انتظرت إحدى وأربعون سفينة خلف كاسر الأمواج منذ مطلع العام. حملت الأولى برتقالًا، "
            "ووقف نصف المدينة على الرصيف لرؤيتها.",
        ),
        (
            "بحيرة جليدية لم تعرفها أي خريطة",
            "حلّق المسّاحون فوق الوادي مرتين قبل أن يصدّقوا، ثم عادوا بقارب (وحبل قياس).",
        ),
        (
            "مكتبة الغرقى تجفّ من جديد",
            "بعد تسع سنوات من الفيضان عاد 3000 كتاب إلى رفوفه، وما زال بعضها يحمل رائحة النهر.",
        ),
        ("الديربي ينتهي 3-3 ولا أحد يعود إلى بيته", "سقط الهدف الأخير في الضباب."),
        ("لماذا تسبق ساعة البلدة الوقت بأربع دقائق؟", "كان لحارسها سبب، وقطار يلحق به."),
        ('Night ferry "Aurora" sails again (after 9 years)', "She left at dawn, with 12 cars."),
    ),
}
# Elsewhere the program's own words stand between English articles.
_SECTIONS, _STORIES = (
    {language: words.get(language, words["en"]) for language in LANGUAGES}
    for words in (_SECTIONS, _STORIES)
)
_BODY = "<p>" + "The harbour master rang the bell himself. " * 90 + "</p>"


def site(language: str) -> Site:
    return Site(
        title=_SITES[language][0],
        url="https://news.example",
        language=language,
        contact="editor@news.example",
    )


def articles(language: str, count: int) -> tuple[Article, ...]:
    """So many stories; from the seventh on they begin anew with a number."""
    return tuple(_article(language, number) for number in range(count))


def edition(
    language: str,
    count: int = 6,
    more: int = 0,
    cadence: Cadence = Cadence.DAILY,
    corrections: int = 0,
) -> EditionContent:
    """Of `count` stories and `more` links."""
    stories = articles(language, count + more)
    return EditionContent(
        newsletter=Newsletter(
            slug="tide",
            title=_SITES[language][1],
            sender=f"{_SITES[language][0]} <news@news.example>",
            language=language,
        ),
        site=site(language),
        cadence=cadence,
        articles=stories[:count],
        more=stories[count:],
        corrections=tuple(
            _article(language, number, correction=_STORIES[language][number][1])
            for number in range(corrections)
        ),
        categories={
            f"section-{number}": Category(slug=f"section-{number}", title=title)
            for number, title in enumerate(_SECTIONS[language])
        },
        planned_at=PLANNED,
        locale=language,
        zone="Europe/Berlin",
        url="https://news.example/editions/7-0123456789ab",
        key_id="k1",
    )


def editions(language: str) -> Iterator[tuple[str, Rendering]]:
    """The edition of a day, of a week (long, with corrections) and what has just come in."""
    for name, content in (
        ("daily", edition(language)),
        ("weekly", edition(language, 30, 40, Cadence.WEEKLY, corrections=2)),
        ("alert", edition(language, 1, cadence=Cadence.IMMEDIATE)),
    ):
        yield name, render(content, TEMPLATES)


def everything(date: datetime = PLANNED) -> Iterator[tuple[str, bytes]]:
    """Every mail in every language with a name, as it goes over the wire."""
    for language in LANGUAGES:
        made = [*editions(language), *((name, notice(name, language)) for name in NOTICES)]
        for name, rendering in made:
            yield (
                f"{language}-{name}",
                composed(rendering, date, links=not name.startswith("notice")),
            )


def composed(rendering: Rendering, date: datetime = PLANNED, *, links: bool = True) -> bytes:
    """As Ada gets it; `links` to her own pages stand in editions only."""
    return compose(
        rendering,
        Recipient(address="ada@reader.example", name="Ada Lovelace"),
        message_id=message_id("e7", 1, 2, date=date, rendering=rendering),
        date=date,
        unsubscribe_url=f"https://news.example/unsubscribe/{TOKEN}" if links else "",
        preferences_url=f"https://news.example/preferences/{TOKEN}" if links else "",
    )


def pages() -> Mapping[str, str]:
    """The HTML of each of them, by name."""
    return {name: html(mail) for name, mail in everything()}


def html(mail: bytes) -> str:
    return str(message_from_bytes(mail, policy=policy.default).get_body(("html",)).get_content())


def notice(name: str, language: str) -> Rendering:
    """Of a template like `notice-confirm`."""
    names = _SITES[language]
    asked = Notice(
        kind=NoticeKind(name.removeprefix("notice-")),
        address="ada@reader.example",
        locale=language,
        content=NoticeContent(zone="Europe/Berlin"),
        created_at=PLANNED,
    )
    return notices.render(
        NoticeMail(
            notice=asked,
            site=site(language),
            sender=f"{names[0]} <news@news.example>",
            newsletters=names[1:2],
            known=names[2:],
            links={"confirm": f"https://news.example/confirm/{TOKEN}"},
            key_id="k1",
        ),
        TEMPLATES,
    )


def _article(language: str, number: int, correction: str = "") -> Article:
    title, summary = _STORIES[language][number % 6]
    last = number % 6 == 5
    other = "en" if language == "ar" else "ar"
    return Article(
        id=f"tag:news.example,2026:article:{number}",
        source="folder",
        source_key=f"{number}.md",
        slug=f"story-{number}",
        title=title if number < 6 else f"{title} ({number})",
        summary=summary,
        body_html=_BODY,
        authors=("Mara Lindqvist", "Tom Ferris") if number % 2 == 0 else (),
        image=Image(
            url=f"https://news.example/media/{number}.jpg",
            alt=title if number else summary,
            caption="© M. Lindqvist" if not number else "",
        )
        if number % 3 != 2
        else None,
        related=(
            Related(title="Ferry fares to rise", url="https://news.example/fares"),
            Related(title="كم تكلف الرحلة؟", url="https://news.example/cost"),
        )
        if number % 2 == 0
        else (),
        language=other if last else language if language in ("ar", "de") else "en",
        categories=(f"section-{number % 4}",),
        correction=correction,
        published_at=PLANNED,
        updated_at=PLANNED,
        received_at=PLANNED,
        content_hash=str(number),
        seq=number + 1,
    )
