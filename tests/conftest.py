"""What all tests share: logging is left as it was found, the PostgreSQL server that some of them
start ends with the run, and hypothesis looks at the same examples each time."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import postgres

# No test is one of speed: a busy machine is not a fault.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _patient, derandomize=True)
settings.register_profile("search", _patient)  # `make acceptance`: other examples each time
settings.load_profile("same")


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
