"""Cells that a spreadsheet shows as they are: none of an export may be run as a formula.

What begins like one gets an apostrophe before it, which spreadsheets do not show; also behind a
semicolon or tab, where others than we would end the cell. Reading our own export takes it off.
"""

import re

_BEGINNING = r"[=+\-@\t\r\n＝＋－＠]"
_FORMULA = re.compile(rf"(^|[;\t\r\n])('*)(?={_BEGINNING})")
_MARKED = re.compile(rf"(^|[;\t\r\n])'('*)(?={_BEGINNING})")


def harmless(cell: str) -> str:
    return _FORMULA.sub(r"\1'\2", cell)


def as_written(cell: str) -> str:
    """What `harmless` made this cell of."""
    return _MARKED.sub(r"\1\2", cell)
