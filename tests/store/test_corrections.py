"""Who got an article before it was corrected is told in their next mail, once; nobody else is."""

import quopri
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from publisher.core.intake import Offered, Version
from publisher.core.model import Cadence, DeliveryState
from publisher.core.outcome import Outcome
from publisher.core.planning import MOST_CORRECTIONS
from publisher.newsletters.plan import decided
from publisher.store import articles, control, editions, readership
from publisher.store.tables import delivery, variant_correction
from tests.store.test_ledger import Desk
from tests.store.world import ALERTS, DAILY, World

TEMPLATE = """{{ reader.unsubscribe_url }}
{% if lead %}({{ lead.title }}){% endif %}
{% for item in corrections %}[{{ item.title }}: {{ item.note }}]
{% endfor %}
"""


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "digest.txt").write_text(TEMPLATE)
    return Desk(world, tmp_path / "templates")


def revise(desk: Desk, title: str, note: str, new: str = "") -> None:
    """What a source does with an edit that says what was wrong."""
    id_ = desk.world.ids[title]
    offered = Offered(
        title=title,
        summary="",
        body_html=f"<p>{title} {note} {new}</p>",
        correction=note,
        content_hash=f"{title} {note} {new}",
    )
    with desk.world.db.write() as conn:
        version = Version(
            offered=offered,
            published_at=articles.find_by_id(conn, [id_])[id_].published_at,
            updated_at=desk.world.now,
            too_old=False,
        )
        articles.revise(conn, {id_: version}, desk.world.now)


def deliver(desk: Desk, limit: int = 100) -> dict[str, list[str]]:
    """Send what is due; the corrections in each reader's mail."""
    told = {}
    jobs = desk.claim(limit)
    for job in jobs:
        text = quopri.decodestring(desk.rendering(job).body.split(b"text/html")[0]).decode()
        told[job.name] = re.findall(r"\[(.*)\]", text)
    desk.answer(jobs)
    desk.finish()
    return told


def next_digest(desk: Desk, title: str = "") -> dict[str, list[str]]:
    desk.world.publish(title or f"new {desk.world.now}")
    desk.world.wait(days=1).plan()
    return deliver(desk)


def test_an_edit_without_a_note_is_told_to_nobody(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    desk.edit("One", "One, mended")
    assert next_digest(desk) == {"ada": []}


def test_only_who_got_the_old_version_is_told_and_once(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    assert deliver(desk, 1) == {"ada": []}
    revise(desk, "One", "It was Tuesday.")
    desk.world.subscribe("cy")
    assert deliver(desk) == {"bo": []}  # whose mail was first tried after it
    assert next_digest(desk) == {"ada": ["One: It was Tuesday."], "bo": [], "cy": []}
    revise(desk, "One", "It was Tuesday.", "and a comma")
    assert next_digest(desk) == {"ada": [], "bo": [], "cy": []}


def test_what_came_with_a_note_is_no_correction_of_anything_given(desk: Desk) -> None:
    desk.world.subscribe("ada")
    desk.world.take_in("One", published_at=desk.world.now + timedelta(hours=1))
    revise(desk, "One", "Corrected before anybody read it.")
    desk.world.wait(hours=1).make_public()
    desk.world.wait(days=1).plan()
    deliver(desk)
    assert next_digest(desk) == {"ada": []}


def test_a_withdrawal_with_a_note_is_told(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    one = desk.world.ids["One"]
    with desk.world.db.write() as conn:
        articles.withdraw(
            conn, [one], by="source", now=desk.world.now, corrections={one: "None of it was true."}
        )
    assert next_digest(desk) == {"ada": ["One: None of it was true."]}
    assert next_digest(desk) == {"ada": []}


def test_a_second_correction_is_told_to_all_who_got_either(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    deliver(desk, 1)
    revise(desk, "One", "It was Tuesday.")
    deliver(desk)
    assert next_digest(desk)["ada"] == ["One: It was Tuesday."]
    revise(desk, "One", "It was Wednesday.")
    desk.world.subscribe("cy")
    wednesday = ["One: It was Wednesday."]
    assert next_digest(desk) == {"ada": wednesday, "bo": wednesday, "cy": []}
    assert next_digest(desk) == {"ada": [], "bo": [], "cy": []}


def test_two_corrections_between_two_mails_are_told_as_the_last(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    revise(desk, "One", "It was Wednesday.")
    assert next_digest(desk) == {"ada": ["One: It was Wednesday."]}


def test_what_is_corrected_again_before_the_mail_goes_out_is_told_once(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.world.publish("Two")
    desk.world.wait(days=1).plan()
    desk.answer(desk.claim(), Outcome(state=DeliveryState.PENDING))  # rendered, given back
    revise(desk, "One", "It was Wednesday.")
    assert deliver(desk) == {"ada": ["One: It was Wednesday."]}
    assert next_digest(desk) == {"ada": []}


def test_a_note_that_is_taken_back_is_not_told(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.world.publish("Two")
    desk.world.wait(days=1).plan()
    revise(desk, "One", "")
    assert deliver(desk) == {"ada": []}
    assert next_digest(desk) == {"ada": []}


def test_a_correction_makes_no_mail_of_its_own(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    assert desk.world.wait(days=1).plan() == 0
    assert next_digest(desk) == {"ada": ["One: It was Tuesday."]}


def test_the_newsletter_that_gave_it_tells_it(desk: Desk) -> None:
    for newsletter in (DAILY, ALERTS):
        desk.world.subscribe("ada", newsletter)
    desk.world.publish("One")
    desk.world.wait(minutes=2).plan()
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.world.subscribe("ada", ALERTS, categories=["sport"])
    assert next_digest(desk) == {"ada": []}
    desk.world.publish("Two", "sport")
    desk.world.wait(minutes=2).plan()
    assert deliver(desk) == {"ada": ["One: It was Tuesday."]}


def test_a_reader_who_changed_cadence_and_zone_is_told_all_the_same(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.world.subscribe("ada", cadence=Cadence.WEEKLY, zone="Pacific/Apia")
    assert next_digest(desk) == {"bo": ["One: It was Tuesday."]}
    desk.world.wait(days=7).plan()
    assert deliver(desk) == {"ada": ["One: It was Tuesday."]}


def test_who_left_is_not_told(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.unsubscribe("ada")
    assert next_digest(desk) == {}


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_mail_that_did_not_go_out_has_told_nothing(desk: Desk, end: str) -> None:
    desk.digest_for("ada")
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.world.publish("Two")
    desk.world.wait(days=1).plan()
    if end == "failed":
        desk.answer(desk.claim(), Outcome(state=DeliveryState.FAILED))
    else:
        with desk.world.db.write() as conn:
            control.cancel(conn, "daily", desk.world.now)
    assert next_digest(desk) == {"ada": ["One: It was Tuesday."]}


def test_an_old_version_that_arrives_late_is_corrected_then(desk: Desk) -> None:
    """Its mail was tried before the correction and keeps to its bytes."""
    desk.digest_for("ada")
    desk.defer(desk.claim(), minutes=2 * 24 * 60)
    revise(desk, "One", "It was Tuesday.")
    assert next_digest(desk) == {"ada": []}
    desk.world.wait(days=2)
    assert deliver(desk) == {"ada": []}
    assert next_digest(desk) == {"ada": ["One: It was Tuesday."]}


def test_what_may_have_arrived_is_corrected(desk: Desk) -> None:
    desk.digest_for("ada")
    desk.claim()
    desk.reclaim(resend=False)
    revise(desk, "One", "It was Tuesday.")
    assert next_digest(desk) == {"ada": ["One: It was Tuesday."]}


def test_after_sixty_days_nothing_is_corrected_any_more(desk: Desk) -> None:
    desk.digest_for("ada")
    deliver(desk)
    desk.world.wait(days=30)
    next_digest(desk, "Two")
    desk.world.wait(days=31)
    for title in ("One", "Two"):
        revise(desk, title, "It was Tuesday.")
    assert next_digest(desk) == {"ada": ["Two: It was Tuesday."]}


def test_a_planning_that_was_killed_tells_everybody_once(desk: Desk) -> None:
    names = [f"reader{number}" for number in range(7)]
    desk.digest_for(*names)
    deliver(desk)
    revise(desk, "One", "It was Tuesday.")
    desk.world.publish("Two")
    desk.world.wait(days=1)
    planner = desk.world.planner
    with desk.world.db.read() as conn:
        [due] = planner.slots.due(conn, desk.world.now, "daily")
    planner._claim(due, desk.world.now)
    with desk.world.db.write() as conn:
        [edition_id] = editions.unplanned(conn)
        of = editions.find(conn, edition_id)
        assert of is not None
        readers = readership.next_readers(conn, of, 3, all_given=False)
        decision = decided(conn, readership, planner.newsletters, of, readers)
        planner._write(conn, of, decision, readers[-1].subscription_id)
    desk.world.planner.continue_planning()  # another process
    assert deliver(desk) == {name: ["One: It was Tuesday."] for name in names}
    assert next_digest(desk) == {name: [] for name in names}
    desk.check_books()


def test_more_than_a_mail_can_tell_waits_for_the_next_the_last_corrected_first(desk: Desk) -> None:
    desk.world.subscribe("ada")
    titles = [f"{number:02}" for number in range(MOST_CORRECTIONS + 2)]
    for title in titles:
        desk.world.publish(title)
    desk.world.wait(days=1).plan()
    deliver(desk)
    for title in titles:
        revise(desk, title, "wrong")
    shown = [f"{title}: wrong" for title in reversed(titles)]
    assert next_digest(desk) == {"ada": shown[:MOST_CORRECTIONS]}
    assert next_digest(desk) == {"ada": shown[MOST_CORRECTIONS:]}
    assert next_digest(desk) == {"ada": []}


def test_a_dry_run_tells_of_the_corrections_that_are_then_planned(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    deliver(desk, 1)
    revise(desk, "One", "It was Tuesday.")
    deliver(desk)
    desk.world.publish("Two")
    [forecast] = desk.world.forecaster.at_once(desk.world.now, "daily")
    foreseen = {
        reader: group.content.correction_ids
        for group in forecast.groups
        for reader in group.subscriber_ids
    }
    desk.world.planner.plan_now("daily", desk.world.now)
    with desk.world.db.read() as conn:
        rows = conn.execute(
            select(delivery.c.subscriber_id, variant_correction.c.article_id).join(
                variant_correction, variant_correction.c.variant_id == delivery.c.variant_id
            )
        ).all()
    assert {reader: ids for reader, ids in foreseen.items() if ids} == {
        reader: (article_id,) for reader, article_id in rows
    }
    assert (len(foreseen), len(rows)) == (2, 1)


def test_where_nobody_is_known_to_have_got_it_any_more_nobody_is_told(desk: Desk) -> None:
    """Of old editions only totals are kept."""
    desk.digest_for("ada")
    deliver(desk)
    with desk.world.db.write() as conn:
        conn.execute(delivery.delete())
        conn.execute(update(editions.edition).values(totals={"sent": 1}))
    revise(desk, "One", "It was Tuesday.")
    assert next_digest(desk) == {"ada": []}
