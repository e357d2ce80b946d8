"""Small adversarial books: few keys, amounts and dates, so that ties abound."""

from __future__ import annotations

from hypothesis import strategies as st

from reconcile.matching.core import RefSets
from reconcile.model import Carrier, Direction, Entry, EntryStatus
from reconcile.terms import AmountRule, FeeSchedule, KeyPair, MatchPass

# Each test draws this many books; raise it for a long run.
EXAMPLES = 25
FIRST_DAY = 20_773  # 2026-11-16, a Monday
PLAIN = ("nfkc_ascii", "trim", "upper")

STATUSES = [EntryStatus.BOOKED] * 8 + list(EntryStatus)
KEYS = ["KEY1", "KEY2", "key1 ", "KEY3"]


def references() -> st.SearchStrategy[tuple[tuple[int, str], ...]]:
    """Return ascending reference arrays over three carriers."""
    return st.builds(
        lambda e2e, order, srv: tuple(
            (int(number), text)
            for number, text in (
                (Carrier.END_TO_END_ID, e2e),
                (Carrier.SERVICER_REF, srv),
                (Carrier.ORDER_NO, order),
            )
            if text is not None
        ),
        st.sampled_from([None, None, *KEYS, "NOTPROVIDED"]),
        st.sampled_from([None, None, None, "ORD1", "ORD2"]),
        st.sampled_from([None, None, "SRV1", "SRV2"]),
    )


def entries(ref: str) -> st.SearchStrategy[Entry]:
    """Return an entry of this ref."""
    days = st.integers(FIRST_DAY, FIRST_DAY + 8)
    return st.builds(
        Entry,
        entry_ref=st.just(ref),
        version=st.just(0),
        direction=st.sampled_from([Direction.IN, Direction.IN, Direction.IN, Direction.OUT]),
        amount_minor=st.sampled_from([100, 100, 100, 101, 102, 200, 300]),
        currency=st.sampled_from(["CNY", "CNY", "CNY", "CNY", "USD"]),
        booking_date=days,
        value_date=st.one_of(st.none(), days),
        status=st.sampled_from(STATUSES),
        references=references(),
        counterparty_name=st.sampled_from([None, "Alpha", "alpha", "Beta"]),
        counterparty_account=st.sampled_from([None, None, "6222-0001", "62220001", "62220002"]),
        fee_minor=st.sampled_from([None, None, 1, 2]),
        group_ref=st.sampled_from([None, None, None, "GRP1", "GRP2"]),
        occurred_at=st.sampled_from([None, None, 5, 7]),
    )


@st.composite
def books(draw: st.DrawFn, most: int = 8) -> tuple[Entry, ...]:
    """Return one side's entries; refs coincide between the sides on purpose."""
    refs = [f"R{i}" for i in range(draw(st.integers(0, most)))]
    book = [draw(entries(ref)) for ref in refs]
    # Twins: what one entry says, said again under another ref.
    copies = draw(st.lists(st.sampled_from(book), max_size=3)) if book else []
    for number, twin in enumerate(copies):
        parts = {name: getattr(twin, name) for name in twin.__struct_fields__}
        book.append(Entry(**parts | {"entry_ref": f"T{number}"}))
    return tuple(draw(st.permutations(book)))


def one_pass(name: str, *carriers: str | tuple[str, str], **parts: object) -> MatchPass:
    """Return a pass over carriers with short defaults."""
    pairs = [(c, c) if isinstance(c, str) else c for c in carriers]
    keys = tuple(
        KeyPair(servicer=s, owner=o, normalise=PLAIN, min_length=int(str(parts.get("least", 2))))
        for s, o in pairs
    )
    amount = AmountRule(
        tolerance_minor=int(str(parts.get("minor", 0))), tolerance_ppm=int(str(parts.get("ppm", 0)))
    )
    return MatchPass(
        name=name,
        keys=keys,
        amount=amount,
        fee=parts.get("fee"),  # type: ignore[arg-type]
        value_date_days=int(str(parts.get("days", 3))),
        shape=parts.get("shape", ("1:1",)),  # type: ignore[arg-type]
        confirm=str(parts.get("confirm", "always")),
        guards=bool(parts.get("guards")),
    )


SHORT = (
    one_pass("e2e", "end_to_end_id"),
    one_pass("order", "order_no"),
    one_pass("group", "group_ref", shape=("1:N", "N:1")),
    one_pass("srvref", "servicer_ref", confirm="unique", guards=True),
    one_pass("account", "counterparty_account", confirm="unique", days=1),
    one_pass("name", "counterparty_name", confirm="never", days=1),
    one_pass("bare", confirm="never", days=1),
)


FEES = (FeeSchedule(fixed_minor=1), FeeSchedule(rate_ppm=10_000, rounding="ceiling"))


@st.composite
def verdicts(draw: st.DrawFn) -> tuple[frozenset[RefSets], RefSets]:
    """Return rejected sets and held refs over the refs that books use."""
    refs = st.frozensets(st.sampled_from(["R0", "R1", "R2", "R3", "T0"]), min_size=1, max_size=2)
    one = st.frozensets(st.sampled_from(["R0", "R1", "R2", "R3", "T0"]), min_size=1, max_size=1)
    pairs = st.one_of(st.tuples(one, one), st.tuples(one, one), st.tuples(refs, refs))
    rejected = draw(st.frozensets(pairs, max_size=4))
    held = draw(st.tuples(*[st.frozensets(st.sampled_from(["R4", "T1"]), max_size=2)] * 2))
    return rejected, held


@st.composite
def rules(draw: st.DrawFn) -> tuple[MatchPass, ...]:
    """Return a rule set with tolerances, other shapes and other orders than the defaults."""
    carriers: list[tuple[str | tuple[str, str], ...]] = [
        ("end_to_end_id",),
        ("order_no",),
        ("end_to_end_id", "order_no"),
        (("end_to_end_id", "servicer_ref"),),
        ("servicer_ref",),
        ("counterparty_account",),
        ("counterparty_name",),
        ("group_ref",),
        (),
    ]
    made = []
    for number in range(draw(st.integers(1, 5))):
        keys = draw(st.sampled_from(carriers))
        shapes = [("1:1",), ("1:1",), ("1:N", "N:1"), ("1:N",), ("1:1", "1:N", "N:1")]
        confirm = draw(st.sampled_from(["always", "always", "unique", "unique", "never"]))
        alike = all(isinstance(key, str) for key in keys) and bool(keys)
        made.append(
            one_pass(
                f"p{number}",
                *keys,
                confirm=confirm,
                guards=alike and confirm != "always" and draw(st.booleans()),
                days=draw(st.sampled_from([0, 1, 3])),
                minor=draw(st.sampled_from([0, 0, 1, 2, 100])),
                ppm=draw(st.sampled_from([0, 0, 9_000, 10_000, 20_000])),
                shape=draw(st.sampled_from(shapes)) if keys else ("1:1",),
                fee=draw(st.sampled_from([None, None, None, *FEES])),
            )
        )
    return tuple(made)
