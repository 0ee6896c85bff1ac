"""What all tests share: the PostgreSQL server that some of them start ends with the run."""

from tests import postgres


def pytest_sessionfinish() -> None:
    postgres.stop_server()
