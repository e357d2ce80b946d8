"""Words for money in and money out, in the direction columns of tables."""

from __future__ import annotations

from typing import Final

from reconcile.model import Direction

_IN_WORDS: Final = frozenset(
    {
        "in",
        "收入",
        "收",
        "转入",
        "存入",
        "入账",
        "进账",
        "+",
        "cr",
        "crdt",
        "入",
        "来账",
        "bij",
        "incoming",
        "received",
    }
)
_OUT_WORDS: Final = frozenset(
    {
        "out",
        "支出",
        "支",
        "付",
        "转出",
        "支取",
        "出账",
        "-",
        "dr",
        "dbit",
        "出",
        "往账",
        "af",
        "outgoing",
        "sent",
    }
)
_DEBIT_WORDS: Final = frozenset({"d", "debit", "借", "借方", "借dr"})
_CREDIT_WORDS: Final = frozenset({"c", "credit", "贷", "贷方", "贷cr"})


def direction_of(word: str, *, debit_in: bool) -> Direction | None:
    """Read a direction word; debit and credit by whose book it is; None if it is none."""
    word = "".join(word.split()).lower()
    if word in _IN_WORDS:
        return Direction.IN
    if word in _OUT_WORDS:
        return Direction.OUT
    debit, credit = word in _DEBIT_WORDS, word in _CREDIT_WORDS
    if not debit and not credit:
        return None
    return Direction.IN if debit is debit_in else Direction.OUT


def by_perspective(word: str) -> bool:
    """Say whether a word's direction depends on whose book it stands in."""
    return direction_of(word, debit_in=True) is not direction_of(word, debit_in=False)
