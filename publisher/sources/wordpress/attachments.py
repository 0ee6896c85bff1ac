"""Images, sounds and reusable blocks of an export, found by number while its posts are read."""

import sqlite3

from publisher.core.model import Image
from publisher.sources.wordpress.export import Item
from publisher.sources.wordpress.markup import words

_ALT = "_wp_attachment_image_alt"


class Attachments:
    """What posts refer to, wherever in the file it stands; kept on disk, however much it is."""

    def __init__(self) -> None:
        # A database without a name is a file that vanishes with its connection.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE attachment (id INTEGER PRIMARY KEY, post, url, alt, caption);
            CREATE INDEX of_post ON attachment (post);
            CREATE TABLE block (id INTEGER PRIMARY KEY, html);
            BEGIN;
            """
        )

    def close(self) -> None:
        self._db.close()

    def keep(self, item: Item) -> None:
        """Keep an attachment or a reusable block; anything else is passed over."""
        number, kind = as_number(item["wp:post_id"]), item["wp:post_type"]
        if number is None:
            return
        if kind == "wp_block":
            html = item["content:encoded"]
            self._db.execute("INSERT OR REPLACE INTO block VALUES (?, ?)", (number, html))
        elif kind == "attachment" and item["wp:attachment_url"]:
            said = (
                as_number(item["wp:post_parent"]),
                item["wp:attachment_url"],
                words(item.meta.get(_ALT, "")),
                words(item["excerpt:encoded"]),
            )
            self._db.execute(
                "INSERT OR REPLACE INTO attachment VALUES (?, ?, ?, ?, ?)", (number, *said)
            )

    def image(self, number: int) -> Image | None:
        found = self._find("SELECT url, alt, caption FROM attachment WHERE id = ?", number)
        return found[0] if found else None

    def of_post(self, number: int | None) -> list[Image]:
        """Those uploaded to a post, in the order in which that was done."""
        return self._find(
            "SELECT url, alt, caption FROM attachment WHERE post = ? ORDER BY id", number
        )

    def block(self, number: int) -> str:
        row = self._db.execute("SELECT html FROM block WHERE id = ?", (number,)).fetchone()
        return str(row[0]) if row else ""

    def _find(self, query: str, number: int | None) -> list[Image]:
        rows = self._db.execute(query, (number,))
        return [Image(url=url, alt=alt, caption=caption) for url, alt, caption in rows]


def as_number(written: str) -> int | None:
    """A number that WordPress gives (from 1 on), or None where that is none."""
    fit = written.isascii() and written.isdecimal() and 0 < len(written) < 19
    return int(written) or None if fit else None
