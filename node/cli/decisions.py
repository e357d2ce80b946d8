"""Commands on decisions: `decision export | import | list | show | approve | reject`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.breaks import break_decide
from node.cli.drafts import Number, Person, Single, reject_command, show_decisions
from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, emit, require_file, say, table
from node.cli.papers import Language, speaker_of_words, view_of
from node.cli.session import (
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
from node.cli.words import refs, short, signed_words
from reconcile.counting import counted

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.services.breaks import DecisionView, Outcome, StandingDecision

DRAFTED: Final = "DRAFTED"
Workbook = Annotated[
    str | None,
    typer.Option("--workbook", help="Only what came in this file: its SHA-256 or the beginning."),
]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    decision = typer.Typer(no_args_is_help=True, help="Decisions on breaks, singly and in bulk.")
    decision.command("export")(decision_export)
    decision.command("import")(decision_import)
    decision.command("propose")(break_decide)
    decision.command("list")(decision_list)
    decision.command("show")(decision_show)
    decision.command("approve")(decision_approve)
    decision.command("reject")(
        reject_command(
            "decision",
            "Refuse a decision as checker, with the reason.",
            lambda node, number: node.breaks.decision(number),
            lambda node, number, reason, person: node.breaks.reject_decision(
                number, actor=person, reason=reason
            ),
        )
    )
    app.add_typer(decision, name="decision")


def decision_export(
    agreement: AgreementOption,
    out: Annotated[Path, typer.Argument(help="The workbook to write (.xlsx).")],
    window: WindowOption = None,
    day: DayOption = None,
    language: Language = None,
    search: Annotated[
        str, typer.Option("--search", help="Only groups of this reference or amount.")
    ] = "",
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Write breaks, proposals and groups as a workbook; fill in verdict and reason, then import."""
    from node.services.breaks import Listed
    from node.web.pages import reading
    from node.web.workbook import load_book, write_workbook

    chosen = None if window is None and day is None else window_of_words(window, day)
    with node_of(home) as node:
        speaker = speaker_of_words(node, language)
        view = view_of(node, agreement)
        with reading(node)() as session:
            book = load_book(session, view, chosen, speaker, search=search)
    out.write_bytes(write_workbook(book, speaker))
    stamp = book.stamp
    rows = {listed: len(lines) for listed, lines in book.lines.items()}
    rows[Listed.GROUP] -= bool(book.groups_left_out)
    answer = {
        "out": str(out),
        "agreement": stamp.agreement,
        "window": str(stamp.window),
        "digest": stamp.digest,
        "rows": str(rows[Listed.BREAK]),
        "proposals": str(rows[Listed.PROPOSAL]),
        "groups": str(rows[Listed.GROUP]),
        "groups_left_out": str(book.groups_left_out),
    }

    def human() -> None:
        counts = (
            counted(rows[Listed.BREAK], "break"),
            counted(rows[Listed.PROPOSAL], "proposal"),
            counted(rows[Listed.GROUP], "group"),
        )
        say(f"{', '.join(counts)} in {out}")
        if book.groups_left_out:
            say(f"{book.groups_left_out:,} groups are more than a sheet holds: name some, --search")

    emit(answer, json_to, human)
    return EXIT_DONE


def decision_import(
    file: Annotated[Path, typer.Argument(help="The filled-in workbook.")],
    person: Person = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Take a filled-in workbook as maker. Exit 1: some row was refused, the others were taken."""
    from node.web.workbook import take_workbook
    from node.web.workbook.read import read_rows

    data = require_file(file).read_bytes()
    stamp, _ = read_rows(data, file.name)
    with node_of(home) as node:
        view = view_of(node, stamp.agreement)
        who = login_of(node, person, "propose", view.agreement)
        outcomes = take_workbook(node, view, data, name=file.name, actor=who)
    return _tell(outcomes, json_to, {"workbook": _sha256(data)})


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _tell(outcomes: tuple[Outcome, ...], json_to: str | None, more: dict[str, Any]) -> int:
    """Say what became of every row; exit 1 where one was refused."""
    refused = [item for item in outcomes if item.code is not None]
    answer = {
        **more,
        "taken": str(len(outcomes) - len(refused)),
        "refused": str(len(refused)),
        "rows": [item.to_json() for item in outcomes],
    }

    def human() -> None:
        say(f"{len(outcomes) - len(refused):,} taken, {len(refused):,} refused")
        table(
            "",
            ("row", "key", "verdict", ">decision", "why not"),
            [
                (
                    item.cell or item.row,
                    item.key[:12],
                    item.verdict,
                    "–" if item.decision is None else item.decision.decision_id,
                    "" if item.code is None else f"{item.message} [{item.code}] {item.help}",
                )
                for item in outcomes
            ],
        )

    emit(answer, json_to, human)
    return EXIT_NO if refused else EXIT_DONE


def decision_list(
    agreement: AgreementOption,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait for a checker.")
    ] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List this side's decisions, and what both sides posted with what became of it."""
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        drafts = node.breaks.waiting_decisions(found) if waiting else node.breaks.decisions(found)
        standing = () if waiting else node.breaks.standing(found)
    answer = {
        "decisions": [row.to_json() for row in drafts],
        "standing": [row.to_json() for row in standing],
    }
    emit(answer, json_to, lambda: _show_list(drafts, standing))
    return EXIT_DONE


def _show_list(drafts: tuple[DecisionView, ...], standing: tuple[StandingDecision, ...]) -> None:
    show_decisions("Ours", drafts)
    if standing:
        table(
            "On the ledger",
            ("hash", "verdict", "servicer", "owner", "posted by", "effect", ">window"),
            [
                (
                    short(row.hash),
                    row.decision.verdict,
                    refs(row.decision.servicer),
                    refs(row.decision.owner),
                    _posted_by(row),
                    row.effect + (f": {row.void_reason}" if row.void_reason else ""),
                    "–" if row.window is None else row.window,
                )
                for row in standing
            ],
        )


def _posted_by(row: StandingDecision) -> str:
    from reconcile.model import Side

    return ", ".join(side.word for side in Side if row.posted_by(side))


def decision_show(decision: Number, home: Home = None, json_to: JsonTo = None) -> int:
    """Show a decision exactly as its maker made it, with what stood before the eyes."""
    with node_of(home) as node:
        view = node.breaks.decision(decision)
    emit(view.to_json(), json_to, lambda: _show(view))
    return EXIT_DONE


def _show(view: DecisionView) -> None:
    say(f"decision {view.decision_id}: {view.verdict}, {view.state}")
    say(f"maker {view.maker}: {view.reason}")
    if view.checker is not None:
        say(f"checker {view.checker}" + (f": {view.check_reason}" if view.check_reason else ""))
    about = view.seen.get("break")
    if about:
        signed = signed_words(
            tuple((item["currency"], int(item["minor"])) for item in about["signed"])
        )
        say(f"break {about['key'][:12]} {about['kind']}, difference {signed}")
    columns = ("side", "entry", "date", "direction", ">amount", "voucher", "counterparty")
    table(
        "",
        columns,
        [
            (
                side,
                item["entry_ref"],
                item["booking_date"],
                item["direction"],
                signed_words(((item["currency"], int(item["amount_minor"])),)),
                item["voucher"],
                item["counterparty"],
            )
            for side, items in view.seen.get("entries", {}).items()
            for item in items
        ],
    )
    say(f"SHA-256 {view.body_sha256.hex()}")


def decision_approve(
    decisions: Annotated[
        list[int] | None, typer.Argument(help="Numbers of decisions; or --all.")
    ] = None,
    agreement: Annotated[
        str | None, typer.Option("--agreement", "-a", help="With --all or --workbook: which.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every one that waits.")] = False,
    workbook: Workbook = None,
    person: Person = None,
    single: Single = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Approve decisions as checker; they are sealed and posted. Exit 1: some were refused."""
    from node.services.breaks import digest_of

    with node_of(home) as node:
        chosen = _chosen(node, decisions or [], agreement, workbook=workbook, every=every)
        outcomes: tuple[Outcome, ...] = ()
        who = {
            found: login_of(node, person, "check", found, single=single)
            for found in sorted({view.agreement for view in chosen})
        }
        for found, login in who.items():
            part = [view for view in chosen if view.agreement == found]
            outcomes += node.breaks.approve_many(
                found,
                [view.decision_id for view in part],
                digest=digest_of(part),
                actor=login,
                single=single,
            )
    done = finish(home, wait=wait)
    return _tell(outcomes, json_to, {"done": done})


def _chosen(
    node: Node,
    numbers: list[int],
    agreement: str | None,
    *,
    workbook: str | None,
    every: bool,
) -> list[DecisionView]:
    """Return the decisions meant; `UsageError` DECISIONS_MISSING."""
    from reconcile.model import UsageError

    if numbers:
        return [node.breaks.decision(number) for number in numbers]
    if agreement is None or not (every or workbook):
        raise UsageError(
            "DECISIONS_MISSING",
            "name the decisions",
            help="their numbers, or -a AGREEMENT with --all or --workbook",
        )
    found = node.network.find_agreement(agreement).agreement
    waiting = node.breaks.waiting_decisions(found)
    wanted = (workbook or "").lower()
    return [view for view in waiting if every or (view.workbook or "").startswith(wanted or "-")]
