"""Which way a language is written, and in which one dates are."""

from datetime import UTC, datetime

import pytest

from publisher.kit.jinja import environment
from publisher.kit.locale import accepted, direction, isolated, language_tag, locale_of


@pytest.mark.parametrize(
    ("language", "way"),
    [
        ("ar", "rtl"),
        ("ar-EG", "rtl"),
        ("he", "rtl"),
        ("fa_IR", "rtl"),
        ("az-Arab-IR", "rtl"),
        ("ur-Latn", "ltr"),
        ("en-GB", "ltr"),
        ("ja", "ltr"),
        ("", "auto"),
        ("klingon", "auto"),
        ("x-nonsense", "auto"),
    ],
)
def test_which_way_a_language_is_written(language: str, way: str) -> None:
    assert direction(language) == way


def test_a_name_turns_no_sentence_that_runs_the_other_way() -> None:
    assert isolated("The Daily", "ar-EG") == "\u2068The Daily\u2069"
    assert isolated("The Daily", "de") == "The Daily"
    assert isolated("", "ar") == ""


@pytest.mark.parametrize(
    ("wishes", "locale"),
    [
        (("ru",), "ru"),
        (("pt_BR",), "pt-BR"),
        (("", "de-at"), "de-AT"),
        (("de-XX", "fr"), "de"),
        (("tlh", "es"), "es"),
        (("nonsense", "../etc", ""), "en"),
        ((), "en"),
    ],
)
def test_the_first_wish_that_is_known(wishes: tuple[str, ...], locale: str) -> None:
    assert locale_of(*wishes) == locale


def test_the_first_wish_among_some() -> None:
    assert locale_of("pt-BR", "ru", among={"ru", "de"}) == "ru"
    assert locale_of("pt-BR", among={"ru", "de"}) == "en"


@pytest.mark.parametrize(
    ("locale", "date"),
    [("de-AT", "20. November 2026"), ("", "November 20, 2026"), ("tlh", "November 20, 2026")],
)
def test_dates_in_a_template(locale: str, date: str) -> None:
    template = environment([]).from_string("{{ moment|date('UTC', locale) }}")
    assert template.render(moment=datetime(2026, 11, 20, tzinfo=UTC), locale=locale) == date


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("de", "de"),
        ("DE_at", "de-at"),
        ("deu-AT", "de-AT"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("sr_Latn_RS", "sr-Latn-RS"),
        ("ckb", "ckb"),
        ("en--US", "en"),
        ("de-1234567890", "de"),
        ("xx-invalid", ""),
        ("english", ""),
        ("i-klingon", ""),
        ("日本語", ""),
        ("x" * 40, ""),
        ("", ""),
    ],
)
def test_the_tag_of_a_language(written: str, tag: str) -> None:
    assert language_tag(written) == tag
    assert language_tag(tag) == tag


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT"),
        ("fr;q=0.5, ar , en;q=0.7", "ar"),
        ("ja, pt;q=0.9, de ; Q=0.2", "de"),
        ("de;q=0, ru;q=0.1", "ru"),
        ("*;q=0.5", "es"),
        ("", "es"),
        ("de;q=ten,;;,=,\udcff,ru;q=9", "es"),
        ("x" * 100_000 + ",de", "es"),
        ("ja," * 100_000 + "de", "es"),
    ],
)
def test_the_language_that_a_browser_asks_for(header: str, locale: str) -> None:
    assert accepted(header, "es", "de", among={"ar", "de", "en", "es", "fr", "ru"}) == locale
