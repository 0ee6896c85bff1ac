"""Tells which documents took over each other's names, so that an article keeps its identity."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A document that changed, or is new under its name."""

    key: str
    before: str | None
    """Hash of what was known under this name; None if nothing was."""
    now: str
    """Hash of what it says now; empty when it says nothing that could have been known."""


def follow(documents: Collection[Said]) -> dict[str, str]:
    """New names with the old ones, of articles that said the same under the old name.

    A document under a known name is only another's when its own former words live on too, under
    another name: else it was rewritten, be it with words that stood elsewhere before.
    """
    bearer = {each.before: each.key for each in documents if each.before is not None}
    moves: dict[str, str] = {}
    for each in sorted(documents, key=lambda said: said.key):
        if each.now in bearer and bearer[each.now] not in moves.values():
            moves[each.key] = bearer[each.now]
    known = {each.key for each in documents if each.before is not None}
    while lost := {key for key in moves if key in known and key not in moves.values()}:
        moves = {key: old for key, old in moves.items() if key not in lost}
    return moves
