"""The configuration: `config/publisher.toml` and PUBLISHER_… variables as one frozen value.

Nothing else in the program reads the environment.
"""

import os
import re
from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url

from publisher.core import checks, model
from publisher.core.relay import Relay, parse_relay
from publisher.errors import ConfigurationError
from publisher.settings_input import (
    CONFIG,
    PREFIX,
    SECRET,
    Tables,
    from_environment,
    from_file,
    sentence,
)

DEFAULT = Path("config/publisher.toml")
_SHORTEST_TOKEN = 16
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def _number(low: int, high: int) -> BeforeValidator:
    return BeforeValidator(lambda value: checks.whole(value, low, high))


def _or_empty(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: value and check(value))


def _relay(value: SecretStr) -> SecretStr:
    parse_relay(value.get_secret_value())
    return value


def _database(value: SecretStr) -> SecretStr:
    wrong = ValueError("must be like sqlite:///var/publisher.db or postgresql://user:password@host")
    try:
        url = make_url(value.get_secret_value())
    except Exception:  # whatever it raises repeats parts of the address, which may be a password
        raise wrong from None
    # `make_url` takes what follows an @ in a password for the host, which is no secret.
    if "@" in (url.host or ""):
        raise ValueError("must have an @ in user or password written as %40")
    in_a_file = bool(url.database) and url.database != ":memory:" and not url.host
    if url.drivername not in _DRIVERS or (url.drivername == "sqlite" and not in_a_file):
        raise wrong
    return value


def _token(value: SecretStr) -> SecretStr:
    if 0 < len(value.get_secret_value()) < _SHORTEST_TOKEN:
        raise ValueError(f"has fewer than {_SHORTEST_TOKEN} characters")
    return value


Kind = Literal["folder", "archive-page", "wordpress"]
Line = Annotated[str, AfterValidator(checks.line)]
Language = Annotated[str, AfterValidator(checks.language)]
Zone = Annotated[str, AfterValidator(checks.zone)]
Mailbox = Annotated[str, _or_empty(checks.mailbox)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Site(_Table):
    title: Line
    url: Annotated[str, AfterValidator(checks.base_url)]
    language: Language = "en"
    zone: Zone = "UTC"
    contact: Annotated[str, _or_empty(checks.address)] = ""
    default_category: Line = "news"
    max_age_days: Annotated[int, _number(0, 36_500)] = 14


class Database(_Table):
    url: Annotated[SecretStr, AfterValidator(_database)] = SecretStr("sqlite:///var/publisher.db")


class Feeds(_Table):
    directory: Line = "feeds"
    entries: Annotated[int, _number(1, 1000)] = 50
    hubs: Annotated[
        tuple[Annotated[str, AfterValidator(checks.hub)], ...], AfterValidator(checks.each_once)
    ] = ()


class Web(_Table):
    host: Line = "127.0.0.1"
    port: Annotated[int, _number(0, 65_535)] = 8080
    media_from: tuple[Annotated[str, AfterValidator(checks.origin)], ...] = ()
    proxies: tuple[Annotated[str, AfterValidator(checks.network)], ...] = ("127.0.0.1", "::1")
    api_token: Annotated[SecretStr, AfterValidator(_token)] = SecretStr("")


class RelayAddress(_Table):
    url: Annotated[SecretStr, AfterValidator(_relay)]


class Mail(_Table):
    sender: Mailbox = ""
    templates: Line = "templates/email"
    batch: Annotated[int, _number(1, 500)] = 50
    after_crash: Literal["resend", "hold"] = "resend"
    keep_days: Annotated[int, _number(1, 36_500)] = 90
    relays: tuple[RelayAddress, ...] = ()


class Source(_Table):
    kind: Kind
    path: Line
    category: Annotated[str, _or_empty(checks.line)] = ""
    url: Annotated[str, _or_empty(checks.web_url)] = ""


class Newsletter(_Table):
    slug: Annotated[str, AfterValidator(checks.slug)]
    title: Line
    formerly: tuple[Annotated[str, AfterValidator(checks.slug)], ...] = ()
    categories: Annotated[
        tuple[Annotated[str, AfterValidator(checks.category)], ...], AfterValidator(checks.some)
    ] = (model.EVERYTHING,)
    cadences: Annotated[
        tuple[Annotated[model.Cadence, BeforeValidator(checks.cadence)], ...],
        AfterValidator(checks.some),
    ] = (model.Cadence.DAILY, model.Cadence.WEEKLY)
    at: Annotated[time, BeforeValidator(checks.time_of_day)] = time(7)
    weekday: Annotated[int, BeforeValidator(checks.weekday)] = 0
    zone: Annotated[str, _or_empty(checks.zone)] = ""
    language: Annotated[str, _or_empty(checks.language)] = ""
    template: Annotated[str, AfterValidator(checks.template)] = "digest"
    sender: Mailbox = ""
    reply_to: Mailbox = ""
    list_id: Annotated[str, _or_empty(checks.list_id)] = ""
    max_articles: Annotated[int, _number(1, 10_000)] = 30
    window: Annotated[int, _number(0, 86_400)] = 120
    send_when_empty: bool = False
    repeats: bool = False


class Category(_Table):
    slug: Annotated[str, AfterValidator(checks.category_slug)]
    title: Line
    description: Annotated[str, _or_empty(checks.line)] = ""
    language: Annotated[str, _or_empty(checks.language)] = ""
    parent: Annotated[str, _or_empty(checks.category_slug)] = ""
    formerly: tuple[Annotated[str, AfterValidator(checks.category_slug)], ...] = ()
    retired: bool = False


class Settings(BaseSettings):
    """All keys of `docs/configuration.md`, by the same names; made by `load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
    )

    site: Site
    database: Database = Database()
    feeds: Feeds = Feeds()
    web: Web = Web()
    mail: Mail = Mail()
    sources: tuple[Source, ...] = ()
    categories: tuple[Category, ...] = ()
    newsletters: tuple[Newsletter, ...] = ()

    _base: Path = PrivateAttr(default=Path())
    _secret: SecretStr | None = PrivateAttr(default=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` reads file and environment itself: pydantic-settings passes over a missing file
        # and a misspelt variable without a word.
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("newsletters")
    @classmethod
    def _newsletters_differ(cls, newsletters: tuple[Newsletter, ...]) -> tuple[Newsletter, ...]:
        """Each slug stands once, whether a newsletter has it or had it."""
        checks.each_once(tuple(each.slug for each in newsletters))
        taken = {each.slug: "is the slug of a newsletter here" for each in newsletters}
        for each in newsletters:
            for former in each.formerly:
                if former in taken:
                    raise ValueError(
                        f"formerly of {each.slug!r} names {former!r}, which {taken[former]}"
                    )
                taken[former] = f"{each.slug!r} names already"
        return newsletters

    @field_validator("categories")
    @classmethod
    def _categories_differ(cls, categories: tuple[Category, ...]) -> tuple[Category, ...]:
        """Each slug stands once, whether a category has it or had it."""
        slugs = [slug for each in categories for slug in (each.slug, *each.formerly)]
        checks.each_once(tuple(slugs))
        return categories

    @property
    def base(self) -> Path:
        """The folder that relative paths start at: the one that holds `config/`."""
        return self._base

    @property
    def var(self) -> Path:
        """Where the program keeps its own files: database, keys, locks."""
        return self._base / "var"

    @property
    def secret(self) -> SecretStr | None:
        """PUBLISHER_SECRET, which stands in for the signing keys in `var/secret.key`."""
        return self._secret

    @property
    def media_from(self) -> tuple[str, ...]:
        """Origins that pages may load from."""
        parts = urlsplit(self.site.url)
        own = f"{parts.scheme}://{parts.netloc}"
        everywhere = ("https:", "http:")
        return everywhere if "*" in self.web.media_from else (own, *self.web.media_from)

    def path(self, written: str) -> Path:
        """The path that `written` in the configuration means."""
        return self._base / written

    def database_url(self) -> str:
        """For SQLAlchemy, password included: never to be logged."""
        url = make_url(self.database.url.get_secret_value())
        if url.drivername == "sqlite":
            url = url.set(database=str(self.path(url.database or "")))
        return url.set(drivername=_DRIVERS[url.drivername]).render_as_string(hide_password=False)

    @property
    def relays(self) -> tuple[Relay, ...]:
        return tuple(parse_relay(relay.url.get_secret_value()) for relay in self.mail.relays)

    def site_facts(self) -> model.Site:
        return model.Site(**self.site.model_dump())

    def category_facts(self) -> tuple[model.ConfiguredCategory, ...]:
        return tuple(
            model.ConfiguredCategory(
                **each.model_dump(exclude={"parent"}), parent=each.parent or None
            )
            for each in self.categories
        )

    def newsletter_facts(self) -> tuple[model.Newsletter, ...]:
        """Every newsletter with what it leaves open filled in from `[site]` and `[mail]`."""
        domain = checks.domain_of(self.site.url) or "localhost"
        now = {former: each.slug for each in self.categories for former in each.formerly}
        return tuple(
            model.Newsletter(
                **newsletter.model_dump(
                    exclude={"categories", "zone", "language", "sender", "list_id"}
                ),
                categories=tuple(
                    dict.fromkeys(now.get(each, each) for each in newsletter.categories)
                ),
                zone=newsletter.zone or self.site.zone,
                language=newsletter.language or self.site.language,
                sender=newsletter.sender or self.mail.sender or self._default_sender(),
                list_id=newsletter.list_id or f"{newsletter.slug}.{domain}",
            )
            for newsletter in self.newsletters
        )

    def notice_sender(self) -> str:
        """Whom mails come from that are of no newsletter."""
        of_one = (each.sender for each in self.newsletters if each.sender)
        return self.mail.sender or next(of_one, "") or self._default_sender()

    def _default_sender(self) -> str:
        name = re.sub("[<>]", "", self.site.title)
        try:
            return checks.mailbox(f"{name} <news@{checks.domain_of(self.site.url)}>")
        except ValueError:  # an IP address, `localhost`: a reserved domain, which reaches nobody
            return f"{name} <news@news.example>"


def load(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings from the file `config` (else PUBLISHER_CONFIG, else `config/publisher.toml`
    in the current folder) and from the PUBLISHER_… variables in `environ`, which win.

    Raises ConfigurationError: one sentence with the file or variable, the key, and what is
    allowed. No password is repeated in it.
    """
    named = config or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    file = named or DEFAULT
    given = from_environment(Settings, environ)
    if named or file.exists():
        written, origin = from_file(file), str(file)
    elif "site" in given:
        written, origin = {}, "the environment"
    else:
        raise ConfigurationError(f"there is no {DEFAULT} in this folder; `publisher init` makes it")
    try:
        settings = Settings.model_validate(_over(written, given))
    except ValidationError as error:
        raise ConfigurationError(sentence(Settings, error, origin, environ)) from None
    settings._base = _base_of(file)
    settings._secret = SecretStr(environ[SECRET]) if SECRET in environ else None
    _check_sources(settings, origin)
    return settings


def _over(below: Tables, above: Tables) -> Tables:
    """Key by key within a table; a list is replaced whole."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = {**old, **value}
        else:
            merged[name] = value
    return merged


def _base_of(file: Path) -> Path:
    folder = _absolute(file).parent
    return folder.parent if folder.name == "config" else folder


def _check_sources(settings: Settings, origin: str) -> None:
    feeds = _absolute(settings.path(settings.feeds.directory))
    paths: list[Path] = []
    for number, source in enumerate(settings.sources):
        path = _absolute(settings.path(source.path))
        key = f"{origin}: sources[{number}].path: {source.path!r}"
        if path in paths:
            raise ConfigurationError(f"{key} is the path of sources[{paths.index(path)}] already")
        if source.kind == "folder" and (feeds.is_relative_to(path) or path.is_relative_to(feeds)):
            raise ConfigurationError(
                f"{key} and feeds.directory {settings.feeds.directory!r} lie in one another; "
                "the feeds' pages would come in as articles"
            )
        paths.append(path)


def _absolute(path: Path) -> Path:
    # Not resolve(): a mounted configuration is often a link into a folder of another name.
    return Path(os.path.abspath(path))  # noqa: PTH100
