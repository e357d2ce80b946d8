"""From what the desk reads to what the API answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from node.web.api import schemas as out
from node.web.node_view import NodeView
from node.web.read.breaks import BreakView, GroupView
from node.web.read.entries import EntryRow, EntryView
from node.web.read.parties import AgreementView
from node.web.read.status import Strip
from node.web.read.windows import WindowView
from reconcile.model import Carrier, Entry, Side, day_iso


def status_out(node: NodeView, strip: Strip) -> out.StatusOut:
    """Return head, lag, outbox and incidents."""
    return out.StatusOut(
        institution=node.name,
        member=node.member,
        health=strip.health,
        head_block=strip.head_block,
        read_block=strip.read_block,
        final_block=strip.final_block,
        lag=strip.lag,
        outbox=strip.outbox,
        held=strip.held,
        queued=strip.queued,
        incidents=strip.incidents,
        signing_stopped=strip.signing_stopped,
    )


def agreement_out(view: AgreementView) -> out.AgreementOut:
    """Return one agreement."""
    return out.AgreementOut(
        agreement=view.agreement.hex(),
        label=view.label,
        account=view.account,
        kind=view.kind.name,
        servicer=view.names[0],
        owner=view.names[1],
        our_side=None if view.ours is None else view.ours.word,
        state=view.facts.state,
        terms_hash=view.facts.terms_hash.hex(),
    )


def window_out(row: WindowView) -> out.WindowOut:
    """Return one window; figures are null before its first run."""
    f = row.figures
    return out.WindowOut(
        agreement=row.agreement.agreement.hex(),
        window=row.window,
        day=day_iso(row.day),
        state=row.state,
        refusal=row.refusal or None,
        provisional=None if f is None else not f.proof,
        posted=_pair(*row.posted),
        entries=_pair(f.servicer_entries, f.owner_entries) if f else None,
        matched=_pair(f.servicer_matched, f.owner_matched) if f else None,
        groups=str(f.groups) if f else None,
        breaks=str(f.breaks) if f else None,
        breaks_by_kind={kind.value: str(count) for kind, count in f.breaks_by_kind} if f else {},
        proof=[amount(currency, minor) for currency, minor in f.unexplained] if f else [],
        complete=f.complete if f else None,
        balance_proven=f.balance_proven if f else None,
        digest=f.digest.hex() if f and f.digest else None,
        closed={side.word: row.closed[side] is not None for side in Side},
        attested={side.word: row.signatures[side] is not None for side in Side},
    )


def _pair(servicer: int, owner: int) -> out.SideCount:
    return out.SideCount(servicer=str(servicer), owner=str(owner))


def amount(currency: str, minor: int) -> out.Amount:
    """Return an amount."""
    return out.Amount(currency=currency, minor=str(minor))


def break_out(row: BreakView) -> out.BreakOut:
    """Return one break."""
    return out.BreakOut(
        agreement=row.agreement.hex(),
        window=row.window,
        key=row.key.hex(),
        kind=row.kind.value,
        servicer=list(row.servicer),
        owner=list(row.owner),
        signed=[amount(currency, minor) for currency, minor in row.signed],
        age_days=str(row.age_days),
        marks=list(row.marks),
        also=[kind.value for kind in row.also],
        proposals=[key.hex() for key in row.proposals],
    )


def group_out(row: GroupView) -> out.GroupOut:
    """Return one group."""
    return out.GroupOut.model_validate(
        {
            "number": row.number,
            "pass": row.pass_name,
            "servicer": row.servicer,
            "owner": row.owner,
            "currency": row.currency,
            "residual_minor": str(row.residual_minor),
        },
    )


def entry_out(view: EntryView) -> out.EntryOut:
    """Return one entry with its story."""
    shape = _entry(view.entry, view.side)
    if view.posting is not None:
        shape.state = view.posting.state
        shape.seq, shape.window = view.posting.seq, view.posting.window
        shape.tx_hash = view.posting.tx_hash.hex()
    elif view.queue_state is not None:
        shape.state = view.queue_state
    if view.origin is not None:
        shape.file, shape.line = view.origin.file, view.origin.line
    if view.destination is not None:
        shape.group = view.destination.group_number
        key = view.destination.break_key
        shape.break_key = key.hex() if key else None
    return shape


def listed_entry_out(row: EntryRow) -> out.EntryOut:
    """Return one entry of a list."""
    shape = _entry(row.entry, row.side)
    shape.seq, shape.window = row.seq, row.window
    return shape


def _entry(entry: Entry, side: Side) -> out.EntryOut:
    return out.EntryOut(
        entry_ref=entry.entry_ref,
        version=entry.version,
        side=side.word,
        direction=entry.direction.name,
        amount_minor=str(entry.amount_minor),
        currency=entry.currency,
        booking_date=day_iso(entry.booking_date),
        value_date=None if entry.value_date is None else day_iso(entry.value_date),
        status=entry.status.name,
        is_reversal=entry.is_reversal,
        references={Carrier(number).word: text for number, text in entry.references},
        counterparty_name=entry.counterparty_name,
        counterparty_account=entry.counterparty_account,
        remittance=entry.remittance,
        state="VALID",
        seq=None,
        window=None,
        tx_hash=None,
        file=None,
        line=None,
        group=None,
        break_key=None,
    )


def plain(body: Mapping[str, object]) -> dict[str, Any]:
    """Return a view's fields with numbers as text and bytes as hexadecimal."""
    return {name: _plain(value) for name, value in body.items()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
