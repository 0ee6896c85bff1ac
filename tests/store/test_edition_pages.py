"""Editions as everybody can read them on the web: current, without names, gone after a while."""

from datetime import timedelta
from pathlib import Path

import pytest

from publisher.core.links import edition_url
from publisher.errors import NotFoundError, TransientError
from publisher.store import renderings, totals
from publisher.webstore import Editions
from tests.store.test_ledger import Desk, PressHere
from tests.store.world import World


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    (tmp_path / "templates").mkdir()
    return Desk(world, tmp_path / "templates")


def pages(desk: Desk) -> Editions:
    return Editions(desk.world.db, desk.renderer, desk.renderer.site, lambda: desk.world.now)


def sent(desk: Desk, *titles: str) -> str:
    """The name of an edition of these articles, which two readers got."""
    desk.world.subscribe("ada")
    desk.world.subscribe("bo")
    for title in titles:
        desk.world.publish(title)
    desk.world.wait(days=1).plan()
    jobs = desk.claim()
    desk.answer(jobs)
    desk.finish()
    with desk.world.db.read() as conn:
        return renderings.content(conn, 1).name


def test_it_is_the_mail_without_its_reader(desk: Desk) -> None:
    (desk.templates / "digest.html").write_text(
        "<p>Dear {{ reader.name }}, {{ lead.title }}</p><!--mail-->{{ reader.address }} "
        "<a href='{{ edition_url }}'>browser</a><!--/mail--><a href='{{ reader.unsubscribe_url }}'>"
        "leave</a>"
    )
    name = sent(desk, "One")
    page = pages(desk).page(name)
    assert page is not None
    assert "<p>Dear , One</p>" in page
    assert '<a href="https://news.example/feeds/">leave</a>' in page
    assert "browser" not in page
    assert "ada" not in page
    [row, _] = desk.rows()
    mail = desk.renderer.find(row["rendering_id"]).body.replace(b"=\r\n", b"")
    address = edition_url(desk.renderer.site, name)
    assert address.encode() in mail
    assert address == f"https://news.example/editions/{name}"


def test_it_follows_corrections_and_withdrawals(desk: Desk) -> None:
    name = sent(desk, "One", "Two")
    desk.edit("One", "One, corrected")
    page = pages(desk).page(name)
    assert page is not None
    assert "One, corrected" in page
    assert "Two" in page
    desk.withdraw("One")
    page = pages(desk).page(name)
    assert page is not None
    assert "One" not in page
    assert page == pages(desk).page(name)
    desk.withdraw("Two")
    assert pages(desk).page(name) is None
    assert desk.states() == {"sent": 2}
    desk.check_books()


def test_reading_it_does_nothing_to_its_mails(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    [job] = desk.claim(1)
    with desk.world.db.read() as conn:
        name = renderings.content(conn, 1).name
    desk.withdraw("One")
    assert pages(desk).page(name) is None
    assert desk.states() == {"sending": 1, "pending": 1}
    assert desk.rendering(job)


def test_a_template_that_fails_is_tried_again_later(desk: Desk) -> None:
    name = sent(desk, "One", "Two")
    desk.withdraw("Two")
    (desk.templates / "digest.html").write_text("{{ nobody }}")
    with pytest.raises(TransientError, match=r"digest\.html, line 1: 'nobody' is undefined"):
        pages(desk).page(name)
    assert desk.states() == {"sent": 2}
    (desk.templates / "digest.html").write_text("{{ 'x' * 3000000 }}")
    desk.renderer.press = Counted(desk.renderer.press.templates)
    for _ in range(3):
        with pytest.raises(TransientError, match="it writes over"):
            pages(desk).page(name)
    assert desk.renderer.press.count == 1  # or any visitor could keep it busy
    (desk.templates / "digest.html").write_text("mended: {{ lead.title }}")
    assert "mended: One" in (pages(desk).page(name) or "")


class Counted(PressHere):
    count = 0

    def render(self, content):  # type: ignore[no-untyped-def]  # as PressHere does
        self.count += 1
        return super().render(content)


@pytest.mark.parametrize(
    "name", ["", "1", "1-", "1-000000000000", "999999999999999999999-0123456789ab", "x", "1-%"]
)
def test_what_never_was_is_not_found(name: str, desk: Desk) -> None:
    sent(desk, "One")
    with pytest.raises(NotFoundError):
        pages(desk).page(name)


def test_of_an_edition_that_became_totals_nothing_is_left_to_read(desk: Desk) -> None:
    name = sent(desk, "One")
    assert pages(desk).page(name)
    desk.world.wait(days=100)
    with desk.world.db.write() as conn:
        while totals.clear(conn, 1, desk.world.now - timedelta(days=90)):
            pass
    assert pages(desk).page(name) is None
    with pytest.raises(NotFoundError):
        pages(desk).page(name.replace("1-", "2-", 1))


def test_nobody_finds_another_edition_by_counting(desk: Desk) -> None:
    first = sent(desk, "One")
    desk.world.publish("Two")
    desk.world.wait(days=1).plan()
    desk.claim()
    with pytest.raises(NotFoundError):
        pages(desk).page(first.replace("1-", "2-", 1))
