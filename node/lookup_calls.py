"""The calls on `Lookups` and its neighbours that a committee, its readers and replicas make.

As in `node.calls`: intents inside the caller's transaction, whose subject names the effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from node.calls import Calls
from node.identity import Identity
from node.outbox import append_intent

LOOKUPS: Final = "Lookups"
POINTS: Final = "Points"
BLACKLIST: Final = "Blacklist"
ADMIN: Final = "admin"
POSTER: Final = "registry"


class LookupCalls:
    """Appends intents; each method returns the intent's id, or None where it waits already."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._calls = Calls(identity)

    def speak(self, session: Session, run: bytes, phase: int, body: bytes) -> int | None:
        """Put a word of a run on the ledger, once; another word of the phase is another effect."""
        subject = f"speak/{run.hex()}/{phase}/{hashlib.sha256(body).hexdigest()[:16]}"
        return self._once(session, LOOKUPS, "speak", (run, phase, body), subject, POSTER)

    def approve_key_epoch(
        self,
        session: Session,
        key_epoch: int,
        threshold: int,
        members: Sequence[int],
        *,
        public_key: bytes,
        shares_hash: bytes,
        switch_block: int,
    ) -> int | None:
        """Approve a key epoch's committee (ADMIN)."""
        args = (key_epoch, threshold, list(members), public_key, shares_hash, switch_block)
        digest = hashlib.sha256(repr(args).encode()).hexdigest()[:16]
        subject = f"keyepoch/{key_epoch}/{digest}"
        return self._once(session, LOOKUPS, "approveKeyEpoch", args, subject, ADMIN)

    def _once(
        self,
        session: Session,
        contract: str,
        call: str,
        args: Sequence[object],
        subject: str,
        lane_key: str,
    ) -> int | None:
        if self._calls.pending(session, subject):
            return None
        return append_intent(
            session,
            kind=call,
            contract=contract,
            call=call,
            args=args,
            subject=subject,
            lane_key=lane_key,
            now_ms=self._identity.clock(),
        )
