"""`kanhe blacklist audit | audits`: evaluations opened to the regulator, and who did not open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.blacklist_people import TestIdentifiers
from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, emit, note, say, table
from node.cli.session import Home, acting, actor, day_of_words, node_of
from reconcile.counting import counted
from reconcile.days import time_iso

if TYPE_CHECKING:
    from node.services.lookups import AuditView

SHOWN = 16


def add_to(group: typer.Typer) -> None:
    """Put the commands into a group."""
    group.command("audit")(audit)
    group.command("audits")(audits)


def audit(
    day: Annotated[str, typer.Option(help="Which day of the chain, e.g. 2026-11-20 (UTC).")],
    one_of: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Open one evaluation of so many.")
    ] = 100,
    test_identifiers: TestIdentifiers = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Audit a day's evaluations, on the regulator's node: anchored logs, and a sample opened."""
    with acting(home) as node:
        report = node.parts.audits.audit(
            day_of_words(day), one_of=one_of, allow_test=test_identifiers, actor=actor()
        )

    def human() -> None:
        say(f"{report.logs} logs hold, {report.evaluations} evaluations")
        say(f"{report.opened} of {report.sampled} sampled ones opened")
        for member, count in sorted(report.erased.items()):
            say(f"{count} of member {member}'s erased, with the certificate on the ledger")
        if report.unread:
            say("not read by this node, held against nobody: --test-identifiers, KANHE_AUTHORITIES")
        for item in (*report.unread, *report.wrong):
            say(f"  {item.kind}: {item.says}")

    emit(report.to_json(), json_to, human)
    return EXIT_DONE if report.holds else EXIT_NO


def audits(
    member: Annotated[int | None, typer.Option(help="Of this accused member alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List audits on the ledger: who has to open what until when, who did, who was fined."""
    with node_of(home) as node:
        found = node.parts.audits.audits(member=member, limit=limit)

    def human() -> None:
        columns = (">no", ">member", "evaluation of", "state", "open until", "begun by", "ended by")
        rows = [
            (
                one.audit,
                one.member,
                _what(one),
                one.state,
                time_iso(one.due_s),
                one.tx_hash.hex()[:SHOWN],
                "–" if one.ended_tx is None else one.ended_tx.hex()[:SHOWN],
            )
            for one in found.audits
        ]
        table("Audits", columns, rows)
        for one in found.audits:
            if one.ours and one.state in {"PENDING", "DUE"}:
                shown = (
                    "the regulator has said that it was opened" if one.word else "not opened yet"
                )
                say(f"  audit {one.audit} is of ours: {shown}; see the incidents")
        if found.waiting:
            note(f"{counted(found.waiting, 'evaluation')} more not opened, not accused yet")

    emit(found.to_json(), json_to, human)
    return EXIT_DONE


def _what(one: AuditView) -> str:
    if one.entry is not None:
        return f"listing {one.entry.hex()[:SHOWN]} in key epoch {one.key_epoch}"
    return f"lookup with ticket {one.ticket}"
