"""Lines out of order, told from their running balances."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model import InputError, StatementFile

Read = Callable[..., StatementFile]
BANK = (Path(__file__).parent / "data" / "bocom.csv").read_text(encoding="utf-8")
HEAD = "direction,amount,currency,booking_date,balance\n"


def _table(rows: list[tuple[str, int, int]]) -> str:
    return HEAD + "".join(f"{way},{a}.00,CNY,2026-11-20,{b}.00\n" for way, a, b in rows)


def _rows(count: int, seed: int) -> list[tuple[str, int, int]]:
    draw, balance, rows = random.Random(seed), 1_000, []
    for _ in range(count):
        way, amount = draw.choice(["IN", "OUT"]), draw.randrange(1, 90)
        balance += amount if way == "IN" else -amount
        rows.append((way, amount, balance))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_lines_are_said_to_be_out_of_order(read: Read, seed: int) -> None:
    """One contradiction says so, instead of one for every line."""
    rows = _rows(30, seed)
    random.Random(seed + 1).shuffle(rows)
    with pytest.raises(InputError) as caught:
        read(_table(rows))
    assert caught.value.code == "LINE_ORDER"
    assert len(caught.value.details) == 1
    assert caught.value.where.line is not None
    assert not read(_table(rows), lenient=True).statements[0].provable


def test_a_missing_line_is_no_disorder(read: Read) -> None:
    """Where no order lets the balances follow, each misfit is named."""
    rows = _rows(30, 9)
    del rows[7], rows[18]
    with pytest.raises(InputError) as caught:
        read(_table(rows))
    assert {one.code for one in caught.value.details} == {"RUNNING_BALANCE"}
    assert len(caught.value.details) == 2


def test_either_straight_order_is_fine(read: Read) -> None:
    """Oldest first and newest first are orders that banks use."""
    rows = _rows(30, 3)
    for some in (rows, rows[::-1]):
        assert read(_table(some)).statements[0].provable


def test_a_banks_own_export_with_two_lines_changed_is_named(read: Read) -> None:
    """The same check for a bank's profile."""
    lines = BANK.splitlines()
    lines[1], lines[2] = lines[2], lines[1]
    with pytest.raises(InputError) as caught:
        read("\n".join(lines) + "\n", "export.csv")
    assert caught.value.code == "LINE_ORDER"
