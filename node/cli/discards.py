"""Commands that give up held records: `outbox discard | discards | approve | reject`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.drafts import SETTLING, Number, Person, Single, reject_command, settling
from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import Home, SideOption, agreement_of, login_of, node_of, side_of
from node.cli.words import short
from reconcile.counting import counted

if TYPE_CHECKING:
    from node.services.posting import DiscardView

SHOWN = 40


def register(outbox: typer.Typer) -> None:
    """Put the commands into the tree of `outbox`."""
    outbox.command("discard")(outbox_discard)
    outbox.command("discards")(outbox_discards)
    outbox.command("approve")(outbox_approve)
    outbox.command("reject")(
        reject_command(
            "discard",
            "Refuse a draft as checker; its records stay held.",
            lambda node, number: node.posting.discard(number),
            lambda node, number, reason, person: node.posting.reject_discard(
                number, actor=person, reason=reason
            ),
        )
    )


def outbox_discard(
    agreement: Annotated[str, typer.Option("--agreement", "-a", help="The agreement.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit log.")],
    side: SideOption = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Only the records of this batch.")
    ] = None,
    unsent: Annotated[
        bool, typer.Option("--unsent", help="Only records whose batch was never sent.")
    ] = False,
    ref: Annotated[
        list[str] | None, typer.Option("--ref", help="Only this entry; may be repeated.")
    ] = None,
    person: Person = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Draft, as maker, to give up held records; another person approves it."""
    from node.services.posting import Choice

    with node_of(home) as node:
        found = agreement_of(node, agreement).agreement
        view = node.posting.propose_discard(
            found,
            Choice(seq=batch, unsent=unsent, refs=tuple(ref or ())),
            reason=reason,
            side=side_of(side),
            actor=login_of(node, person, "discard", found),
        )
    emit(view.to_json(), json_to, lambda: _show(view))
    return EXIT_DONE


def _show(view: DiscardView) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            item["entry_ref"] or item["type"].lower(),
            item["version"],
            item["window"],
            item["batch"] or "not sent",
            item["verdict"],
            short(bytes.fromhex(item["sha256"])),
        )
        for item in view.records[:SHOWN]
    ]
    table(
        f"Discard {view.discard_id}: {counted(len(view.records), 'record')}, {view.state}",
        ("entry", ">version", ">window", ">batch", "verdict", "SHA-256"),
        rows,
    )
    if len(view.records) > SHOWN:
        say(f"… and {len(view.records) - SHOWN:,} more (--json shows all)")
    say(f"maker {view.maker}: {view.reason}")
    if view.state == "DRAFTED":
        say(f"a second person: kanhe outbox approve {view.discard_id}")


def outbox_discards(
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait for a checker.")
    ] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List what was, or is to be, given up; newest first."""
    with node_of(home) as node:
        found = node.posting.discards(waiting=waiting)
    columns = (">no", "agreement", "side", ">records", *SETTLING)
    emit(
        {"discards": [item.to_json() for item in found]},
        json_to,
        lambda: table(
            "Discards" if found else "Nothing was discarded",
            columns,
            [
                (
                    item.discard_id,
                    short(item.agreement),
                    item.side.word,
                    len(item.records),
                    *settling(item),
                )
                for item in found
            ],
        ),
    )
    return EXIT_DONE


def outbox_approve(
    discard: Number,
    person: Person = None,
    single: Single = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Give up, as checker, exactly the records of a draft; they never count as posted."""
    with node_of(home) as node:
        found = node.posting.discard(discard).agreement
        who = login_of(node, person, "check", found, single=single)
        view = node.posting.approve_discard(discard, actor=who, single=single)
    emit(view.to_json(), json_to, lambda: say(f"discarded: {counted(len(view.records), 'record')}"))
    return EXIT_DONE
