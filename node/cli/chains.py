"""`chains`: head office's vouchers from branch to branch, and what is in transit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, emit, say, table
from node.cli.session import Home, node_of
from node.cli.words import digits_of, money, refs

if TYPE_CHECKING:
    from node.services.reconciliation import Chains
    from reconcile.report import Chain

MAX_ROWS: Final = 1_000
SHORT_HEX: Final = 8


def register(app: typer.Typer) -> None:
    """Put the command into the tree."""
    app.command("chains")(chains)


def chains(
    voucher: Annotated[str | None, typer.Option(help="Part of a voucher number.")] = None,
    state: Annotated[
        str | None, typer.Option(help="originated, at_head, received or irregular.")
    ] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only what has not arrived.")] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Show vouchers from branch to branch through head office. Exit 1: an identity fails."""
    from node.services.reconciliation import state_of_word

    with node_of(home) as node:
        found = node.reconciliation.chains(
            voucher_no=voucher, state=state_of_word(state), open_only=open_only, limit=MAX_ROWS
        )
    emit(found.to_json(), json_to, lambda: _show(found))
    return EXIT_DONE if found.holds else EXIT_NO


def _show(found: Chains) -> None:
    if not found.agreements:
        say("this node keeps no branch's account: there is no head-branch agreement")
        return
    for line in found.lines:
        places = digits_of(line.currency)
        counts = ", ".join(f"{count:,} {state.lower()}" for state, count in line.counts)
        say(f"{line.currency}: {counts}")
        say(
            f"  in transit {money(line.in_transit_minor, places)} = between branches and head "
            f"office {money(line.unmatched_minor, places)} + at head office "
            f"{money(line.at_head_minor, places)}; open vouchers {money(line.open_minor, places)}"
        )
    if found.chains:
        table(
            "Vouchers",
            ("voucher", "state", ">amount", ">in transit", "branch", "head office"),
            [row for chain in found.chains for row in _rows(chain)],
        )
    if found.total > len(found.chains):
        say(f"… and {found.total - len(found.chains):,} more; narrow with --voucher or --state")
    say("every identity holds" if found.holds else "an in-transit identity fails")


def _rows(chain: Chain) -> list[tuple[str, ...]]:
    places = digits_of(chain.currency)
    rows: list[tuple[str, ...]] = []
    for number, leg in enumerate(chain.legs):
        head = (
            (
                chain.voucher_no or "–",
                chain.state.lower(),
                money(chain.amount_minor, places),
                money(chain.in_transit_minor, places),
            )
            if number == 0
            else ("", "", "", "")
        )
        sides = [
            f"{refs(tuple(leg.refs[side]))} {money(leg.signed[side], places)}"
            if leg.refs[side]
            else "–"
            for side in (1, 0)
        ]
        rows.append((*head, f"{leg.agreement.hex()[:SHORT_HEX]} {sides[0]}", sides[1]))
    return rows
