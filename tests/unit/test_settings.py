"""The operator's file and environment: what is taken, and the sentence for what is not."""

import json
import re
import typing
from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy.engine import make_url

from publisher.core.addresses import parse_mailbox
from publisher.core.model import Cadence, Newsletter, Site
from publisher.core.relay import Relay, parse_relay
from publisher.errors import ConfigurationError
from publisher.kit import resources
from publisher.settings import Settings, load

SITE = '[site]\ntitle = "Example News"\nurl = "https://news.example"\n'
DAILY = SITE + '[[newsletters]]\nslug = "daily"\ntitle = "The Daily"\n'
RELAY = SITE + "[[mail.relays]]\n"
SOURCE = SITE + '[[sources]]\nkind = "folder"\n'

Loader = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Loader:
    def read(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        file = tmp_path / "config" / "publisher.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        return load(file, environ or {})

    return read


def refusal(read: Loader, text: str, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text, environ)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_the_site_alone_is_enough(read: Loader, tmp_path: Path) -> None:
    settings = read(SITE)
    assert settings.site_facts() == Site(title="Example News", url="https://news.example")
    assert (settings.feeds.directory, settings.feeds.entries) == ("feeds", 50)
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8080)
    assert (settings.mail.templates, settings.mail.batch) == ("templates/email", 50)
    assert settings.mail.keep_days == 90
    assert (settings.relays, settings.newsletter_facts(), settings.sources) == ((), (), ())
    assert settings.secret is None
    assert settings.var == tmp_path / "var"


def test_a_newsletter_takes_from_the_site_what_it_leaves_open(read: Loader) -> None:
    site = SITE + 'zone = "Europe/Berlin"\nlanguage = "de"\n'
    text = site + '[[newsletters]]\nslug = "daily"\ntitle = "The Daily"\n'
    assert read(text).newsletter_facts() == (
        Newsletter(
            slug="daily",
            title="The Daily",
            cadences=(Cadence.DAILY, Cadence.WEEKLY),
            zone="Europe/Berlin",
            language="de",
            sender="Example News <news@news.example>",
            list_id="daily.news.example",
        ),
    )


def test_a_newsletter_says_everything_itself(read: Loader) -> None:
    own = """
formerly = ["morning", "dawn"]
categories = ["russia", "новости"]
cadences = ["immediate", "weekly"]
at = "23:59"
weekday = "sun"
zone = "America/New_York"
language = "pt-BR"
template = "short"
sender = "The Daily <daily@news.example>"
reply_to = "desk@news.example"
list_id = "old.news.example"
max_articles = 5
window = 0
send_when_empty = true
repeats = true
"""
    assert read(DAILY + own).newsletter_facts() == (
        Newsletter(
            slug="daily",
            title="The Daily",
            formerly=("morning", "dawn"),
            categories=("russia", "новости"),
            cadences=(Cadence.IMMEDIATE, Cadence.WEEKLY),
            at=time(23, 59),
            weekday=6,
            zone="America/New_York",
            language="pt-BR",
            template="short",
            sender="The Daily <daily@news.example>",
            reply_to="desk@news.example",
            list_id="old.news.example",
            max_articles=5,
            window=0,
            send_when_empty=True,
            repeats=True,
        ),
    )


@pytest.mark.parametrize(
    ("url", "title", "address", "list_id"),
    [
        ("https://news.example/en/", "A", "news@news.example", "daily.news.example"),
        ("http://127.0.0.1:8080", "A <3", "news@news.example", "daily.localhost"),
        ("http://[::1]:80", "A", "news@news.example", "daily.localhost"),
        ("http://localhost", '"A", B', "news@news.example", "daily.localhost"),
        ("https://news.test", "A", "news@news.example", "daily.news.test"),
        ("https://x.новости.example", "A", "news@x.xn--b1amnebsh.example", None),
    ],
)
def test_a_sender_and_a_list_id_are_always_usable(
    read: Loader, url: str, title: str, address: str, list_id: str | None
) -> None:
    environ = {"PUBLISHER_SITE__URL": url, "PUBLISHER_SITE__TITLE": title}
    (daily,) = read(DAILY, environ).newsletter_facts()
    assert parse_mailbox(daily.sender)[1] == address
    assert daily.list_id == (list_id or "daily." + address.partition("@")[2])


def test_a_newsletter_uses_the_common_sender(read: Loader) -> None:
    (daily,) = read(DAILY + '[mail]\nsender = "Desk <desk@news.example>"\n').newsletter_facts()
    assert daily.sender == "Desk <desk@news.example>"


# What is wrong, as written below [site], and the sentence without the file's name.
WRONG = [
    (
        SITE + "[feeds]\nentires = 3",
        "feeds.entires: there is no such key; did you mean entries?",
    ),
    (
        SITE + "[newsleter]\nslug = 'x'",
        "newsleter: there is no such key; did you mean newsletters?",
    ),
    (
        '[site]\ntitel = "A"\nurl = "https://news.example"',
        "site.titel: there is no such key; did you mean title?",
    ),
    (
        RELAY + 'url = "smtp://mail.example"\nx9 = "hunter2"',
        "mail.relays[0].x9: there is no such key; known are url",
    ),
    (
        DAILY + "weekdy = 'mon'",
        "newsletters[0].weekdy: there is no such key; did you mean weekday?",
    ),
    ('[site]\nurl = "https://news.example"', "site.title is missing"),
    ("", "site is missing"),
    ('site = "A"', "site must be a table"),
    ('[site]\ntitle = 5\nurl = "https://a.example"', "site.title: 5 is not text in quotes"),
    (SITE + 'zone = "Europe/Berln"', "site.zone: 'Europe/Berln' is not a time zone"),
    (SITE + 'zone = "../../etc/passwd"', "site.zone: '../../etc/passwd' is not a time zone"),
    (SITE + 'zone = "/etc/localtime"', "site.zone: '/etc/localtime' is not a time zone"),
    (SITE + 'zone = "localtime"', "site.zone: 'localtime' is not a time zone"),
    (SITE + 'zone = "Europe"', "site.zone: 'Europe' is not a time zone"),
    (SITE + 'zone = ""', "site.zone: '' is not a time zone"),
    (SITE + 'language = "English!"', "site.language: 'English!' is not a language"),
    (SITE + 'contact = "editor"', "site.contact: 'editor' is not a mail address"),
    (SITE + "max_age_days = -1", "site.max_age_days: -1 is not a whole number from 0 to 36500"),
    (SITE + "[web]\nport = 65536", "web.port: 65536 is not a whole number from 0 to 65535"),
    (SITE + "[web]\nport = true", "web.port: true is not a whole number from 0 to 65535"),
    (SITE + "[web]\nport = 80.5", "web.port: 80.5 is not a whole number from 0 to 65535"),
    (SITE + "[feeds]\nentries = 0", "feeds.entries: 0 is not a whole number from 1 to 1000"),
    (SITE + "[mail]\nkeep_days = 0", "mail.keep_days: 0 is not a whole number from 1 to 36500"),
    (SITE + "[feeds]\nentries = [1]", "feeds.entries: a list is not a whole number from 1 to 1000"),
    (SITE + '[mail]\nsender = "News"', "mail.sender: 'News' is not a mail address"),
    (
        SITE + '[mail]\nsender = "A <a@b.example>\\nBcc: c@d.example"',
        "mail.sender: 'A <a@b.example>\\nBcc: c@d.example' is not one line of text",
    ),
    (DAILY + 'zone = "Europe/Berln"', "newsletters[0].zone: 'Europe/Berln' is not a time zone"),
    (DAILY + 'at = "7 am"', "newsletters[0].at: a time of day is written like 07:00 or 18:30, not"),
    (DAILY + 'at = "24:00"', "newsletters[0].at: a time of day is written like"),
    (
        DAILY + "at = 07:00:00",
        'newsletters[0].at: a time of day is written like "07:00", in quotes, not',
    ),
    (DAILY + 'weekday = "Monday"', "newsletters[0].weekday: 'Monday' is not a weekday (mon, tue"),
    (DAILY + 'cadences = ["hourly"]', "newsletters[0].cadences[0]: 'hourly' is not a cadence (da"),
    (DAILY + "cadences = []", "newsletters[0].cadences: the list is empty"),
    (DAILY + 'cadences = ["daily", "daily"]', "newsletters[0].cadences: 'daily' is given twice"),
    (DAILY + "categories = []", "newsletters[0].categories: the list is empty"),
    (DAILY + 'categories = "all"', "newsletters[0].categories must be a list"),
    (
        DAILY + 'categories = ["A B"]',
        "newsletters[0].categories[0]: 'A B' is not a category's slug; did you mean 'a-b'?",
    ),
    (DAILY + "max_articles = 0", "newsletters[0].max_articles: 0 is not a whole number from 1 to"),
    (DAILY + 'template = "../x"', "newsletters[0].template: '../x' is not a template's name"),
    (DAILY + 'list_id = "a b"', "newsletters[0].list_id: 'a b' is not a list id"),
    (
        DAILY + "send_when_empty = 'maybe'",
        "newsletters[0].send_when_empty: 'maybe' is not true or f",
    ),
    (DAILY + DAILY.removeprefix(SITE), "newsletters: 'daily' is given twice"),
    (DAILY + 'formerly = "morning"', "newsletters[0].formerly must be a list"),
    (DAILY + 'formerly = ["a b"]', "newsletters[0].formerly[0]: 'a b' is not a slug"),
    (
        DAILY + 'formerly = ["daily"]',
        "newsletters: formerly of 'daily' names 'daily', which is the slug of a newsletter here",
    ),
    (
        DAILY + 'formerly = ["weekly"]\n[[newsletters]]\nslug = "weekly"\ntitle = "W"',
        "newsletters: formerly of 'daily' names 'weekly', which is the slug of a newsletter here",
    ),
    (
        DAILY + 'formerly = ["a"]\n[[newsletters]]\nslug = "b"\ntitle = "B"\nformerly = ["a"]',
        "newsletters: formerly of 'b' names 'a', which 'daily' names already",
    ),
    (
        SITE + '[[newsletters]]\nslug = "a/b"\ntitle = "A"',
        "newsletters[0].slug: 'a/b' is not a slug (letters a-z",
    ),
    (SITE + '[newsletters]\nslug = "a"', "newsletters must be a list"),
    (
        SITE + '[[sources]]\nkind = "rss"\npath = "a"',
        "sources[0].kind: 'rss' is not 'folder', 'archive-page' or",
    ),
    (SOURCE, "sources[0].path is missing"),
    (SOURCE + 'path = ""', "sources[0].path: '' is not one line of text"),
    (SOURCE + 'path = "a"\nurl = "a.html"', "sources[0].url: 'a.html' is not an address like"),
    (
        SOURCE + 'path = "a"\n[[sources]]\nkind = "archive-page"\npath = "b/../a"',
        "sources[1].path: 'b/../a' is the path of sources[0] already",
    ),
    (SOURCE + 'path = "."', "sources[0].path: '.' and feeds.directory 'feeds' lie in one another"),
    (SITE + '[mail]\nrelays = "smtp://u:hunter2@h"', "mail.relays must be a list"),
    (SITE + '[mail]\nrelays = ["smtp://u:hunter2@h"]', "mail.relays[0] must be a table"),
    (SITE + '[database]\nurl = "mysql://a:hunter2@b/c"', "database.url: must be like sqlite:///"),
    (SITE + '[database]\nurl = "sqlite://"', "database.url: must be like sqlite:///"),
    (SITE + '[database]\nurl = "hunter2"', "database.url: must be like sqlite:///"),
    (SITE + '[database]\nurl = ["hunter2"]', "database.url: a list is not text in quotes"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_a_wrong_key_or_value_is_named_with_its_file(
    read: Loader, tmp_path: Path, text: str, expected: str
) -> None:
    sentence = refusal(read, text)
    assert sentence.startswith(f"{tmp_path}/config/publisher.toml: {expected}")
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://news.example/", "https://news.example"),
        ("HTTPS://News.Example:8443/en//", "https://news.example:8443/en"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        (
            "https://новости.example/лента",
            "https://xn--b1amnebsh.example/%D0%BB%D0%B5%D0%BD%D1%82%D0%B0",
        ),
    ],
)
def test_the_sites_address_is_kept_in_one_form(read: Loader, url: str, kept: str) -> None:
    assert read(SITE, {"PUBLISHER_SITE__URL": url}).site.url == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "news.example",
        "ftp://news.example",
        "https://",
        "https:///x",
        "https://a b.example",
        "https://news.example/?a=b",
        "https://news.example/?",
        "https://news.example/#x",
        "https://user:hunter2@news.example",
        "https://news.example:x",
        "https://a..example",
        "javascript://news.example",
        "https://news.example\\@evil.example",
        "https://[::1",
    ],
)
def test_no_other_address_is_a_site(read: Loader, url: str) -> None:
    sentence = refusal(read, SITE, {"PUBLISHER_SITE__URL": url})
    assert sentence.startswith("PUBLISHER_SITE__URL: site.url: ")
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[site]\ntitle = Example\n", "line 2, column 9: not TOML: Invalid value"),
        (b"[site\n", "line 1, column 6: not TOML: "),
        (b"[site]\n[site]\n", "line 2, column 6: not TOML: "),
        (b'[site]\ntitle = "\xff"\n', "line 2: not UTF-8 text"),
        (b'[site]\ntitle = "', "end of document: not TOML: "),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: bytes, expected: str) -> None:
    file = tmp_path / "publisher.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigurationError, match=re.escape(f"{file}, {expected}")):
        load(file, {})


def test_an_editors_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "publisher.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SITE.replace("\n", "\r\n").encode())
    assert load(file, {}).site.title == "Example News"


def test_the_file_is_the_named_one_else_the_variables_else_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.toml", "b.toml", "config/publisher.toml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(SITE.replace("Example", name))
    environ = {"PUBLISHER_CONFIG": "b.toml"}
    assert load(Path("a.toml"), environ).site.title == "a.toml News"
    assert load(None, environ).site.title == "b.toml News"
    assert load(None, {}).site.title == "config/publisher.toml News"


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    site = {"PUBLISHER_SITE__TITLE": "A", "PUBLISHER_SITE__URL": "https://a.example"}
    with pytest.raises(ConfigurationError, match=r"no\.toml: there is no such configuration file"):
        load(Path("no.toml"), site)
    with pytest.raises(ConfigurationError, match=r"no\.toml: there is no such configuration file"):
        load(None, {"PUBLISHER_CONFIG": "no.toml", **site})
    with pytest.raises(ConfigurationError, match="`publisher init`"):
        load(None, {})
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    settings = load(None, site)
    assert (settings.site.title, settings.base) == ("A", tmp_path)
    with pytest.raises(ConfigurationError, match=r"the environment: site\.url is missing"):
        load(None, {"PUBLISHER_SITE__TITLE": "A"})


def test_the_environment_wins_key_by_key(read: Loader) -> None:
    text = DAILY + '[web]\nport = 1\nhost = "0.0.0.0"\n'
    settings = read(
        text,
        {
            "PUBLISHER_WEB__PORT": "9000",
            "PUBLISHER_SITE__TITLE": "123",
            "PUBLISHER_FEEDS__ENTRIES": "7",
            "PUBLISHER_NEWSLETTERS": json.dumps([{"slug": "w", "title": "W", "at": "06:30"}]),
            "PUBLISHER_MAIL": json.dumps({"batch": 3}),
            "PUBLISHER_MAIL__RELAYS": '[{"url": "smtp://127.0.0.1:2525"}]',
            "HOME": "/home/anna",
        },
    )
    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 9000)
    assert settings.site.title == "123"
    assert settings.feeds.entries == 7
    assert [(n.slug, n.at) for n in settings.newsletters] == [("w", time(6, 30))]
    assert settings.mail.batch == 3
    assert settings.relays == (Relay(host="127.0.0.1", port=2525, tls="none"),)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "PUBLISHER_WEB__PROT",
            "1",
            "PUBLISHER_WEB__PROT: there is no such variable; did you mean PUBLISHER_WEB__PORT?",
        ),
        ("PUBLISHER_WEB_PORT", "1", "PUBLISHER_WEB_PORT: there is no such variable; did you mean"),
        ("PUBLISHER_web__port", "1", "PUBLISHER_web__port: there is no such variable"),
        ("PUBLISHER_SECRETS", "hunter2", "PUBLISHER_SECRETS: there is no such variable; did you"),
        ("PUBLISHER_BASE", "/", "PUBLISHER_BASE: there is no such variable"),
        ("PUBLISHER_WEB__PORT", "x", "PUBLISHER_WEB__PORT: web.port: 'x' is not a whole number"),
        ("PUBLISHER_WEB__PORT", "", "PUBLISHER_WEB__PORT: web.port: '' is not a whole number"),
        ("PUBLISHER_WEB", "80", "PUBLISHER_WEB: web must be a table"),
        ("PUBLISHER_WEB", "{hunter2", "PUBLISHER_WEB: not JSON: Expecting property name"),
        ("PUBLISHER_MAIL__RELAYS", "smtp://u:hunter2@h", "PUBLISHER_MAIL__RELAYS: not JSON: "),
        (
            "PUBLISHER_MAIL__RELAYS",
            '["smtp://u:hunter2@h"]',
            "PUBLISHER_MAIL__RELAYS: mail.relays[0] must be a table",
        ),
        (
            "PUBLISHER_NEWSLETTERS",
            '[{"slug": "a", "title": "A", "zone": "Mars/Base"}]',
            "PUBLISHER_NEWSLETTERS: newsletters[0].zone: 'Mars/Base' is not a time zone",
        ),
    ],
)
def test_a_wrong_variable_is_named(read: Loader, name: str, value: str, expected: str) -> None:
    sentence = refusal(read, SITE, {name: value})
    assert sentence.startswith(expected)
    assert "hunter2" not in sentence


def test_the_process_own_environment_is_not_read(
    read: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISHER_SITE__TITLE", "Elsewhere")
    assert read(SITE).site.title == "Example News"


@pytest.mark.parametrize(
    ("file", "base"),
    [("config/publisher.toml", "."), ("etc/my.toml", "etc"), ("config/x/p.toml", "config/x")],
)
def test_paths_start_at_the_folder_that_holds_config(
    tmp_path: Path, file: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(SITE)
    for folder, name in ((tmp_path, Path(file)), ((tmp_path / file).parent, Path(Path(file).name))):
        monkeypatch.chdir(folder)
        settings = load(name, {})
        assert settings.base == tmp_path / base
        assert settings.path("articles") == tmp_path / base / "articles"
        assert settings.path("/srv/articles") == Path("/srv/articles")


def test_a_configuration_mounted_as_a_link_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "publisher.toml").write_text(SITE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "publisher.toml").symlink_to(tmp_path / "..data" / "publisher.toml")
    assert load(tmp_path / "config" / "publisher.toml", {}).base == tmp_path


def test_the_database_lies_below_the_base_whatever_that_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20?#ü" / "config"
    folder.mkdir(parents=True)
    (folder / "publisher.toml").write_text(SITE)
    url = make_url(load(folder / "publisher.toml", {}).database_url())
    assert url.drivername == "sqlite"
    assert url.database == str(folder.parent / "var" / "publisher.db")


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("sqlite:////srv/p.db", "sqlite:////srv/p.db"),
        ("postgresql://u:p%40ss@db/news", "postgresql+psycopg://u:p%40ss@db/news"),
        ("postgres://db/news?sslmode=require", "postgresql+psycopg://db/news?sslmode=require"),
        ("postgresql+psycopg:///news", "postgresql+psycopg:///news"),
    ],
)
def test_the_database_address_is_sqlalchemys(read: Loader, written: str, used: str) -> None:
    settings = read(SITE, {"PUBLISHER_DATABASE__URL": written})
    assert settings.database_url() == used
    assert written not in repr(settings)


@pytest.mark.parametrize(
    ("url", "relay", "name"),
    [
        ("smtp://mx.example", Relay(host="mx.example", port=25), "smtp://mx.example:25"),
        ("smtps://mx.example/", Relay(host="mx.example", port=465, tls="implicit"), "smtps://mx.example:465"),
        ("SMTP://MX.Example:587", Relay(host="mx.example", port=587), "smtp://mx.example:587"),
        (
            "smtp://anna%40news.example:p%3A%2F%25%40%20s@mx.example:587",
            Relay(host="mx.example", port=587, username="anna@news.example", password="p:/%@ s"),
            "smtp://mx.example:587",
        ),
        ("smtp://mx.example?starttls=never", Relay(host="mx.example", port=25, tls="none"), "smtp://mx.example:25"),
        ("smtp://127.0.0.1:2525", Relay(host="127.0.0.1", port=2525, tls="none"), "smtp://127.0.0.1:2525"),
        ("smtp://localhost", Relay(host="localhost", port=25, tls="none"), "smtp://localhost:25"),
        ("smtp://[::1]:26", Relay(host="::1", port=26, tls="none"), "smtp://[::1]:26"),
        ("smtp://localhost.evil.example", Relay(host="localhost.evil.example", port=25), "smtp://localhost.evil.example:25"),
        ("smtp://10.0.0.1", Relay(host="10.0.0.1", port=25), "smtp://10.0.0.1:25"),
    ],
)  # fmt: skip
def test_a_relay_is_read_from_its_address(read: Loader, url: str, relay: Relay, name: str) -> None:
    settings = read(RELAY + f'url = "{url}"')
    assert settings.relays == (relay,)
    assert settings.relays[0].name == name


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "hunter2@mx.example",
        "http://u:hunter2@mx.example",
        "smtp://",
        "smtp://u:hunter2@",
        "smtp://u:hunter2",
        "smtp://u:hunter2@mx.example:99999",
        "smtp://u:hunter2@mx.example:0",
        "smtp://u:hun/hunter2@mx.example",
        "smtp://u:hun#hunter2@mx.example",
        "smtp://u:hun?hunter2@mx.example",
        "smtp://u:hun@hunter2@mx.example",
        "smtp://:hunter2@mx.example",
        "smtp://hunter2@mx.example",
        "smtp://u:hunter2%ff@mx.example",
        "smtp://u:hunter2%0aQUIT@mx.example",
        "smtp://u:hunter2@mx example",
        "smtp://u:hunter2@mx.example?starttls=no",
        "smtp://u:hunter2@mx.example?tls=never",
        "smtps://u:hunter2@mx.example?starttls=never",
        "smtp://u:hunter2@[::1",
        "smtp://u:hunter2@a_,b",
        "smtp://u:hunter2@mx.example/queue",
        "smtp://u:hunter2\u2100@h",
    ],
)
def test_a_wrong_relay_is_refused_without_its_password(read: Loader, url: str) -> None:
    sentence = refusal(read, RELAY + f'url = "{url}"')
    assert "mail.relays[0].url: " in sentence
    assert "hunter2" not in sentence


@given(st.text())
def test_no_text_breaks_the_reading_of_a_relay(url: str) -> None:
    for text in (url, f"smtp://{url}", f"smtp://u:{url}@mx.example"):
        try:
            relay = parse_relay(text)
        except ValueError as error:
            assert type(error) is ValueError  # noqa: PT017
        else:
            assert 1 <= relay.port <= 65535
            assert relay.host


def test_no_repr_shows_a_password(read: Loader) -> None:
    settings = read(
        RELAY + 'url = "smtp://anna:hunter2@mx.example"\n',
        {"PUBLISHER_DATABASE__URL": "postgresql://u:hunter2@db/x", "PUBLISHER_SECRET": "hunter2"},
    )
    shown = f"{settings!r} {settings} {settings.relays} {settings.model_dump()}"
    assert "hunter2" not in shown
    assert settings.relays[0].password == "hunter2"
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "hunter2"


def test_settings_cannot_be_changed(read: Loader) -> None:
    settings = read(SITE)
    with pytest.raises(ValueError, match="frozen"):
        settings.site.title = "Other"
    with pytest.raises(ValueError, match="frozen"):
        settings.web = settings.web


def keys(table: type[BaseModel] = Settings) -> list[str]:
    found: list[str] = []
    for name, field in table.model_fields.items():
        inner = (typing.get_args(field.annotation) or (field.annotation,))[0]
        is_table = isinstance(inner, type) and issubclass(inner, BaseModel)
        found += keys(inner) if is_table else [name]
    return found


def sample() -> str:
    return (resources.folder("config") / "publisher.toml").read_text("utf-8")


def test_the_sample_works_as_it_is_and_can_mail_nobody(read: Loader, tmp_path: Path) -> None:
    settings = read(sample())
    assert settings.site.url == "http://127.0.0.1:8080"
    assert [(s.kind, s.path) for s in settings.sources] == [("folder", "articles")]
    assert [n.slug for n in settings.newsletter_facts()] == ["daily"]
    assert settings.relays == ()


def test_every_example_in_the_sample_works_and_defaults_are_the_true_ones(read: Loader) -> None:
    full = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", sample())
    settings = read(full)
    assert settings.relays[0].name == "smtp://mail.news.example:587"
    assert sorted(set(keys())) == sorted(set(re.findall(r"(?m)^([a-z_]+) = ", full)))
    bare = read(sample())
    assert (settings.feeds, settings.web, settings.database) == (
        bare.feeds,
        bare.web,
        bare.database,
    )
    apart = {"zone", "sender", "reply_to", "list_id", "language"}
    assert [n.model_dump(exclude=apart) for n in settings.newsletters] == [
        n.model_dump(exclude=apart) for n in bare.newsletters
    ]


def test_every_key_is_explained() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    rows = re.findall(r"(?m)^\| `([a-z_]+)` \|", page.read_text("utf-8"))
    assert sorted(rows) == sorted(keys())


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("[]", ("https://news.example",)),
        ('["https://img.example"]', ("https://news.example", "https://img.example")),
        ('["*"]', ("https:", "http:")),
    ],
)
def test_pages_load_from_the_site_alone_unless_more_is_allowed(
    read: Loader, given: str, allowed: tuple[str, ...]
) -> None:
    text = f'[site]\ntitle = "N"\nurl = "https://news.example/paper"\n[web]\nmedia_from = {given}\n'
    assert read(text).media_from == allowed


def test_where_pages_load_from_is_an_origin(read: Loader) -> None:
    text = '[site]\ntitle = "N"\nurl = "https://n.example"\n[web]\nmedia_from = ["https://i.example/a"]\n'
    assert "media_from" in refusal(read, text)


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ([], ()),
        (["https://hub.example/"], ("https://hub.example/",)),
        (["https://HUB.example"], ("https://hub.example/",)),
        (["http://127.0.0.1:8080/hub"], ("http://127.0.0.1:8080/hub",)),
        (["https://blog.example/?pushpress=hub"], ("https://blog.example/?pushpress=hub",)),
        (["https://blog.example?x=a"], ("https://blog.example/?x=a",)),
        (
            ["https://a.example/", "https://b.example/x"],
            ("https://a.example/", "https://b.example/x"),
        ),
    ],
)
def test_hubs_are_addresses(read: Loader, written: list[str], used: tuple[str, ...]) -> None:
    assert read(f"{SITE}[feeds]\nhubs = {json.dumps(written)}\n").feeds.hubs == used


@pytest.mark.parametrize(
    ("hub", "sentence"),
    [
        ("", "'' is not the address of a hub"),
        ("hub.example", "'hub.example' is not the address of a hub"),
        ("ftp://hub.example/", "'ftp://hub.example/' is not the address of a hub"),
        ("https:///x", "'https:///x' is not the address of a hub"),
        ("https://hub.example/#x", "'https://hub.example/#x' is not the address of a hub"),
        ("https://hub.example/?a=b#x", "is not the address of a hub"),
        ("https://hub.example/?a b", "is not the address of a hub"),
        ("https://hub.example/a\\b", "is not the address of a hub"),
        ("https://me:hush@hub.example/", "'https://…@hub.example/' is not the address of a hub"),
    ],
)
def test_what_is_no_hub_is_named(read: Loader, hub: str, sentence: str) -> None:
    said = refusal(read, f"{SITE}[feeds]\nhubs = [{json.dumps(hub)}]\n")
    assert "feeds.hubs[0]: " in said
    assert sentence in said
    assert "like 'https://hub.example/'" in said
    assert "hush" not in said


def test_a_hub_is_given_once(read: Loader) -> None:
    hubs = '["https://hub.example", "https://HUB.example/"]'
    said = refusal(read, f"{SITE}[feeds]\nhubs = {hubs}\n")
    assert "feeds.hubs: 'https://hub.example/' is given twice" in said
    said = refusal(read, f'{SITE}[feeds]\nhubs = "https://hub.example"\n')
    assert "feeds.hubs must be a list" in said


def test_hubs_from_the_environment(read: Loader) -> None:
    environ = {"PUBLISHER_FEEDS__HUBS": '["https://hub.example/"]'}
    assert read(SITE, environ).feeds.hubs == ("https://hub.example/",)
