"""The break service: pages of breaks and groups of the latest run, and decisions on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import terms_at
from node.runs import groups_from
from node.services.breaks.decisions import Decisions
from node.services.breaks.explaining import (
    bare_sentence,
    differing_fields,
    sentence,
    tried_passes,
)
from node.services.breaks.runs import break_of, run_of
from node.services.breaks.views import BreakDetail, BreakRow, GroupRow, ProposalRow
from node.tables import MatchRun, PostedEntry, ReportRow, RunBreak, RunProposal
from reconcile.commitment.records import decode_record
from reconcile.model import Entry, Side

MAX_ENTRIES: Final = 400


class BreakService(Decisions):
    """Breaks, groups and decisions of one node."""

    # ---------------------------------------------------------------------- reading
    def breaks(
        self,
        agreement: bytes,
        window: int | None = None,
        *,
        kind: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> tuple[BreakRow, ...]:
        """Return breaks of a window's run (None: the newest), from behind number `after`."""
        with self._reading() as session:
            run = run_of(session, agreement, window)
            if run is None:
                return ()
            query = select(RunBreak).where(RunBreak.run_id == run.id)
            if kind is not None:
                query = query.where(RunBreak.kind == kind)
            if after is not None:
                query = query.where(RunBreak.number > after)
            rows = session.execute(query.order_by(RunBreak.number).limit(limit)).scalars()
            return tuple(_row(item, run.window) for item in rows)

    def show(self, agreement: bytes, key: bytes | str, window: int | None = None) -> BreakDetail:
        """Return one break with both sides' entries and what each pass made of them.

        `key` may be the beginning of its hex. Raises `UsageError` BREAK_UNKNOWN, BREAK_AMBIGUOUS.
        """
        with self._reading() as session:
            run = run_of(session, agreement, window)
            found = break_of(session, run, key)
            assert run is not None, "a break was found in it"
            row = _row(found, run.window)
            servicer = self._entries(session, agreement, Side.SERVICER, row.servicer)
            owner = self._entries(session, agreement, Side.OWNER, row.owner)
            terms = terms_at(session, agreement, run.window)
            return BreakDetail(
                row=row,
                servicer=servicer,
                owner=owner,
                differing=differing_fields(servicer, owner),
                tried=tried_passes(terms, servicer, owner),
                proposals=self._proposals(session, run.id, row.proposals),
                sentence=sentence(servicer, owner, dict(terms.currencies))
                if servicer or owner
                else bare_sentence(row, _named(session, run), terms.currencies),
            )

    def groups(
        self,
        agreement: bytes,
        window: int | None = None,
        *,
        search: str | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> tuple[GroupRow, ...]:
        """Return confirmed groups; `search` is part of a ref of either side."""
        with self._reading() as session:
            run = run_of(session, agreement, window)
            if run is None:
                return ()
            found = (
                GroupRow(
                    number=number,
                    pass_name=item.pass_name,
                    servicer=item.servicer,
                    owner=item.owner,
                    currency=item.currency,
                    residual_minor=item.residual_minor,
                )
                for number, item in groups_from(session, run.id, after + 1)
                if not search or any(search in ref for ref in (*item.servicer, *item.owner))
            )
            return tuple(islice(found, limit))

    def _entries(
        self, session: Session, agreement: bytes, side: Side, refs: Sequence[str]
    ) -> tuple[Entry, ...]:
        """Return the versions that count, in the order of the refs."""
        some = list(refs)[:MAX_ENTRIES]
        rows = session.execute(
            select(PostedEntry.entry_ref, PostedEntry.record)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == int(side),
                PostedEntry.repeat.is_(False),
                PostedEntry.entry_ref.in_(some),
            )
            .order_by(PostedEntry.version)
        )
        found: dict[str, Entry] = {}
        for ref, record in rows:
            entry = decode_record(record)
            assert isinstance(entry, Entry), "the entries table holds entries"
            found[ref] = entry
        return tuple(found[ref] for ref in some if ref in found)

    def _proposals(
        self, session: Session, run_id: int, keys: Sequence[str]
    ) -> tuple[ProposalRow, ...]:
        if not keys:
            return ()
        rows = session.execute(
            select(RunProposal).where(
                RunProposal.run_id == run_id,
                RunProposal.proposal_key.in_([bytes.fromhex(key) for key in keys]),
            )
        ).scalars()
        return tuple(
            ProposalRow(
                key=row.proposal_key,
                pass_name=row.pass_name,
                servicer=tuple(row.servicer),
                owner=tuple(row.owner),
                servicer_count=row.servicer_count,
                owner_count=row.owner_count,
                reason=row.reason,
            )
            for row in rows
        )


def _row(item: RunBreak, window: int) -> BreakRow:
    return BreakRow(
        key=item.break_key,
        kind=item.kind,
        window=window,
        number=item.number,
        servicer=tuple(item.servicer),
        owner=tuple(item.owner),
        signed=tuple((code, int(minor)) for code, minor in item.signed),
        age_days=item.age_days,
        marks=tuple(item.marks),
        also=tuple(item.also),
        proposals=tuple(item.proposals),
    )


def _named(session: Session, run: MatchRun) -> dict[str, Any]:
    """Return the identities of a run, with the gaps that its report names, if one was kept."""
    kept = session.execute(
        select(ReportRow.report).where(
            ReportRow.agreement == run.agreement,
            ReportRow.window == run.window,
            ReportRow.digest == run.digest,
        )
    ).scalar_one_or_none()
    if kept is not None:
        report: dict[str, Any] = json.loads(kept)
        return report
    return {"identities": run.identities, "gaps": {side.word: () for side in Side}}
