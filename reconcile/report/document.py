"""The digested report as JSON: only strings, booleans, null, lists and objects.

No clock, host, person or software version stands in it, and every list has a canonical order, so
that both institutions compute the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconcile.matching.keys import decision_hash, sorted_refs
from reconcile.matching.run_input import Matched, RunInput
from reconcile.model import Break, CarriedItem, InvalidBatch, Proposal, Side, day_iso, window_day
from reconcile.report.carry import carried_json, refs_json
from reconcile.report.groups import groups_root
from reconcile.report.totals import CurrencyTotals, Identity

REPORT_FORMAT: Final = "1"


def break_json(item: Break) -> dict[str, Any]:
    """Return a break as `interfaces.md` names it."""
    body: dict[str, Any] = {
        "key": item.key.hex(),
        "kind": str(item.kind),
        "servicer": list(item.servicer),
        "owner": list(item.owner),
        "signed": [{"currency": name, "minor": str(minor)} for name, minor in item.signed],
        "age_days": str(item.age_days),
        "marks": [str(mark) for mark in item.marks],
        "also": [str(kind) for kind in item.also],
        "proposals": [key.hex() for key in item.proposals],
        "merged_keys": [key.hex() for key in item.merged_keys],
    }
    if item.unexplained_minor is not None:
        body["side"] = None if item.side is None else item.side.word
        body["unexplained_minor"] = str(item.unexplained_minor)
    return body


def proposal_json(item: Proposal) -> dict[str, Any]:
    """Return a proposal as `interfaces.md` names it."""
    return {
        "key": item.key.hex(),
        "pass": item.pass_name,
        "servicer": list(item.servicer),
        "owner": list(item.owner),
        "counts": {"servicer": str(item.servicer_count), "owner": str(item.owner_count)},
        "reason": item.reason,
    }


def totals_json(row: CurrencyTotals) -> dict[str, Any]:
    """Return one currency's totals, both sides and the proof."""
    body: dict[str, Any] = {"currency": row.currency, "digits": str(row.digits)}
    for side in Side:
        flow, place = row.flows[side], row.positions[side]
        body[side.word] = {
            "count": str(flow.count),
            "in_minor": str(flow.in_minor),
            "out_minor": str(flow.out_minor),
            # A reversal takes back turnover of the opposite direction.
            "net_in_minor": str(flow.in_minor - flow.reversed_in_minor - flow.reversed_out_minor),
            "net_out_minor": str(flow.out_minor - flow.reversed_out_minor - flow.reversed_in_minor),
            "opening_minor": str(place.opening_minor),
            "opening_basis": str(place.opening_basis),
            "closing_minor": str(place.closing_minor),
            "closing_basis": str(place.closing_basis),
        }
    servicer, owner = row.positions
    body["closing_difference_minor"] = str(servicer.closing_minor - owner.closing_minor)
    body["breaks_minor"] = str(row.breaks_minor)
    body["residual_minor"] = str(row.residual_minor)
    body["written_off_minor"] = str(row.written_off_minor)
    body["proof_minor"] = str(row.proof_minor)
    return body


def report_document(
    run: RunInput,
    matched: Matched,
    *,
    breaks: tuple[Break, ...],
    carried: tuple[tuple[CarriedItem, ...], tuple[CarriedItem, ...]],
    totals: Iterable[CurrencyTotals],
    identities: tuple[Identity, ...],
    clearing: list[dict[str, Any]],
    complete: bool,
    balance_proven: bool,
    previous_agreed_digest: bytes,
    heads: tuple[bytes, bytes],
    terms_hashes: Iterable[bytes],
    invalid_batches: Iterable[InvalidBatch],
) -> dict[str, Any]:
    """Return the report; its digest is SHA-256 of its RFC 8785 bytes."""
    first = None if run.previous_window is None else str(run.previous_window)
    return {
        "report_format": REPORT_FORMAT,
        "entry_format": str(run.terms.entry_format),
        "engine": run.terms.engine,
        "agreement": run.agreement.hex(),
        "kind": run.kind.name,
        "window": str(run.window),
        "window_day": day_iso(window_day(run.window)),
        "previous_window": first,
        "previous_agreed_digest": previous_agreed_digest.hex(),
        "heads": {side.word: heads[side].hex() for side in Side},
        "terms_hashes": [item.hex() for item in terms_hashes],
        "complete": complete,
        "balance_proven": balance_proven,
        "says": says(complete=complete, balance_proven=balance_proven, identities=identities),
        "totals": [totals_json(row) for row in totals],
        "identities": [line.to_json() for line in identities],
        "clearing": clearing,
        "group_count": str(len(matched.groups)),
        "groups_root": groups_root(matched.groups).hex(),
        "proposals": [proposal_json(item) for item in matched.proposals],
        "breaks": [break_json(item) for item in breaks],
        "carried": {side.word: carried_json(carried[side]) for side in Side},
        "gaps": {side.word: list(run.book(side).gaps) for side in Side},
        "invalid_batches": [
            {"side": item.side.word, "seq": str(item.seq), "reason": item.reason}
            for item in sorted(invalid_batches, key=lambda item: (item.side, item.seq))
        ],
        **_settled_json(matched),
        "standing": _standing_json(matched),
    }


def says(*, complete: bool, balance_proven: bool, identities: tuple[Identity, ...]) -> str:
    """Return in one sentence what the run proves."""
    if not complete:
        failed = sorted({line.name for line in identities if not line.holds})
        return "not complete: " + ", ".join(failed)
    if balance_proven:
        return "complete: flow reconciled, balance proven"
    return "complete: flow reconciled, balance not proven"


def _settled_json(matched: Matched) -> Mapping[str, Any]:
    return {
        "residuals": [
            {"subject": item.subject.hex(), "currency": item.currency, "minor": str(item.minor)}
            for item in matched.residuals
        ],
        "written_off": [
            {
                "subject": item.subject.hex(),
                "break_key": item.break_key.hex(),
                "currency": item.currency,
                "minor": str(item.minor),
            }
            for item in matched.written_off
        ],
        # The decider is left out: two equal decisions may have had two deciders.
        "decisions": [
            {
                "hash": decision_hash(item.decision).hex(),
                "subject": item.decision.subject.hex(),
                "previous": item.decision.previous.hex(),
                "verdict": item.decision.verdict,
                "servicer": list(sorted_refs(item.decision.servicer)),
                "owner": list(sorted_refs(item.decision.owner)),
                "void": item.void_reason,
            }
            for item in matched.decisions
        ],
        "links": [
            {
                "side": item.side.word,
                "entry_ref": item.entry_ref,
                "original": item.original_ref,
                "subject": None if item.subject is None else item.subject.hex(),
            }
            for item in matched.links
        ],
        "booked": [
            {
                "subject": item.subject.hex(),
                "side": item.side.word,
                "entry_ref": item.entry_ref,
                "currency": item.currency,
                "minor": str(item.minor),
                "written_off": item.written_off,
            }
            for item in matched.booked
        ],
        "listed": [
            {
                "side": item.side.word,
                "entry_ref": item.entry_ref,
                "version": str(item.version),
                "why": item.why,
            }
            for item in matched.listed
        ],
    }


def _standing_json(matched: Matched) -> Mapping[str, Any]:
    """Return what decisions leave standing for later runs."""
    rejected = sorted((sorted(s), sorted(o)) for s, o in matched.rejected)
    return {
        "held": refs_json(matched.held),
        "rejected": [{"servicer": s, "owner": o} for s, o in rejected],
        "last_decisions": [
            {"subject": subject.hex(), "hash": hashed.hex()}
            for subject, hashed in sorted(matched.last_decisions)
        ],
    }
