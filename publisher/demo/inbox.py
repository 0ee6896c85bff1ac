"""The demo's web pages of caught mail: a list, and each mail as HTML, text, headers and source.

Nothing that a mail holds is trusted: templates escape it, and its HTML stands in a sandboxed frame
whose own policy allows neither scripts nor forms.
"""

import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from publisher.demo.catcher import Catcher, Caught
from publisher.demo.reading import MOST_BYTES, Body, as_utf8, read_body, read_head
from publisher.kit.jinja import environment

_FILES = Path(__file__).resolve().parent / "pages"
_LISTED = 200
_TEMPLATES = environment([_FILES])

_COMMON_HEADERS = {
    "Cache-Control": "no-store",  # the next demo numbers its mails from 1 again
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE_HEADERS = _COMMON_HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
"""Links of a mail may open a new tab, which is then no longer in the sandbox; nothing else."""

_FRAME_HEADERS = _COMMON_HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: http: https:; form-action 'none'; frame-ancestors 'self'; "
    f"sandbox {_SANDBOX}",
}

_OPENING = re.compile(r"\s*(?:<!doctype[^>]*>)?(?:\s*<html[^>]*>)?(?:\s*<head[^>]*>)?", re.I)


def application(catcher: Catcher) -> ASGIApp:
    """The pages over what `catcher` holds at the moment of each request."""

    # Plain functions: Starlette runs them in threads, so that taking a mail apart holds up no mail.
    def index(_request: Request) -> Response:
        kept = list(reversed(catcher.messages))
        rows = [(mail, read_head(mail.data)) for mail in kept[:_LISTED]]
        return _page("list.html", rows=rows, count=catcher.count)

    def index_json(_request: Request) -> Response:
        mails = [
            {
                "number": mail.number,
                "received_at": mail.received_at.isoformat(),
                "from": mail.mail_from,
                "to": list(mail.recipients),
                "subject": read_head(mail.data).get("subject"),
            }
            for mail in reversed(list(catcher.messages))
        ]
        body = {"count": catcher.count, "mails": mails}
        return JSONResponse(body, headers=_COMMON_HEADERS)

    def show(request: Request) -> Response:
        mail = _wanted(request)
        body = read_body(mail.data)
        view = request.path_params.get("view") or _first_view(body)
        if view not in ("html", "text", "headers", "source"):
            raise HTTPException(404)
        numbers = [other.number for other in catcher.messages]
        return _page(
            "mail.html",
            mail=mail,
            head=read_head(mail.data),
            body=body,
            view=view,
            source=_source(mail) if view == "source" else "",
            sandbox=_SANDBOX,
            newer=min((n for n in numbers if n > mail.number), default=None),
            older=max((n for n in numbers if n < mail.number), default=None),
        )

    def frame(request: Request) -> Response:
        html = read_body(_wanted(request).data).html
        if html is None:
            raise HTTPException(404)
        return HTMLResponse(_opening_in_new_tabs(html), headers=_FRAME_HEADERS)

    def original(request: Request) -> Response:
        mail = _wanted(request)
        name = f'attachment; filename="mail-{mail.number}.eml"'
        headers = _COMMON_HEADERS | {"Content-Disposition": name}
        return Response(mail.data, media_type="message/rfc822", headers=headers)

    def style(_request: Request) -> Response:
        return Response(
            (_FILES / "inbox.css").read_bytes(), media_type="text/css", headers=_COMMON_HEADERS
        )

    def _wanted(request: Request) -> Caught:
        number = request.path_params["number"]
        for mail in list(catcher.messages):
            if mail.number == number:
                return mail
        raise HTTPException(404)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/mails.json", index_json),
            Route("/inbox.css", style),
            Route("/mails/{number:int}", show),
            Route("/mails/{number:int}/frame", frame),
            Route("/mails/{number:int}/mail.eml", original),
            Route("/mails/{number:int}/{view}", show),
        ],
        exception_handlers={404: _missing},
    )


def _missing(_request: Request, _error: Exception) -> Response:
    return _page("missing.html", status=404)


def _page(template: str, *, status: int = 200, **values: object) -> Response:
    html = _TEMPLATES.get_template(template).render(values)
    return HTMLResponse(html, status_code=status, headers=_PAGE_HEADERS)


def _first_view(body: Body) -> str:
    if body.html is not None:
        return "html"
    return "source" if body.text is None else "text"


def _source(mail: Caught) -> str:
    return as_utf8(mail.data[:MOST_BYTES].decode("utf-8", "replace"))


def _opening_in_new_tabs(html: str) -> str:
    """Inside the frame a linked page would inherit the sandbox and could not be used."""
    opening = _OPENING.match(html)
    at = opening.end() if opening else 0
    return f'{html[:at]}<base target="_blank">{html[at:]}'
