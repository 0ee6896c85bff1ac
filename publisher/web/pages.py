"""The few pages that no feed folder holds: self-contained, never cached, never in a frame."""

import base64
import hashlib
from contextvars import ContextVar

from babel.support import NullTranslations
from starlette.responses import HTMLResponse
from starlette.types import Scope

from publisher.core.model import Site
from publisher.kit import resources, translations
from publisher.kit.jinja import environment
from publisher.kit.locale import accepted, direction, isolated, locale_of
from publisher.kit.translations import LANGUAGES


class Pages:
    """Renders `templates/web/` pages in the paper's looks, in the language of who asks."""

    def __init__(self, site: Site) -> None:
        folder = resources.folder("templates/web")
        css = (folder / "static" / "service.css").read_text(encoding="utf-8")
        self._site = site
        self._asked: ContextVar[str] = ContextVar("locale")
        self._environment = environment([folder])
        self._environment.globals.update(site=site, css=css)
        digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
        self._guess_zone = (folder / "static" / "zone.js").read_text(encoding="utf-8")
        self._headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
            # Not "no-referrer": browsers would then send our own forms as from nowhere.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Robots-Tag": "noindex",
        }

    def speak_as(self, scope: Scope) -> None:
        """From here on, in what answers this request, speak the language that its browser asks
        for, or else the site's."""
        asked = b",".join(value for name, value in scope["headers"] if name == b"accept-language")
        language = self._site.language
        self._asked.set(accepted(asked.decode("latin-1"), language, among=LANGUAGES))

    @property
    def locale(self) -> str:
        return self._asked.get(locale_of(self._site.language, among=LANGUAGES))

    @property
    def words(self) -> NullTranslations:
        """Of the language that is spoken."""
        return translations.of(self.locale)

    def say(self, sentence: str, /, **values: str) -> str:
        """A sentence as the catalogues have it, with its values."""
        shown = {name: isolated(value, self.locale) for name, value in values.items()}
        return self.words.gettext(sentence) % shown

    def render(self, template: str, status: int = 200, /, **context: object) -> HTMLResponse:
        spoken = {"locale": self.locale, "direction": direction(self.locale)}
        html = self._environment.get_template(template).render(spoken | context)
        return HTMLResponse(html, status, self._headers | {"Content-Language": self.locale})

    def with_script(self, template: str, status: int = 200, /, **context: object) -> HTMLResponse:
        """A page that guesses the reader's time zone; all else on it works without a script."""
        response = self.render(template, status, guess_zone=self._guess_zone, **context)
        digest = base64.b64encode(hashlib.sha256(self._guess_zone.encode()).digest()).decode()
        policy = response.headers["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = f"{policy}; script-src 'sha256-{digest}'"
        return response

    def message(self, status: int, heading: str, text: str) -> HTMLResponse:
        """A page that only says something; both are said as the catalogues have them."""
        said = {"heading": self.words.gettext(heading), "text": self.words.gettext(text)}
        return self.render("service_message.html", status, **said)
