"""The state of a window from what is known of it: one pure function."""

from __future__ import annotations

from reconcile.model import Side


def window_state(
    *,
    ours: Side | None,
    agreed: str | None,
    digests: tuple[bytes | None, ...],
    closed: tuple[bool, bool],
    proven: bool,
    run: bool,
    overdue: bool,
    refused: bool,
) -> str:
    """Return the window's state from what is known; the first that holds.

    `digests` are the latest attested ones, servicer first. An observer reads the servicer's
    side as "ours" for the words that need one.
    """
    if agreed is not None:
        return agreed
    mine, theirs = (ours, ours.other) if ours is not None else (Side.SERVICER, Side.OWNER)
    if digests[mine] is not None and digests[theirs] is not None:
        return "DIFFERS" if digests[mine] != digests[theirs] else "ATTESTED"
    if digests[mine] is not None:
        return "UNANSWERED" if overdue else "ATTESTED"
    if digests[theirs] is not None:
        return "AWAITING_US"
    if refused:
        return "NOT_COMPUTED"
    if all(closed):
        return "PROVEN" if proven else "CLOSED"
    if closed[mine]:
        return "CLOSED_BY_US"
    if closed[theirs]:
        return "CLOSED_BY_THEM"
    return "PROVISIONAL" if run else "OPEN"
