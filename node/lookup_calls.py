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

    def anchor_log(self, session: Session, day: int, root: bytes, count: int) -> int | None:
        """Anchor this node's log of a day's evaluations."""
        args = (day, root, count)
        return self._once(session, LOOKUPS, "anchorLog", args, f"lookuplog/{day}", POSTER)

    def record_consent(
        self, session: Session, consent: bytes, level: int, valid_to_s: int, revocation_hash: bytes
    ) -> int | None:
        """Record a consent by its digest, and the hash of the secret that revokes it."""
        args = (consent, level, valid_to_s, revocation_hash)
        subject = self.consent_subject(consent)
        return self._once(session, LOOKUPS, "recordConsent", args, subject, POSTER)

    def consent_subject(self, consent: bytes) -> str:
        """Return the subject of a consent's record."""
        return f"consent/{consent.hex()}"

    def revoke_consent(
        self, session: Session, reader: int, consent: bytes, secret: bytes
    ) -> int | None:
        """Revoke a reader's consent by its secret."""
        subject = revoke_subject(reader, consent)
        args = (reader, consent, secret)
        return self._once(session, LOOKUPS, "revokeConsent", args, subject, POSTER)

    def buy_tickets(self, session: Session, kind: int, count: int, number: int) -> int | None:
        """Burn points for numbered tickets; `number` tells this purchase from others."""
        subject = f"tickets/{kind}/{number}"
        return self._once(session, POINTS, "buyTickets", (kind, count), subject, POSTER)

    def cut(self, session: Session, key_epoch: int, number: int) -> int | None:
        """Cut the log for the next index version; `number` is the version that it will have."""
        return self._once(session, BLACKLIST, "cut", (key_epoch,), f"cut/{number}", POSTER)

    def publish_root(
        self,
        session: Session,
        version: int,
        leaf_count: int,
        root: bytes,
        signatures: Sequence[bytes],
        *,
        revision: int,
    ) -> int | None:
        """Publish a version's root with the committee's signatures."""
        args = (version, leaf_count, root, list(signatures))
        subject = f"root/{version}/{revision}"
        return self._once(session, BLACKLIST, "publishRoot", args, subject, POSTER)

    def challenge_root(
        self, session: Session, version: int, revision: int, entry: bytes
    ) -> int | None:
        """Stop a root in which an own leaf is not found; each revision is another effect."""
        subject = f"challenge/{version}/{revision}/{entry.hex()}"
        args = (version, revision, entry)
        return self._once(session, BLACKLIST, "challengeRoot", args, subject, POSTER)

    def waits(self, session: Session, subject: str) -> bool:
        """Say whether an effect was asked for and not refused."""
        return self._calls.pending(session, subject)

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


def revoke_subject(reader: int, consent: bytes) -> str:
    """Return the subject of a revocation."""
    return f"revoke/{reader}/{consent.hex()}"
