"""Commands on what did not match: `break`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.drafts import Number, Person, Single, Why, show_decisions
from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import (
    AgreementArg,
    AgreementOption,
    DayOption,
    Home,
    Wait,
    WindowOption,
    finish,
    login_of,
    node_of,
    window_of_words,
)
from node.cli.words import digits_of, money, refs, short, signed_words
from reconcile.model import Carrier, Direction, EntryStatus, day_iso

if TYPE_CHECKING:
    from node.services.breaks import BreakDetail, BreakRow
    from reconcile.model import Entry

MAX_ROWS: Final = 1_000
SHOWN: Final = 40


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    broken = typer.Typer(no_args_is_help=True, help="What did not match, and decisions on it.")
    broken.command("list")(break_list)
    broken.command("show")(break_show)
    broken.command("decide")(break_decide)
    broken.command("approve")(break_approve)
    broken.command("decisions")(break_decisions)
    app.add_typer(broken, name="break")


def break_list(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, e.g. AMOUNT.")] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List the breaks of a window's run, the newest window's without one."""
    chosen = None if window is None and day is None else window_of_words(window, day)
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        rows = node.breaks.breaks(
            found, chosen, kind=None if kind is None else kind.upper(), limit=MAX_ROWS
        )
    emit({"breaks": [row.to_json() for row in rows]}, json_to, lambda: _show_breaks(rows))
    return EXIT_DONE


def _show_breaks(rows: tuple[BreakRow, ...]) -> None:
    table(
        "Breaks",
        ("key", "kind", "servicer", "owner", ">difference", ">age", "marks"),
        [
            (
                short(row.key),
                row.kind,
                refs(row.servicer),
                refs(row.owner),
                signed_words(row.signed) if row.servicer or row.owner else "–",
                row.age_days,
                " ".join(row.marks),
            )
            for row in rows
        ],
    )


def break_show(
    agreement: AgreementArg,
    key: Annotated[str, typer.Argument(help="The break's key or its beginning.")],
    window: WindowOption = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Show a break with both entries side by side, and why each pass failed."""
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        detail = node.breaks.show(found, key, window)
    emit(detail.to_json(), json_to, lambda: _show_break(detail))
    return EXIT_DONE


def _show_break(detail: BreakDetail) -> None:
    from node.services.breaks.explaining import COMPARED

    say(f"{detail.row.kind}  {detail.row.key.hex()}")
    say(detail.sentence)
    left = detail.servicer[0] if detail.servicer else None
    right = detail.owner[0] if detail.owner else None
    table(
        "",
        ("field", "servicer", "owner", ""),
        [
            (
                name.removesuffix("_minor"),
                "–" if left is None else _cell(left, name),
                "–" if right is None else _cell(right, name),
                "differs" if name in detail.differing else "",
            )
            for name in ("entry_ref", *COMPARED)
        ],
    )
    for item in detail.tried:
        say(f"  {item.pass_name:16} {item.verdict}: {item.why}")


def _cell(entry: Entry, name: str) -> str:
    """Return one field as a person reads it: days, amounts and words, never their numbers."""
    value = getattr(entry, name)
    if value is None or value == ():
        return "–"
    if name in {"amount_minor", "fee_minor"}:
        return money(value, digits_of(entry.currency))
    if name in {"booking_date", "value_date"}:
        return day_iso(value)
    if name == "references":
        return ", ".join(f"{Carrier(carrier).word} {text[:SHOWN]}" for carrier, text in value)
    if isinstance(value, Direction | EntryStatus):
        return value.name
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:SHOWN]


def break_decide(
    agreement: AgreementArg,
    verdict: Annotated[str, typer.Argument(help="confirm, reject, unmatch or write_off.")],
    reason: Why,
    key: Annotated[str | None, typer.Option(help="The break it is about.")] = None,
    servicer: Annotated[list[str] | None, typer.Option(help="A ref of the servicer.")] = None,
    owner: Annotated[list[str] | None, typer.Option(help="A ref of the owner.")] = None,
    person: Person = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Draft a decision as maker; another person approves it."""
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        view = node.breaks.propose_decision(
            found,
            verdict=verdict,
            reason=reason,
            actor=login_of(node, person, "propose", found),
            key=key,
            servicer=tuple(servicer or ()),
            owner=tuple(owner or ()),
        )
    emit(view.to_json(), json_to, lambda: say(f"decision {view.decision_id} drafted"))
    return EXIT_DONE


def break_approve(
    decision: Number,
    person: Person = None,
    single: Single = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Approve a decision as checker; it is sealed and posted."""
    with node_of(home) as node:
        found = node.breaks.decision(decision).agreement
        who = login_of(node, person, "check", found, single=single)
        view = node.breaks.approve_decision(decision, actor=who, single=single)
    done = finish(home, wait=wait)
    emit({**view.to_json(), "done": done}, json_to, lambda: say("approved"))
    return EXIT_DONE


def break_decisions(agreement: AgreementArg, home: Home = None, json_to: JsonTo = None) -> int:
    """List this side's decisions."""
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        rows = node.breaks.decisions(found)
    emit(
        {"decisions": [row.to_json() for row in rows]},
        json_to,
        lambda: show_decisions("Decisions", rows),
    )
    return EXIT_DONE
