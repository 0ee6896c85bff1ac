"""What all tests share: logging is left as it was found, and the PostgreSQL server that some of
them start ends with the run."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests import postgres


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command run within the process sets logging to a stream that ends with its test."""
    root, ours = logging.getLogger(), logging.getLogger("publisher")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.reset_defaults()


def pytest_sessionfinish() -> None:
    postgres.stop_server()
