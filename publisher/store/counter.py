"""The one counter that orders everything: places of articles and numbers of changes.

It is a row, not a database sequence: its lock is held until commit, so the order of the numbers is
the order in which they become visible, and a reader who has seen n has seen all below n.
"""

from sqlalchemy import Connection, select, update

from publisher.store.tables import counter


def head(conn: Connection) -> int:
    """The last number given."""
    return int(conn.execute(select(counter.c.n)).scalar_one())


def take(conn: Connection, count: int = 1) -> int:
    """Take `count` numbers; the last of them is returned."""
    statement = update(counter).values(n=counter.c.n + count).returning(counter.c.n)
    return int(conn.execute(statement).scalar_one())


def take_low(conn: Connection, count: int) -> int:
    """Take `count` places below all others; the lowest of them is returned (negative)."""
    statement = update(counter).values(low=counter.c.low - count).returning(counter.c.low)
    return int(conn.execute(statement).scalar_one())
