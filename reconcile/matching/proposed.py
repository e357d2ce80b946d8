"""Proposals that stand, by their keys and by the entries that they name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconcile.model import Proposal

Made = tuple[Proposal, tuple[int, ...]]
"""A proposal with the ids of all its entries, also of those beyond the refs that it shows."""


class Proposed:
    """All proposals that stand."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made: dict[bytes, Made] = {}
        self._of: dict[int, set[bytes]] = {}

    def of(self, item: int) -> Collection[bytes]:
        """Return the keys of those that name an id."""
        return self._of.get(item, ())

    def keep(self, proposal: Proposal, ids: tuple[int, ...]) -> None:
        """Take one more."""
        self._made[proposal.key] = (proposal, ids)
        for item in ids:
            self._of.setdefault(item, set()).add(proposal.key)

    def replace(
        self, before: Iterable[bytes], made: Iterable[Made]
    ) -> tuple[dict[bytes, Proposal], frozenset[bytes]]:
        """Take these in the place of others; return which are new and which are gone."""
        gone = {key: self._drop(key) for key in before}
        proposed = {}
        for proposal, ids in made:
            self.keep(proposal, ids)
            if gone.get(proposal.key) == proposal:
                del gone[proposal.key]
            else:
                proposed[proposal.key] = proposal
        return proposed, frozenset(gone)

    def _drop(self, key: bytes) -> Proposal:
        proposal, ids = self._made.pop(key)
        for item in ids:
            self._of[item].discard(key)
            if not self._of[item]:
                del self._of[item]
        return proposal
