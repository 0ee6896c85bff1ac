"""Every word that mails and pages of our own say is there in every language, number by number."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from publisher.kit import translations
from publisher.kit.jinja import environment
from publisher.kit.locale import direction

ROOT = Path(__file__).parents[2]
FOREIGN = sorted(translations.LANGUAGES - {"en"})
KEYWORDS = {**DEFAULT_KEYWORDS, "gettext_noop": None}
PLACE = re.compile(r"%\((\w+)\)s|%%|(%)")

Message = tuple[str | None, str, str | None]
"""Context, text, and text for many."""


def said() -> Iterator[Message]:
    """Whatever code and templates say, as Babel finds it there."""
    code, templates = [("**.py", "python")], [("**.html", "jinja2"), ("**.txt", "jinja2")]
    for folder, methods, keywords in (
        ("publisher", code, KEYWORDS),
        ("publisher/web", code, {"message": (2,)}),  # Pages.message
        ("publisher/web", code, {"message": (3,)}),
        ("templates", templates, KEYWORDS),
    ):
        options = {"**": {"newstyle_gettext": "true", "trim_blocks": "true", "silent": "false"}}
        found = extract_from_dir(ROOT / folder, methods, options, keywords)
        for _, _, message, _, context in found:
            one, many = message if isinstance(message, tuple) else (message, None)
            yield context, one, many


def catalogue(language: str) -> Catalog:
    with translations.path(language).open("rb") as file:
        return read_po(file, abort_invalid=True)


def places(text: str) -> set[str]:
    """The names filled in, in `%(name)s`; a `%` alone is a fault when it comes to that."""
    assert not any(found[2] for found in PLACE.finditer(text)), text
    return {found[1] for found in PLACE.finditer(text)} - {None}


@pytest.fixture(scope="module")
def messages() -> set[Message]:
    return set(said())


def test_what_is_said_is_found(messages: set[Message]) -> None:
    assert (None, "Daily edition", None) in messages
    assert (None, "Read on", None) in messages
    assert (None, "%(num)s min read", "%(num)s min read") in messages


@pytest.mark.parametrize("language", FOREIGN)
def test_every_word_is_in_the_catalogue(language: str, messages: set[Message]) -> None:
    book = catalogue(language)
    assert book.plural_forms == get_plural(language).plural_forms, "Plural-Forms"
    missing = []
    for context, one, many in messages:
        entry = book.get((one, many) if many else one, context)
        forms = entry.string if entry and isinstance(entry.string, tuple) else ()
        if not entry or entry.fuzzy:
            missing.append(one)
        elif many and (len(forms) != book.num_plurals or not all(forms)):
            missing.append(f"{one} (all {book.num_plurals} forms)")
        elif not many and not entry.string:
            missing.append(one)
    assert not missing


@pytest.mark.parametrize("language", FOREIGN)
def test_a_catalogue_fills_in_what_the_english_does(language: str) -> None:
    for entry in catalogue(language):
        if not entry.id:
            continue
        english = entry.id if isinstance(entry.id, tuple) else (entry.id,)
        wanted = set().union(*map(places, english))
        if isinstance(entry.string, tuple):  # "one story" may say its number in a word
            assert all(wanted - {"num"} <= places(form) <= wanted for form in entry.string), english
            assert places(entry.string[-1]) == wanted, english
        else:
            assert places(entry.string) == wanted, english


@pytest.mark.parametrize("language", FOREIGN)
def test_a_catalogue_holds_nothing_that_nobody_says(language: str, messages: set[Message]) -> None:
    said = {(context, one) for context, one, _ in messages}
    held = {
        (each.context, each.id[0] if isinstance(each.id, tuple) else each.id)
        for each in catalogue(language)
        if each.id
    }
    assert not held - said


NAMES = {"RSS", "Atom", "JSON", "JSON Feed", "kB"}
"""What every language calls so."""
KINDS = {"front", "category", "follow", "reading"}
"""Pages' classes, which stand alone in a block of their own."""
GETTEXT = {"_", "gettext", "ngettext", "pgettext", "npgettext"}


def literals(node: nodes.Node) -> Iterator[tuple[str, str]]:
    """What a template holds outside of calls of gettext: text (`data`) and strings in its code."""
    if isinstance(node, nodes.TemplateData):
        yield "data", node.data
    elif isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield "string", node.value
    elif not (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Name)
        and node.node.name in GETTEXT
    ):
        for child in node.iter_child_nodes():
            yield from literals(child)


def untranslated(source: str) -> list[str]:
    """Words of a template that are the same in every language, in whichever branch they stand."""
    found = list(literals(environment([]).parse(source)))
    text = unescape("".join(value for kind, value in found if kind == "data"))
    told = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', text)
    text = re.sub(r"(?s)<style.*?</style>|<script.*?</script>|<!--.*?-->", "", text)
    text = re.sub(r'<[^>]*>|[\w-]+="[^"]*"', " ", text)
    while (outside := re.sub(r"[^{}\n]*\{[^{}]*\}", "", text)) != text:  # rules of a style sheet
        text = outside
    words = re.findall(r"[^\W\d_]{2,}", " ".join([text, *told]))
    strings = [
        value
        for kind, value in found
        if kind == "string"
        and re.search(r"^[^\W\d_a-z][a-z]|\w \w", value)
        and not value.startswith("<")
        and not value.endswith("serif")
    ]
    return [each for each in words + strings if each not in NAMES | KINDS]


TEMPLATES = sorted(
    each for each in (ROOT / "templates").rglob("*.[ht]*") if "static" not in each.parts
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_template_says_a_word_that_catalogues_cannot_change(path: Path) -> None:
    assert untranslated(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>{{ _('Read on') }} now</p>", ["now"]),
        ("{% if never %}<b>Or leave</b>{% endif %}", ["Or", "leave"]),
        ('<input placeholder="{{ x }} here" value="yes">', ["here"]),
        ('<nav aria-label="Sections">', ["Sections"]),
        ('{{ "." if chosen else ", as soon as you choose" }}', [", as soon as you choose"]),
        ('{% set heading = "Welcome" %}{% set kind = "daily" %}', ["Welcome"]),
        ("{% macro one(x) %}{{ _(x) }} &amp; more{% endmacro %}", ["more"]),
        ("{{ ngettext('%(num)s mail', '%(num)s mails', n) }} <b>RSS</b> &middot;", []),
    ],
)
def test_the_search_for_such_words_finds_them(source: str, words: list[str]) -> None:
    assert untranslated(source) == words


def test_english_german_and_arabic_are_there() -> None:
    assert {"en", "de", "ar"} <= translations.LANGUAGES
    assert direction("ar") == "rtl"


MINUTES = '{{ ngettext("%(num)s min read", "%(num)s min read", n) }}'


@pytest.fixture(scope="module")
def jinja() -> Environment:
    return environment([])


@pytest.mark.parametrize(
    ("locale", "number", "words"),
    [
        ("en", 1, "1 min read"),
        ("de-AT", 5, "5 Min. Lesezeit"),
        ("tlh", 5, "5 min read"),
        ("ru", 1, "1 минута чтения"),
        ("ru", 3, "3 минуты чтения"),
        ("ru", 11, "11 минут чтения"),
        ("ar", 1, "دقيقة قراءة"),
        ("ar-EG", 2, "دقيقتا قراءة"),
        ("ar", 3, "3 دقائق قراءة"),
        ("ar", 11, "11 دقيقة قراءة"),
        ("ar", 100, "100 دقيقة قراءة"),
    ],
)
def test_a_number_takes_the_form_of_its_language(
    locale: str, number: int, words: str, jinja: Environment
) -> None:
    assert jinja.from_string(MINUTES).render(n=number, locale=locale) == words


def test_what_is_filled_in_is_escaped_where_the_template_is(jinja: Environment) -> None:
    why = "You receive this mail because you subscribed to %(newsletter)s from %(site)s."
    page = jinja.from_string(f'{{{{ _("{why}", newsletter=name, site="S") }}}}')
    shown = page.render(name="<b>100 % {{ 7*7 }} %(site)s</b>", locale="de")
    assert shown == (
        "Sie erhalten diese Mail, weil Sie &lt;b&gt;100 % {{ 7*7 }} %(site)s&lt;/b&gt; von S "
        "abonniert haben."
    )


def test_a_template_without_a_language_speaks_english(jinja: Environment) -> None:
    assert jinja.from_string('{{ _("Read on") }}').render() == "Read on"
