"""Logging: one line an event, ours and the libraries', without addresses, passwords or tokens.

Elsewhere: `log = structlog.get_logger(__name__)` and `log.info("edition planned", edition=7)`.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_Raised = tuple[type[BaseException], BaseException, TracebackType | None]

_OURS = "publisher"
_MASK = "<hidden>"

# `api_key` and `relay_password` too, but not `key_id`.
_SECRET_NAME = re.compile(r"(?i)(?:.*[_-])?(?:password|passwd|secret|token|key)")

# Lengths are bounded: a stranger's endless word must not cost quadratic time.
_MASKS = (
    # user:password@ of an address such as a relay's or a database's
    (re.compile(r"://[^\s/?#]{1,512}@"), f"://{_MASK}@"),
    (re.compile(r"(?i)((?:\b(?:password|passwd|secret|token)|[?&]key)=)[^\s&,;)]+"), rf"\1{_MASK}"),
    (
        re.compile(r"(/(?:unsubscribe|confirm|preferences|address)/)[^\s/?#\"'<>]+"),
        r"\1<token>",
    ),
    # Mail addresses: also percent-encoded, with a quoted local part or an IP address as domain.
    # A domain without a dot is none but localhost: slots are named like `daily@mon-07:00`.
    (
        re.compile(
            r"""(?:"[^"\r\n]{1,128}"|(?:[^\s@"'<>(),:;\\/?&\[\]{}|]|(?<=\w)'(?=\w)){1,256})"""
            r"""(?:@|%40)"""
            r"""(?:\[[0-9A-Za-z.:]+\]|[\w-]{1,63}(?:\.[\w-]{1,63}){1,20}|localhost\b)"""
        ),
        "<address>",
    ),
)
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def configure(json: bool) -> None:
    """Sends all logging to standard error: JSON, or lines for a person to read.

    Our own events from INFO on, those of libraries from WARNING on.
    """
    named: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=named,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(_for_programs() if json else _for_people(colors=sys.stderr.isatty())),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(logging.INFO)
    # It warns of each object that a lost connection leaves behind; the store says what it means.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *named,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def mask(text: str) -> str:
    """`text` without mail addresses, passwords in addresses, and unsubscribe tokens."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return text


def _for_programs() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _mask_event,
        structlog.processors.JSONRenderer(),
    ]


def _for_people(colors: bool) -> list[Processor]:
    return [
        structlog.processors.ExceptionRenderer(_brief),
        _rename_exception,
        _mask_event,
        _escape_event,
        structlog.dev.ConsoleRenderer(colors=colors),
    ]


def _mask_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: object) -> object:
    if _SECRET_NAME.fullmatch(key):
        return _MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {mask(str(k)): _masked(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked("", each) for each in value]
    if isinstance(value, bytes):
        return mask(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, BaseException):
        return mask(_said(value))
    return mask(str(value))


def _escape_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        key: value
        if value is None or isinstance(value, bool | int | float)
        else _escape(str(value))
        for key, value in event.items()
    }


def _escape(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _rename_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The console renderer would set `exception` on lines of its own."""
    if "exception" in event:
        event["raised"] = event.pop("exception")
    return event


def _brief(exc_info: _Raised) -> str:
    """An exception in one line: what was said, and the way to it, innermost first."""
    frames = reversed(traceback.extract_tb(exc_info[2]))
    way = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in frames)
    error = exc_info[1]
    cause = f" (from {_said(error.__cause__)})" if error.__cause__ else ""
    return f"{_said(error)}{cause} [{way}]"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
