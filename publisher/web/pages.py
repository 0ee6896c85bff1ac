"""The few pages that no feed folder holds: self-contained, never cached, never in a frame."""

import base64
import hashlib

from starlette.responses import HTMLResponse

from publisher.core.model import Site
from publisher.kit import resources
from publisher.kit.jinja import environment


class Pages:
    """Renders `templates/web/` pages in the paper's looks."""

    def __init__(self, site: Site) -> None:
        folder = resources.folder("templates/web")
        css = (folder / "static" / "service.css").read_text(encoding="utf-8")
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

    def render(self, template: str, status: int = 200, /, **context: object) -> HTMLResponse:
        html = self._environment.get_template(template).render(context)
        return HTMLResponse(html, status, self._headers)

    def with_script(self, template: str, status: int = 200, /, **context: object) -> HTMLResponse:
        """A page that guesses the reader's time zone; all else on it works without a script."""
        response = self.render(template, status, guess_zone=self._guess_zone, **context)
        digest = base64.b64encode(hashlib.sha256(self._guess_zone.encode()).digest()).decode()
        policy = response.headers["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = f"{policy}; script-src 'sha256-{digest}'"
        return response

    def message(self, status: int, heading: str, text: str) -> HTMLResponse:
        """A page that only says something."""
        return self.render("service_message.html", status, heading=heading, text=text)
