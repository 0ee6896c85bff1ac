"""How a line ends: with the end of a sentence, open for what follows, or with neither (a title)."""

import unicodedata

SENTENCE_ENDS = frozenset(
    ".!?…‥⋯‼⁇⁈⁉‽⸮⸼。．！？｡﹒﹖﹗।॥؟۔؞܀܁܂։׃።፧፨᙮᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿།༎༏༐༑|၊။។៕៚꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫߹࠰࠽"
)
OPEN_ENDS = frozenset(",;:，；：、､،؛﹐﹔﹕፣፤፥፦")
"""What a line that introduces a list or breaks off ends with; no title does."""

_TRAILING = frozenset("\"'`´′″*_†‡\u200b")
_BRACKETS = {")": "(", "]": "[", "）": "（", "］": "［", "】": "【", "〕": "〔"}


def closed(line: str) -> bool:
    """Whether the line ends with punctuation, so that it is no title."""
    return ends_sentence(line) or _bare(line)[-1:] in OPEN_ENDS


def ends_sentence(line: str, but: str = "") -> bool:
    """Whether the line ends a sentence (with other marks than those in `but`)."""
    ends = SENTENCE_ENDS.difference(but)
    if _bare(line)[-1:] in ends:
        return True
    # An agency's name stands behind the last sentence: “… he said. (dpa)”
    line = line.rstrip()
    opening = _BRACKETS.get(line[-1:])
    return opening is not None and _bare(line[: max(line.rfind(opening), 0)])[-1:] in ends


def _bare(line: str) -> str:
    """The line without what may stand behind its punctuation: quotes, brackets, signs, marks."""
    end = len(line)
    while end and (
        line[end - 1].isspace()
        or line[end - 1] in _TRAILING
        or unicodedata.category(line[end - 1]) in ("Pe", "Pf", "Pi", "So", "Cf", "Mn")
    ):
        end -= 1
    return line[:end]
