"""Shows documents in a browser and tells what ran in them, what wanted out of them, and what would
run if somebody pressed, pointed or stepped there; and what they say.

No document has the policy with which its server would have guarded it: in its place stands one that
forbids all scripts and only reports (CSP), so that everything runs, and nothing unnoticed.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Frame, Page, Request, Route

HTML = "text/html; charset=utf-8"
_SCRIPT = (Path(__file__).parent / "watch.js").read_text()
_AT_ONCE = 24  # each in a frame of its own
_PATIENCE = 30_000  # ms
_NUMBER = re.compile(r"[?&]look=(\d+)")
_PICTURES = ("image", "media")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    html: bytes
    at: str
    """The address under which it is shown."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """What is to be read in it: CSS selectors, with `@name` behind one for an attribute."""
    ours: Sequence[str] = ()
    """Scripts that may run."""
    forms: bool = False
    """Whether there may be some."""
    kind: str = HTML


@dataclass(frozen=True, slots=True)
class Seen:
    wrong: list[str]
    texts: Mapping[str, list[str]]


def plain(inside: str) -> bytes:
    """A page with nothing else in it."""
    page = f"<!doctype html><meta charset=utf-8><title>t</title><body>{inside}"
    return page.encode("utf-8", "replace")


@contextmanager
def watching(chromium: Browser) -> Iterator["Watch"]:
    context = chromium.new_context()
    try:
        yield Watch(context)
    finally:
        context.close()


class Watch:
    def __init__(self, context: BrowserContext) -> None:
        self._shown: Mapping[str, Document] = {}
        self._wrong: dict[int | None, list[str]] = {}
        self._host = ""
        self._frames: dict[Frame, int] = {}
        self._context = context
        context.set_default_timeout(_PATIENCE)
        context.expose_binding("tellPython", self._heard)
        context.add_init_script(_SCRIPT)
        context.route("**/*", self._answer)
        self._page = self._fresh()

    def look(self, documents: Sequence[Document]) -> list[Seen]:
        """What is seen of each; those of one call have one origin."""
        seen: list[Seen] = []
        for start in range(0, len(documents), _AT_ONCE):
            some = documents[start : start + _AT_ONCE]
            try:
                seen += self._look(some)
            except Error:
                seen += map(self._alone, some)
        return seen

    def harmless(self, documents: Mapping[str, Document]) -> dict[str, Mapping[str, list[str]]]:
        """What they say, by name; fails for whatever is wrong in one of them."""
        seen = dict(zip(documents, self.look(list(documents.values())), strict=True))
        print(f"\n{len(documents)} documents")
        wrong = [f"{name}: {each.wrong}" for name, each in seen.items() if each.wrong]
        assert not wrong, "\n".join([f"{len(wrong)} of {len(seen)}:", *wrong[:5]])
        return {name: each.texts for name, each in seen.items()}

    def words_in(self, htmls: Sequence[str], gone: str) -> list[str]:
        """What markup says where nothing runs, without the elements that `gone` selects."""
        self._page.goto("http://words.example/frames")
        asked = {"htmls": list(htmls), "gone": gone}
        said: list[str] = self._page.evaluate("asked => wordsIn(asked)", asked)
        return said

    def _alone(self, document: Document) -> Seen:
        self._page.close()
        self._page = self._fresh()
        try:
            return self._look([document])[0]
        except Error as error:
            return Seen([f"it took the page away: {error.message}"], {})

    def _look(self, documents: Sequence[Document]) -> list[Seen]:
        first = re.match(r"https?://[^/]+", documents[0].at)
        assert first
        self._host, self._wrong, self._frames = first[0], {}, {}
        addresses = [_numbered(each.at, number) for number, each in enumerate(documents)]
        self._shown = dict(zip(addresses, documents, strict=True))
        self._page.goto(f"{self._host}/frames")
        asked = [
            {
                "src": address,
                "ours": list(each.ours),
                "forms": each.forms,
                "texts": dict(each.texts),
            }
            for address, each in self._shown.items()
        ]
        self._page.evaluate("asked => { inspectAll(asked); }", asked)
        # A script in one that never ends is noticed here only: an evaluation has no time limit.
        done = self._page.wait_for_function("window.inspected")
        answers: list[dict[str, Any]] = done.json_value()
        astray = self._wrong.pop(None, [])
        if astray and len(documents) > 1:
            raise Error("which one it was shows when each is alone")
        return [
            Seen(each["wrong"] + self._wrong.get(number, []) + astray, each["said"])
            for number, each in enumerate(answers)
        ]

    def _fresh(self) -> Page:
        page = self._context.new_page()
        page.on("dialog", self._dismiss)
        page.on("popup", lambda popup: self._note(None, f"a window for {popup.url}"))
        page.on("websocket", lambda socket: self._note(None, f"a socket to {socket.url}"))
        return page

    def _dismiss(self, dialog: Dialog) -> None:
        self._note(None, "a dialog")
        dialog.dismiss()

    def _answer(self, route: Route) -> None:
        request = route.request
        if request.url.endswith("/frames") and request.frame.parent_frame is None:
            route.fulfill(body="<!doctype html><title>frames</title>", content_type=HTML)
        elif (document := self._shown.get(request.url)) and request.is_navigation_request():
            self._frames[request.frame] = _number(request.url)
            policy = _policy(document.ours)
            headers = {"content-security-policy-report-only": policy}
            headers["content-type"] = document.kind
            route.fulfill(body=document.html, headers=headers)
        elif request.is_navigation_request():
            self._note(_frame(request), f"went to {request.url}")
            route.fulfill(status=204)
        else:
            ours = request.url.startswith(self._host + "/")
            if not ours and request.resource_type not in _PICTURES:
                self._note(_frame(request), f"asked {request.url} for a {request.resource_type}")
            route.abort()

    def _heard(self, source: Any, what: str) -> None:
        self._note(source["frame"], what)

    def _note(self, frame: Frame | None, what: str) -> None:
        """In whichever of the documents, or in a frame within it."""
        while frame is not None and frame not in self._frames:
            frame = frame.parent_frame
        self._wrong.setdefault(self._frames[frame] if frame else None, []).append(what)


def _numbered(address: str, number: int) -> str:
    return f"{address}{'&' if '?' in address else '?'}look={number}"


def _policy(ours: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in ours)
    allowed = "".join(f" 'sha256-{digest}'" for digest in digests)
    # unsafe-eval: Playwright's own questions are evaluated.
    return (
        f"script-src 'report-sample' 'unsafe-eval'{allowed}; object-src 'none'; frame-src 'none'; "
        "base-uri 'none'; worker-src 'none'"
    )


def _number(address: str) -> int:
    return int(_NUMBER.findall(address)[-1])


def _frame(request: Request) -> Frame | None:
    with suppress(Error):
        return request.frame
    return None
