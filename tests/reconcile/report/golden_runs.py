"""Seeded runs whose report digests are pinned: what `kanhe/match/1` says may never drift.

As a program it prints `name digest` of every run, on the number of threads given;
the second argument is how many pairs Python may list.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from reconcile.matching import RunInput, few
from reconcile.model import (
    AgreementKind,
    Balance,
    BalanceBasis,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    SideBook,
    window_of,
)
from reconcile.report import reconcile
from reconcile.terms import Terms, default_terms, parse_terms, terms_json

FIRST_DAY = 20_773  # Monday 2026-11-16
AGREEMENT = bytes(range(32))
STATUSES = [EntryStatus.BOOKED] * 12 + list(EntryStatus)
SIZES = {"one": 1, "few": 12, "some": 60, "many": 400}


def drawn_entry(draw: random.Random, ref: str, scarce: int) -> Entry:
    """Return an entry; the fewer keys there are (`scarce`), the more of them coincide."""
    references = {
        Carrier.END_TO_END_ID: f"Key{draw.randrange(scarce):04d} ",
        Carrier.SERVICER_REF: f"SERVICER{draw.randrange(scarce):04d}",
        Carrier.ORDER_NO: f"ORDER{draw.randrange(scarce):04d}",
    }
    held = sorted(item for item in references.items() if draw.random() < 0.5)
    return Entry(
        entry_ref=ref,
        version=0,
        direction=draw.choice([Direction.IN, Direction.IN, Direction.OUT]),
        amount_minor=draw.choice([100, 100, 101, 200, 300, draw.randrange(1, 100_000)]),
        currency=draw.choice(["CNY", "CNY", "CNY", "USD"]),
        booking_date=FIRST_DAY + draw.randrange(5),
        value_date=draw.choice([None, FIRST_DAY + draw.randrange(5)]),
        status=draw.choice(STATUSES),
        is_reversal=draw.random() < 0.05,
        references=tuple((int(number), text) for number, text in held),
        counterparty_name=draw.choice([None, "示范客户", "Alpha \uff21", "alpha A"]),
        counterparty_account=draw.choice([None, "9900-0000-0001", "990000000001", "990000000002"]),
        fee_minor=draw.choice([None, None, 1]),
        group_ref=draw.choice([None, None, None, f"GROUP{draw.randrange(scarce)}"]),
        occurred_at=draw.choice([None, 5, 7]),
    )


def drawn_books(seed: int, rows: int) -> tuple[SideBook, SideBook]:
    """Return two books: half of the owner's entries say what one of the servicer's says."""
    draw = random.Random(seed)
    scarce = max(rows // 2, 2)
    servicer = [drawn_entry(draw, f"S{number:04d}", scarce) for number in range(rows)]
    owner = []
    for number in range(rows):
        entry = drawn_entry(draw, f"O{number:04d}", scarce)
        if draw.random() < 0.6:
            same = draw.choice(servicer)
            parts = {name: getattr(same, name) for name in same.__struct_fields__}
            entry = Entry(**parts | {"entry_ref": entry.entry_ref})
        owner.append(entry)
    late = frozenset(entry.entry_ref for entry in owner[::7])
    return (
        SideBook(tuple(servicer), closed_through=FIRST_DAY + 4),
        SideBook(tuple(owner), closed_through=FIRST_DAY + 4, late_refs=late),
    )


def _unguarded() -> dict[str, Any]:
    """Return the default terms of before a pass could guard: their runs keep every byte."""
    body = terms_json(default_terms(["CNY", "USD"]))
    for rule in body["passes"]:
        rule.pop("guards", None)
    return body


def _tolerant() -> Terms:
    """Return these terms with a tolerance, a rounding and a budget."""
    body = _unguarded()
    body["rounding_minor"] = "1"
    body["tolerance_budget_minor"] = "50"
    for rule in body["passes"]:
        if rule["name"] in {"e2e", "group", "account"}:
            rule["amount"]["tolerance_minor"] = "1"
    return parse_terms(body)


def wide_entry(draw: random.Random, ref: str, scarce: int) -> Entry:
    """Return an entry that may hold any carrier, and an amount that sums with others."""
    texts = {carrier: f"{carrier.name[:6]}{draw.randrange(scarce):028d}" for carrier in Carrier}
    chosen = draw.sample(list(Carrier), draw.choice([0, 0, 1, 1, 2]))
    if Carrier.TRACE_NO in chosen:
        chosen = [Carrier.TRACE_NO, Carrier.RRN]
    return Entry(
        entry_ref=ref,
        version=0,
        direction=draw.choice([Direction.IN, Direction.IN, Direction.IN, Direction.OUT]),
        amount_minor=draw.randrange(1, 50) * 1_000 + draw.choice([0, 0, 1, 7]),
        currency=draw.choice(["CNY", "CNY", "CNY", "CNY", "USD"]),
        booking_date=FIRST_DAY + draw.randrange(7),
        value_date=draw.choice([None, FIRST_DAY - 9 + draw.randrange(12)]),
        status=draw.choice(STATUSES),
        is_reversal=draw.random() < 0.05,
        references=tuple((int(item), texts[item]) for item in sorted(chosen)),
        counterparty_name=draw.choice([None, "示范客户", "Alpha \uff21", "alpha A"]),
        counterparty_account=draw.choice([None, f"9901{draw.randrange(scarce):08d}"]),
        remittance=draw.choice([None, f"invoice INV{draw.randrange(scarce):06d} paid"]),
        group_ref=draw.choice([None, None, None, f"GROUP{draw.randrange(scarce)}"]),
    )


def _differs(draw: random.Random, entry: Entry, ref: str) -> Entry:
    """Return what the other side booked: mostly the same, else with one difference."""
    parts = {name: getattr(entry, name) for name in entry.__struct_fields__} | {"entry_ref": ref}
    changes: list[dict[str, Any]] = [{}] * 6
    changes += [
        {"amount_minor": entry.amount_minor + 1},
        {"amount_minor": entry.amount_minor + 5},
        {"amount_minor": entry.amount_minor - 300, "fee_minor": 300},
        {"amount_minor": entry.amount_minor + 4_321},
        {"direction": entry.direction.opposite},
        {"currency": "USD" if entry.currency == "CNY" else "CNY"},
        {"counterparty_name": "Beta"},
        {"status": EntryStatus.VOID},
        {"references": ()},
        {"value_date": FIRST_DAY - 40},
        {"references": tuple((6, text) for number, text in entry.references if number == 1)},
        {"booking_date": FIRST_DAY - 30, "references": ((1, f"OLD{ref}"),)},
    ]
    return Entry(**parts | draw.choice(changes))


def _parts(entry: Entry, ref: str) -> list[Any]:
    return [ref, *(getattr(entry, name) for name in entry.__struct_fields__[1:])]


def _payout(draw: random.Random, number: int, whole: list[Entry], parts: list[Entry]) -> None:
    """Add one sum to a side and its three parts to the other; some parts are missing."""
    sizes = [draw.randrange(1, 10**6) for _ in range(3)]
    group = {"group_ref": f"PAYOUT{number:04d}"}
    whole.append(
        Entry(f"W{number:04d}", 0, Direction.OUT, sum(sizes), "CNY", FIRST_DAY + 6, **group)
    )
    for place, size in enumerate(sizes[: draw.choice([2, 3, 3])]):
        ref = f"P{number:04d}{place}"
        parts.append(Entry(ref, 0, Direction.OUT, size, "CNY", FIRST_DAY + 6, **group))


def wide_books(seed: int, rows: int) -> tuple[SideBook, SideBook]:
    """Return two books over every carrier, with splits, sums, twins, gaps and wrong balances."""
    draw = random.Random(seed)
    servicer, owner = [], []
    for number in range(rows):
        entry = wide_entry(draw, f"S{number:04d}", rows)
        servicer.append(entry)
        if draw.random() < 0.7:
            owner.append(_differs(draw, entry, f"O{number:04d}"))
        if draw.random() < 0.1:
            owner.append(Entry(*_parts(owner[-1] if owner else entry, f"OT{number:04d}")))
        if draw.random() < 0.1:
            for side, carrier in enumerate((Carrier.END_TO_END_ID, Carrier.VOUCHER_NO)):
                ref, known = f"{'SO'[side]}V{number:04d}", ((int(carrier), f"VOUCHER{number:04d}"),)
                voucher = Entry(ref, 0, Direction.IN, 5, "CNY", FIRST_DAY + 6, references=known)
                (servicer, owner)[side].append(voucher)
        if draw.random() < 0.1:
            _payout(draw, number, *draw.sample([servicer, owner], 2))
        if draw.random() < 0.2:
            party = {"counterparty_account": f"9901{9_000_000 + number:08d}"}
            if number % 3 == 0:
                party = {"counterparty_name": f"Firm {number}"}
            sizes = [draw.randrange(1, 10**6) for _ in range(4)]
            sizes[3] = sizes[0] + sizes[1] - min(sizes[2], sizes[0] + sizes[1] - 1)
            sizes[2] = sizes[0] + sizes[1] - sizes[3]
            for place, size in enumerate(sizes):
                ref = f"{'SSOO'[place]}X{number:04d}{place}"
                part = Entry(ref, 0, Direction.IN, size, "CNY", FIRST_DAY + 6, **party)
                (servicer, owner)[place // 2].append(part)
    closing = {"CNY": Balance.of_signed(1, FIRST_DAY + 6, BalanceBasis.STATED)}
    opening = {"CNY": Balance.of_signed(2, FIRST_DAY, BalanceBasis.STATED)}
    late = frozenset(entry.entry_ref for entry in owner[::7])
    return (
        SideBook(tuple(servicer), opening, closing, closed_through=FIRST_DAY + 4),
        SideBook(tuple(owner), late_refs=late, gaps=("CNY: a day is missing",)),
    )


def wide_terms() -> Terms:
    """Return these terms opted in to everything: tolerance, fees, cuts, extracts, sums."""
    body = _unguarded()
    body |= {"rounding_minor": "1", "tolerance_budget_minor": "4"}
    rules = {rule["name"]: rule for rule in body["passes"]}
    for name in ("e2e", "uetr", "order_trace"):
        rules[name]["amount"]["tolerance_minor"] = "5"
    rules["tx"]["fee"] = {"fixed_minor": "300"}
    rules["tx_instr"]["shape"] = ["1:1", "1:N", "N:1"]
    account = rules["account"]

    def key(carrier: str, *steps: str) -> list[dict[str, Any]]:
        pair = {"servicer": carrier, "owner": carrier, "min_length": "1"}
        return [pair | {"normalise": list(steps)}]

    embedded = key("remittance", "extract(INV[0-9]{6})", "last(6)", "strip_zeros")
    body["passes"] += [
        dict(account, name="embedded", keys=embedded),
        dict(account, name="sums", shape=["N:M"], confirm="unique"),
        dict(rules["name"], name="name_sums", shape=["N:M"]),
    ]
    return parse_terms(body)


def wide_runs(threads: int | None = None) -> Iterator[tuple[str, RunInput]]:
    """Yield the runs that between them use every pass, shape, reason and kind."""
    for number, rows in enumerate((30, 120, 300)):
        servicer, owner = wide_books(100 + number, rows)
        for name, terms in (("plain", parse_terms(_unguarded())), ("opted", wide_terms())):
            yield (
                f"wide{rows}-{name}",
                RunInput(
                    agreement=AGREEMENT,
                    kind=AgreementKind.CLEARING if rows == 120 else AgreementKind.HEAD_BRANCH,
                    window=window_of(FIRST_DAY + 7),
                    previous_window=None,
                    terms=terms,
                    servicer=servicer,
                    owner=owner,
                    threads=threads,
                ),
            )


def runs(threads: int | None = None) -> Iterator[tuple[str, RunInput]]:
    """Yield every pinned run by its name."""
    rules: Mapping[str, Terms] = {
        "default": parse_terms(_unguarded()),
        "tolerant": _tolerant(),
        "guarded": default_terms(["CNY", "USD"]),
    }
    for number, (size, rows) in enumerate(SIZES.items()):
        servicer, owner = drawn_books(number, rows)
        for name, terms in rules.items():
            fields: dict[str, Any] = {"terms": terms, "threads": threads}
            yield (
                f"{size}-{name}",
                RunInput(
                    agreement=AGREEMENT,
                    kind=AgreementKind.BANK_ENTERPRISE,
                    window=window_of(FIRST_DAY + 7),
                    previous_window=None,
                    servicer=servicer,
                    owner=owner,
                    **fields,
                ),
            )
    yield from wide_runs(threads)


def digests(threads: int | None = None) -> dict[str, str]:
    """Return the report digest of every pinned run, in hex."""
    return {name: reconcile(run).digest.hex() for name, run in runs(threads)}


if __name__ == "__main__":
    few.FEW_PAIRS = int(sys.argv[2])  # type: ignore[misc]
    for run_name, digest in digests(int(sys.argv[1])).items():
        print(run_name, digest)  # noqa: T201 - its output is what the test reads
