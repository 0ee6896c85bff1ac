"""Everything moves from one kind of database to the other."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from publisher.errors import ConfigurationError
from publisher.store import transfer
from publisher.store.engine import Database
from publisher.store.tables import metadata
from tests.store.conftest import KINDS, new_database
from tests.store.test_ledger import Desk
from tests.store.test_notices import NoticeDesk
from tests.store.world import World


def everything(db: Database) -> dict[str, list[Any]]:
    with db.read() as conn:
        return {
            table.name: sorted(map(repr, conn.execute(select(table)).mappings()))
            for table in metadata.sorted_tables
        }


@pytest.mark.parametrize("kinds", [KINDS, KINDS[::-1]], ids=["there", "and back"])
def test_all_rows_move_and_life_goes_on(tmp_path: Path, kinds: tuple[str, str]) -> None:
    (tmp_path / "templates").mkdir()
    with ExitStack() as things:
        source, target = (new_database(kind, tmp_path, things) for kind in kinds)
        old = NoticeDesk(World(source), tmp_path / "templates")
        old.digest_for("ada", "bo", "cleo", title="Őne 👩")
        old.answer(old.claim(2))
        old.notify("eve")
        assert transfer.copy(source, target) == sum(map(len, everything(source).values()))
        assert everything(target) == everything(source)

        new = Desk(World(target, now=old.world.now, count=1), tmp_path / "templates")
        new.digest_for("dora", title="Two")
        assert new.world.mails("ada") == [["Őne 👩"], ["Two"]]
        assert new.world.mails("dora") == [["Two"]]
        assert new.answer(new.claim()) + new.answer(new.claim()) == 6
        new.check_books()
        with pytest.raises(ConfigurationError, match="is not empty"):
            transfer.copy(source, target)
