"""Amounts and results in words for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from node.cli.output import note, say, table
from reconcile.counting import counted
from reconcile.counting import money as money

if TYPE_CHECKING:
    from node.books import Book
    from reconcile.model import Contradiction, Remark
    from reconcile.report import Result

SHOWN_BREAKS: Final = 50
SHORT_HEX: Final = 12
# As the desk shows a break.
KEY_HEX: Final = 8
REF_WIDTH: Final = 28
DEFAULT_DIGITS: Final = 2


def digits_of(currency: str, known: dict[str, int] | None = None) -> int:
    """Return a currency's minor digits: what the terms say, else ISO 4217, else two."""
    if known and currency in known:
        return known[currency]
    from iso4217 import Currency

    try:
        exponent = Currency(currency.lower()).exponent
    except ValueError:
        return DEFAULT_DIGITS
    return DEFAULT_DIGITS if exponent is None else int(exponent)


def short(value: bytes) -> str:
    """Return the first characters of a digest or key."""
    return value.hex()[:SHORT_HEX]


def refs(items: tuple[str, ...]) -> str:
    """Return refs for a cell: the first, and how many more."""
    if not items:
        return "–"
    more = f" +{len(items) - 1}" if len(items) > 1 else ""
    return items[0][:REF_WIDTH] + more


def signed_words(signed: tuple[tuple[str, int], ...], known: dict[str, int] | None = None) -> str:
    """Return signed amounts per currency in words."""
    return ", ".join(f"{money(minor, digits_of(code, known))} {code}" for code, minor in signed)


def contradiction_words(found: Contradiction) -> str:
    """Return a contradiction in one line: where, what, expected and found, its code."""
    at = f"line {found.line}: " if found.line else ""
    said = (("expected", found.expected), ("found", found.found))
    compared = ", ".join(f"{word} {text}" for word, text in said if text is not None)
    return f"{at}{found.message}{f' ({compared})' if compared else ''} [{found.code}]"


def remark_words(found: Remark) -> str:
    """Return a remark in one line: where, what, its code."""
    return f"{f'line {found.line}: ' if found.line else ''}{found.says} [{found.code}]"


def say_remarks(books: Sequence[Book], on_both: Sequence[Remark]) -> list[dict[str, Any]]:
    """Say what is odd about each file and about both, and return it for `--json`."""
    from msgspec import to_builtins

    from reconcile.model import Side

    found: list[tuple[str | None, Remark]] = [(None, item) for item in on_both]
    found += [(side.word, item) for side in Side for item in books[side].remarks]
    for word, item in found:
        note(f"remark: {f'the {word}, ' if word else ''}{remark_words(item)}")
    return [{"side": word, **to_builtins(item)} for word, item in found]


def say_contradictions(books: Sequence[Book]) -> dict[str, list[dict[str, Any]]]:
    """Say by side what the files contradict themselves in, and return it for `--json`."""
    from msgspec import to_builtins

    from reconcile.model import Side

    for side in Side:
        for found in books[side].contradictions:
            note(f"the {side.word}'s file is not provable: {contradiction_words(found)}")
    return {side.word: [to_builtins(one) for one in books[side].contradictions] for side in Side}


def show_result(result: Result, digits: dict[str, int]) -> None:
    """Print a run: what matched, the breaks, and whether the balance is proven.

    `digits`: of every currency, as the terms state them.
    """
    kinds = Counter(item.kind.value for item in result.breaks)
    say(
        f"{counted(len(result.groups), 'group')}, {counted(len(result.breaks), 'break')}, "
        f"{counted(len(result.proposals), 'proposal')}"
    )
    if result.breaks:
        marked = any(item.marks for item in result.breaks[:SHOWN_BREAKS])
        rows = [
            (
                short(item.key)[:KEY_HEX],
                item.kind.value,
                refs(item.servicer),
                refs(item.owner),
                signed_words(item.signed, digits) if item.servicer or item.owner else "–",
                item.age_days,
                *((" ".join(mark.value for mark in item.marks),) if marked else ()),
            )
            for item in result.breaks[:SHOWN_BREAKS]
        ]
        columns = ("key", "kind", "servicer", "owner", ">difference", ">age")
        table("Breaks", (*columns, "marks") if marked else columns, rows)
        if len(result.breaks) > SHOWN_BREAKS:
            say(f"… and {len(result.breaks) - SHOWN_BREAKS:,} more")
        say("by kind: " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    _show_missing(result, digits)
    proven = "balance proven" if result.balance_proven else "flow reconciled, balance not proven"
    say(f"{'complete' if result.complete else 'NOT complete'}; {proven}")
    say(f"digest {result.digest.hex()}")


def _show_missing(result: Result, digits: dict[str, int]) -> None:
    from reconcile.report import missing_statements

    for item in missing_statements(result.report, digits):
        who = f"the {item.side}" if item.side else "both sides"
        say(f"{item.kind.value}: ask {who} for {item.says}")
