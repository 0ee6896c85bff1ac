"""Which archive documents hold what has fallen out of a feed."""

from publisher.core.links import ALL
from publisher.store import articles, feed_archives, memberships, shelf
from tests.store.world import World

SIZE = 3


def close(world: World) -> None:
    with world.db.read() as conn:
        overdue = feed_archives.overdue(conn, SIZE, -1)
    for slug in overdue:
        more = True
        while more:
            with world.db.write() as conn:
                more = feed_archives.close(conn, slug, SIZE)


def documents(world: World, slug: str | None) -> list[list[str]]:
    """Titles, the oldest document first and in each the newest article."""
    with world.db.read() as conn:
        numbers = range(1, shelf.archives(conn, slug) + 1)
        return [[each.title for each in shelf.in_archive(conn, slug, number)] for number in numbers]


def newest(world: World, slug: str | None) -> list[str]:
    with world.db.read() as conn:
        return [each.title for each in shelf.newest(conn, slug, SIZE)]


def test_nothing_is_closed_while_the_feed_holds_it_all(world: World) -> None:
    for n in range(SIZE):
        world.publish(f"a{n}", "harbour")
    close(world)
    assert documents(world, None) == documents(world, "harbour") == []


def test_what_falls_out_is_closed_with_what_stands_beside_it(world: World) -> None:
    for n in range(SIZE + 1):
        world.publish(f"a{n}", "harbour")
    close(world)
    assert documents(world, "harbour") == documents(world, None) == [["a2", "a1", "a0"]]
    world.publish("a4", "harbour")
    close(world)
    assert documents(world, "harbour") == [["a2", "a1", "a0"]]
    world.publish("a5", "harbour")
    world.publish("a6", "harbour")
    close(world)
    assert documents(world, "harbour") == [["a2", "a1", "a0"], ["a5", "a4", "a3"]]


def test_each_category_has_documents_of_its_own(world: World) -> None:
    for n in range(4):
        world.publish(f"h{n}", "harbour")
        world.publish(f"c{n}", "city")
    close(world)
    assert documents(world, "harbour") == [["h2", "h1", "h0"]]
    assert documents(world, "city") == [["c2", "c1", "c0"]]
    assert documents(world, None) == [["h1", "c0", "h0"], ["c2", "h2", "c1"]]


def test_old_articles_that_come_late_leave_earlier_documents_as_they_are(world: World) -> None:
    for n in range(5):
        world.publish(f"a{n}", "harbour")
    close(world)
    before = documents(world, "harbour")
    for n in range(2):
        world.take_in(f"old{n}", "harbour", too_old=True)
    world.make_public()
    close(world)
    after = documents(world, "harbour")
    assert after[: len(before)] == before
    held = {title for document in after for title in document} | set(newest(world, "harbour"))
    assert held == {"a0", "a1", "a2", "a3", "a4", "old0", "old1"}


def test_hundreds_are_closed_in_several_transactions(world: World) -> None:
    for n in range(130):
        world.take_in(f"a{n:03}", "harbour")
    world.make_public()
    close(world)
    found = documents(world, "harbour")
    assert len(found) == 43
    assert sorted(sum(found, newest(world, "harbour")[:1])) == [f"a{n:03}" for n in range(130)]


def test_a_withdrawn_article_leaves_a_removal_in_its_document(world: World) -> None:
    for n in range(6):
        world.publish(f"a{n}", "harbour")
    close(world)
    with world.db.write() as conn:
        articles.withdraw(conn, [world.ids["a1"]], by="operator", now=world.now)
    close(world)
    assert documents(world, "harbour") == [["a2", "a0"]]
    with world.db.read() as conn:
        for slug in ("harbour", None):
            [removal] = shelf.removals(conn, slug, archive=1, limit=SIZE)
            assert (removal.id, removal.at) == (world.ids["a1"], world.now)
            assert shelf.removals(conn, slug, archive=None, limit=SIZE) == []
            assert shelf.archives_touched(conn, slug, world.count) >= {1}


def test_what_left_a_category_before_leaves_it_no_second_time(world: World) -> None:
    """Withdrawn later, it changes nothing in a feed that it is in no more."""
    one = world.publish("one", "harbour", "news")
    world.publish("two", "harbour")
    with world.db.write() as conn:
        memberships.place_in(conn, {one: ["news"]}, now=world.now)
    left_at = world.now
    world.wait(days=5)
    with world.db.write() as conn:
        articles.withdraw(conn, [one], by="source", now=world.now)
    with world.db.read() as conn:
        [removal] = shelf.removals(conn, "harbour", archive=None, limit=SIZE)
        assert removal.at == left_at == shelf.last_removal(conn, "harbour")
        assert shelf.last_removal(conn, "news") == shelf.last_removal(conn, None) == world.now


def test_of_a_feed_itself_only_what_it_would_hold_counts_as_removed(world: World) -> None:
    for n in range(6):
        world.publish(f"a{n}", "harbour")
    with world.db.write() as conn:
        articles.withdraw(conn, [world.ids["a0"]], by="operator", now=world.now)
        articles.withdraw(conn, [world.ids["a4"]], by="operator", now=world.now)
    with world.db.read() as conn:
        found = shelf.removals(conn, "harbour", archive=None, limit=SIZE)
    assert newest(world, "harbour") == ["a5", "a3", "a2"]
    assert [each.id for each in found] == [world.ids["a4"]]


def test_a_feed_that_no_longer_overflows_is_not_overdue(world: World) -> None:
    for n in range(4):
        world.publish(f"a{n}", "harbour")
    with world.db.read() as conn:
        assert feed_archives.overdue(conn, SIZE, -1) == [ALL, "harbour"]
    close(world)
    with world.db.read() as conn:
        assert feed_archives.overdue(conn, SIZE, -1) == []
