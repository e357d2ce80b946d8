"""Rule 2's last step: two heads pair within the distance, else the earlier is set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Row = tuple[int, tuple[int, int, str], int]
"""(id, (booking_date, occurred_at or 0, entry_ref), ordinal of the value date)."""


def walk(
    servicer: Sequence[Row],
    owner: Sequence[Row],
    distance: int | None,
    barred: Callable[[int, int], bool] = lambda _s, _o: False,
) -> list[tuple[int, int]]:
    """Return the pairs of one block; both sides come in the total order; O(n).

    `distance` None leaves it out. `barred` names pairs that a decision rejected. Where two heads
    are the same up to their side, the earlier value date is set aside: so the sides mirror.
    """
    pairs: list[tuple[int, int]] = []
    s = o = 0
    while s < len(servicer) and o < len(owner):
        s_id, s_order, s_day = servicer[s]
        o_id, o_order, o_day = owner[o]
        near = distance is None or abs(s_day - o_day) <= distance
        if near and not barred(s_id, o_id):
            pairs.append((s_id, o_id))
            s, o = s + 1, o + 1
        elif (s_order, s_day) <= (o_order, o_day):
            s += 1
        else:
            o += 1
    return pairs
