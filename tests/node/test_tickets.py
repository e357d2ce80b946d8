"""Free tickets as the rows tell them, without a chain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from node.services.lookups.buying import free_tickets
from node.tables import Base, OwnLookup, TicketRange

MEMBER = 4


def _range(first: int, count: int, *, member: int = MEMBER, kind: str = "LOOKUP") -> TicketRange:
    return TicketRange(
        first=first,
        count=count,
        member=member,
        kind=kind,
        day=1,
        use=1,
        tx_hash=bytes(32),
        block_number=1,
        log_index=first,
        block_time_s=0,
    )


def _lookup(ticket: int | None) -> OwnLookup:
    return OwnLookup(
        state="DONE",
        purpose=1,
        scope=1,
        valid_from_s=0,
        valid_to_s=0,
        person=b"",
        element=bytes(32),
        made_at_ms=0,
        ticket=ticket,
    )


@given(
    counts=st.lists(st.tuples(st.integers(1, 5), st.sampled_from([MEMBER, 5])), max_size=5),
    bound=st.lists(st.one_of(st.none(), st.integers(1, 25)), max_size=25),
    limit=st.integers(1, 30),
)
def test_free_tickets_are_those_of_own_purchases_that_no_lookup_has(
    counts: list[tuple[int, int]], bound: list[int | None], limit: int
) -> None:
    """Oldest first, other members' and kinds' purchases left out, up to the limit."""
    first, expected = 1, []
    engine = create_engine("sqlite://")
    Base.metadata.create_all(
        engine, [Base.metadata.tables[name] for name in ("ticket_ranges", "own_lookups")]
    )
    with Session(engine) as session:
        for count, member in counts:
            session.add(_range(first, count, member=member))
            mine = range(first, first + count) if member == MEMBER else range(0)
            expected += [ticket for ticket in mine if ticket not in bound]
            first += count
        session.add(_range(first, 3, kind="DETAIL"))
        session.add_all(_lookup(ticket) for ticket in bound)
        session.flush()
        assert free_tickets(session, MEMBER, "LOOKUP", limit) == expected[:limit]
    engine.dispose()
