"""Runs in a process of its own: what W3C's feedvalidator says of each address on standard input.

It changes the time limit of all sockets, warns as it is read, and needs html5lib: so it is kept out
of the tests' own process. `feedvalidator_run.py SRC` reads a JSON list of addresses and writes a
JSON list of lists: kinds (a class and those above it), params, the line of the feed.
"""

import json
import sys
import urllib.request  # the package uses it, and imports only urllib
from typing import Any

sys.path.insert(0, sys.argv[1])

import feedvalidator  # type: ignore[import-not-found]
from feedvalidator import compatibility

assert urllib.request


def said_of(url: str) -> list[dict[str, Any]]:
    try:
        found = feedvalidator.validateURL(url, firstOccurrenceOnly=0, wantRawData=1)
    except feedvalidator.logging.ValidationFailure as failure:
        return [said(failure.event, [])]
    lines = found.get("rawdata", "").split("\n")
    return [said(event, lines) for event in compatibility.AAA(found["loggedEvents"])]


def said(event: Any, lines: list[str]) -> dict[str, Any]:
    line = event.params.get("line", 0)
    return {
        "kinds": [each.__name__ for each in type(event).__mro__],
        "params": {key: str(value)[:200] for key, value in event.params.items()},
        "line": lines[line - 1] if 0 < line <= len(lines) else "",
    }


json.dump([said_of(url) for url in json.load(sys.stdin)], sys.stdout)
