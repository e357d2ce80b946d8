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
from node.screening.auditing import Logged

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

    def begin_audit(self, session: Session, logged: Logged, evaluation: bytes) -> int | None:
        """Have a member asked on the ledger to open an evaluation, named by its digest."""
        args = (logged.ticket, logged.subject, logged.blinded, logged.key_epoch, logged.signature)
        subject = self.audit_subject(evaluation)
        return self._once(session, POINTS, "beginAudit", args, subject, POSTER)

    def audit_subject(self, evaluation: bytes) -> str:
        """Return the subject of an audit's beginning."""
        return f"audit/{evaluation.hex()}"

    def close_audit(self, session: Session, audit: int, evaluation: bytes) -> int | None:
        """Say that an evaluation was opened."""
        subject = self.close_subject(audit, evaluation)
        return self._once(session, POINTS, "closeAudit", (audit,), subject, POSTER)

    def close_subject(self, audit: int, evaluation: bytes) -> str:
        """Return the subject of an audit's closing."""
        return f"audit-close/{audit}/{evaluation.hex()}"

    def answer_audit(
        self, session: Session, audit: int, evaluation: bytes, word: bytes
    ) -> int | None:
        """Show the regulator's signed word that an evaluation was opened."""
        subject = self.answer_subject(audit, evaluation)
        return self._once(session, POINTS, "answerAudit", (audit, word), subject, POSTER)

    def answer_subject(self, audit: int, evaluation: bytes) -> str:
        """Return the subject of an answer to an audit."""
        return f"audit-answer/{audit}/{evaluation.hex()}"

    def settle_audit(self, session: Session, audit: int, evaluation: bytes) -> int | None:
        """Have who did not open in time fined, or an erased listing's audit ended."""
        subject = self.settle_subject(audit, evaluation)
        return self._once(session, POINTS, "settleAudit", (audit,), subject, POSTER)

    def settle_subject(self, audit: int, evaluation: bytes) -> str:
        """Return the subject of an audit's settling."""
        return f"audit-settle/{audit}/{evaluation.hex()}"

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
