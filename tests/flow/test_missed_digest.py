"""The real daemon under a clock of ours: a digest's hour comes, or was missed."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from publisher.demo.catcher import Catcher, Caught
from tests.flow import faketime
from tests.flow.faketime import it_is
from tests.flow.site import Site, catching, until


@pytest.fixture(scope="module")
def library() -> str:
    return faketime.library()


def titles(mail: Caught, known: tuple[str, ...]) -> list[str]:
    """Which of the known titles a mail's text holds."""
    body = message_from_bytes(mail.data, policy=default).get_body(("plain",))
    assert body is not None
    text = body.get_content()
    return [each for each in known if each in text]


def dated(mail: Caught) -> datetime:
    return parsedate_to_datetime(message_from_bytes(mail.data)["Date"])


def test_a_missed_digest_is_sent_once_with_everything_since(tmp_path: Path, library: str) -> None:
    before, off, later = "The weir is open", "The mill is sold", "The miller stays"
    every = (before, off, later)
    with catching() as catcher:
        site = Site(tmp_path, smtp_port=catcher.port)
        it_is(site, "2026-11-22 20:00:00", library)
        site.run("subscribers", "add", "ada@reader.example", "--newsletter", "daily")

        it_is(site, "2026-11-23 05:30:00", library)  # 07:00 in Berlin is 06:00 UTC
        with site.daemon():
            site.write("before.md", before)
            until(lambda: before in site.feed(), "the article")
        assert catcher.count == 0

        site.write("off.md", off)
        it_is(site, "2026-11-25 09:30:00", library)
        with site.daemon():
            until(lambda: catcher.count, "the missed digest")
            assert titles(catcher.messages[0], every) == [before, off]
            assert dated(catcher.messages[0]).date() == datetime(2026, 11, 25, tzinfo=UTC).date()
            nothing_more_is_due(site, catcher, 1, "2026-11-26T06:00:00+00:00")

        it_is(site, "2026-11-25 09:40:00", library)
        with site.daemon():
            site.write("later.md", later)
            until(lambda: later in site.feed(), "the next article")
            nothing_more_is_due(site, catcher, 1, "2026-11-26T06:00:00+00:00")

        it_is(site, "2026-11-26 05:59:57", library)
        with site.daemon():
            until(lambda: catcher.count > 1, "the next digest, in its hour")
            assert titles(catcher.messages[1], every) == [later]
            assert dated(catcher.messages[1]) >= datetime(2026, 11, 26, 6, tzinfo=UTC)
            nothing_more_is_due(site, catcher, 2, "2026-11-27T06:00:00+00:00")
    assert catcher.count == 2
    assert "Traceback" not in site.log()


def nothing_more_is_due(site: Site, catcher: Catcher, sent: int, next_due: str) -> None:
    until(lambda: site.json("status")["backlog"] == 0, "the books to be closed")
    status = site.json("status")
    assert [each["next_due_at"] for each in status["next_due"]] == [next_due]
    assert status["deliveries"] == {"sent": sent}
    assert catcher.count == sent
