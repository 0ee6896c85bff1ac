"""What most of these tests begin with: a listening mail server, and a newsroom that mails there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.smtp import SmtpServer


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer().running() as running:
        yield running


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server) as open_room:
        yield open_room
