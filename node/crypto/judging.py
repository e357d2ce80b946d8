"""From a posted payload to its verdict: open it, then judge it, in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass

from node.crypto.sealing import OpenedBatch, open_batch
from reconcile.commitment.heads import BatchPlace
from reconcile.commitment.validity import BatchRules, Earlier, Reason, Validity, judge_batch
from reconcile.model import ProtocolError


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a payload, and the batch where it opened."""

    validity: Validity
    opened: OpenedBatch | None


def judge_payload(
    payload: bytes,
    commitment: bytes,
    place: BatchPlace,
    epoch_key: bytes,
    rules: BatchRules,
    earlier: Earlier,
) -> Judged:
    """Judge a posted payload; it never raises for what a counterparty posted.

    `epoch_key` is the key that the ledger commits to (`EpochKey.unwrap` saw to it): only with that
    key is "it does not open" a fact about the payload and the same on every machine.
    """
    try:
        opened = open_batch(payload, epoch_key, place, commitment)
    except ProtocolError as error:
        verdict = Validity(Reason(error.code), error.message, error.where.line)
        return Judged(verdict, None)
    return Judged(judge_batch(opened.plain, place, rules, earlier), opened)
