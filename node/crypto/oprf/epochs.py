"""The sequence of keys: a key epoch has one k, whoever holds it; the next epoch has another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from node.crypto.oprf.threshold import Committee
from reconcile.model import ProtocolError, Where


@dataclass(frozen=True, slots=True)
class KeyEpoch:
    """A key epoch, from 1: its committee, and how often its key was shared anew."""

    number: int
    committee: Committee
    sharing: int = 0

    def reshared(self, committee: Committee) -> KeyEpoch:
        """Return the epoch under a new committee; raises OPRF_KEY_CHANGED for another key."""
        if committee.public != self.committee.public:
            raise _refuse("OPRF_KEY_CHANGED", "re-sharing keeps the key")
        return KeyEpoch(self.number, committee, self.sharing + 1)

    def next(self, committee: Committee) -> KeyEpoch:
        """Return the next epoch; raises OPRF_KEY_KEPT where its key is the old one."""
        if committee.public == self.committee.public:
            raise _refuse("OPRF_KEY_KEPT", "a new key epoch needs a new key")
        return KeyEpoch(self.number + 1, committee)


def session_id(chain_id: int, contract: bytes, epoch: int, sharing: int, attempt: int) -> bytes:
    """Return the 32-byte id of a run, so that nothing said in one counts in another."""
    numbers = (chain_id.to_bytes(32, "big"), contract.rjust(32, b"\x00"))
    rest = b"".join(value.to_bytes(4, "big") for value in (epoch, sharing, attempt))
    return hashlib.sha256(b"kanhe/oprf/session/1" + b"".join(numbers) + rest).digest()


def require_one_epoch(*, ticket: int, evaluation: int, root: int) -> int:
    """Return the key epoch that all three name; raises `ProtocolError` LOOKUP_EPOCHS_DIFFER."""
    if not ticket == evaluation == root:
        raise ProtocolError(
            "LOOKUP_EPOCHS_DIFFER",
            f"ticket {ticket}, evaluation {evaluation} and index root {root} name different epochs",
            where=Where(field="key_epoch"),
            help="The lookup is void; take a ticket of the epoch that the current root names.",
        )
    return root


def _refuse(code: str, message: str) -> ProtocolError:
    return ProtocolError(
        code, message, where=Where(field="committee"), help="Keep the present committee in force."
    )
