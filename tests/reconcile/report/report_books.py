"""Books and checks that the tests of this folder share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from reconcile.matching import RunInput
from reconcile.model import (
    AgreementKind,
    Balance,
    BalanceBasis,
    Direction,
    Entry,
    EntryStatus,
    SideBook,
    window_of,
)
from reconcile.report import (
    Result,
    reconcile,
    verify_report,
)
from reconcile.terms import Terms, default_terms, parse_terms, terms_json

IN, OUT = Direction.IN, Direction.OUT
DAY = 20_780  # Monday 2026-11-23
STATED = BalanceBasis.STATED
AGREEMENT = hashlib.sha256(b"agreement").digest()


def line(ref: str, direction: Direction, minor: int, key: str | None = None, **more: Any) -> Entry:  # noqa: ANN401
    """Return an entry of the day; `key` is its end-to-end reference."""
    fields: dict[str, Any] = {"currency": "CNY", "booking_date": DAY, **more}
    if key is not None:
        fields["references"] = ((1, key),)
    return Entry(entry_ref=ref, version=0, direction=direction, amount_minor=minor, **fields)


def stated(**minor: int) -> dict[str, Balance]:
    """Return stated balances by currency."""
    return {code: Balance.of_signed(value, DAY, STATED) for code, value in minor.items()}


def run_of(
    servicer: SideBook,
    owner: SideBook,
    *,
    terms: Terms | None = None,
    **more: Any,  # noqa: ANN401 - fields of a run
) -> RunInput:
    """Return a run over the day under the default terms."""
    fields: dict[str, Any] = {
        "agreement": AGREEMENT,
        "kind": AgreementKind.BANK_ENTERPRISE,
        "window": window_of(DAY),
        "previous_window": None,
        "terms": terms or default_terms(["CNY", "USD"]),
        **more,
    }
    return RunInput(servicer=servicer, owner=owner, **fields)


def tolerant_terms() -> Terms:
    """Return terms whose first pass tolerates ten fen, with a budget."""
    body = terms_json(default_terms(["CNY"]))
    body["passes"][0]["amount"]["tolerance_minor"] = "10"
    body["tolerance_budget_minor"] = "1000"
    return parse_terms(body)


def row(result: Result, currency: str = "CNY") -> dict[str, Any]:
    """Return a currency's totals of a report."""
    found: dict[str, Any] = next(x for x in result.report["totals"] if x["currency"] == currency)
    return found


def failing(result: Result) -> list[tuple[str, str | None]]:
    """Return the identities that do not hold."""
    lines = result.report["identities"]
    return [(item["name"], item["side"]) for item in lines if not item["holds"]]


def all_hold(result: Result) -> bool:
    """Say whether every check of the verification holds."""
    checks = verify_report(result.report, result.groups, result.proposals, digest=result.digest)
    return all(check.ok for check in checks)


def worked_example() -> Result:
    """Reconcile two books whose every figure was computed by hand."""
    servicer = SideBook(
        entries=(
            line("s1", IN, 10_000, "PAY-0001"),
            line("s2", OUT, 2_500, "PAY-0002"),
            line("s3", IN, 700, "PAY-0003"),  # the owner booked 650: AMOUNT, +50
            line("s4", OUT, 300, "PAY-0004"),  # only here: TIMING, -300
            line("s5", OUT, 10_000, "PAY-0005", is_reversal=True),
            line("s6", IN, 9_999, "PAY-0006", status=EntryStatus.PENDING),  # moves nothing
        ),
        opening=stated(CNY=100_000),
        closing=stated(CNY=97_900),  # 100,000 + 10,700 - 12,800
    )
    owner = SideBook(
        entries=(
            line("o1", IN, 10_000, "PAY-0001"),
            line("o2", OUT, 2_500, "PAY-0002"),
            line("o3", IN, 650, "PAY-0003"),
            line("o5", OUT, 10_000, "PAY-0005", is_reversal=True),
            line("o7", IN, 80, "PAY-0007"),  # only here: TIMING, -80 seen from the servicer
        ),
        opening=stated(CNY=100_000),
        closing=stated(CNY=98_230),  # 100,000 + 10,730 - 12,500
    )
    return reconcile(run_of(servicer, owner))


def one_sided(
    opening: int | None,
    closing: int | None,
    entries: Sequence[Entry] = (),
    **more: Any,  # noqa: ANN401
) -> SideBook:
    """Return a book in yuan with stated balances where given."""
    return SideBook(
        entries=tuple(entries),
        opening={} if opening is None else stated(CNY=opening),
        closing={} if closing is None else stated(CNY=closing),
        **more,
    )


PAIR = (line("s1", IN, 500, "PAY-0001"),), (line("o1", IN, 500, "PAY-0001"),)


amounts = st.integers(1, 60) | st.integers(1, 10**12)
keys = st.none() | st.sampled_from([f"REF-{number:04d}" for number in range(6)])


@st.composite
def books(draw: st.DrawFn, prefix: str) -> SideBook:
    """Draw a consistent book: its closing follows from its opening and its moving entries."""
    count = draw(st.integers(0, 8))
    entries = [
        line(
            f"{prefix}{number}",
            draw(st.sampled_from(list(Direction))),
            draw(amounts),
            draw(keys),
            currency=draw(st.sampled_from(["CNY", "CNY", "USD"])),
            booking_date=DAY - draw(st.integers(0, 9)),
            value_date=draw(st.none() | st.integers(DAY - 9, DAY + 3)),
            status=draw(st.sampled_from([EntryStatus.BOOKED] * 4 + list(EntryStatus))),
            group_ref=draw(st.none() | st.sampled_from(["GRP-1", "GRP-2"])),
            counterparty_account=draw(st.none() | st.sampled_from(["99010001", "99010002"])),
            is_reversal=draw(st.booleans()),
        )
        for number in range(count)
    ]
    closing = {"CNY": 5_000, "USD": -70}
    for entry in entries:
        if entry.moving:
            closing[entry.currency] += entry.signed_minor
    return SideBook(
        entries=tuple(entries), opening=stated(CNY=5_000, USD=-70), closing=stated(**closing)
    )
