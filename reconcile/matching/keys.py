"""The hashes that name groups, proposals, decisions and breaks (matching.md, rules 3 to 5).

Lists of refs are sorted as UTF-8 bytes, which for Python's strings is their own order. Integers
are fixed width, big-endian, as in the ledger's heads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from reconcile.model import BreakKind, Decision, Side


def sorted_refs(refs: Iterable[str]) -> tuple[str, ...]:
    """Return refs in the order of their UTF-8 bytes."""
    return tuple(sorted(refs))


def _digest(tag: str, *parts: bytes) -> bytes:
    return hashlib.sha256(b"".join([tag.encode(), *parts])).digest()


def _ref_lists(servicer: Iterable[str], owner: Iterable[str]) -> bytes:
    return msgspec.msgpack.encode([sorted_refs(servicer), sorted_refs(owner)])


def group_subject(agreement: bytes, servicer: Iterable[str], owner: Iterable[str]) -> bytes:
    """Return the subject of confirm, reject and unmatch (rule 4)."""
    return _digest("kanhe/group/1", agreement, _ref_lists(servicer, owner))


def proposal_key(
    agreement: bytes, pass_number: int, servicer: Iterable[str], owner: Iterable[str]
) -> bytes:
    """Return a proposal's key (rule 3); passes count from 1, as uint32."""
    number = pass_number.to_bytes(4, "big")
    return _digest("kanhe/proposal/1", agreement, number, _ref_lists(servicer, owner))


def break_key(agreement: bytes, side: Side, entry_ref: str) -> bytes:
    """Return the key of a break whose entry first carried is this one (rule 5)."""
    return _digest("kanhe/break/1", agreement, bytes([side]), entry_ref.encode())


def bare_break_key(
    agreement: bytes, kind: BreakKind, side: Side, currency: str, window: int
) -> bytes:
    """Return the key of a break without entries (rule 5)."""
    named = msgspec.msgpack.encode([str(kind), int(side), currency, window])
    return _digest("kanhe/break/1", agreement, named)


def decision_hash(decision: Decision) -> bytes:
    """Return what the next decision on the subject names as `previous`: all but the decider."""
    said = [
        decision.subject,
        decision.previous,
        decision.verdict,
        sorted_refs(decision.servicer),
        sorted_refs(decision.owner),
    ]
    return _digest("kanhe/decision/1", msgspec.msgpack.encode(said))
