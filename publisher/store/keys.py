"""Which documents a source speaks for, told from their keys."""

from sqlalchemy import Column, ColumnElement, func


def below(column: "Column[str]", scope: str) -> ColumnElement[bool]:
    """Whether a document's key begins with `scope`, case and all (SQLite's LIKE ignores it).

    "" stands for the base folder: all but the absolute keys of documents that lie elsewhere.
    """
    if not scope:
        return func.substr(column, 1, 1) != "/"
    return func.substr(column, 1, len(scope)) == scope
