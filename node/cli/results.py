"""Commands about results: `reconcile`, `attest`, `status`, `break`, `audit`, `proof`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.offline import AcceptMap, Currency, Lenient, Perspective, Profile
from node.cli.output import (
    EXIT_DONE,
    EXIT_NO,
    JsonTo,
    emit,
    progress,
    require_file,
    say,
    table,
)
from node.cli.session import (
    AgreementArg,
    AgreementOption,
    DayOption,
    Home,
    SideOption,
    Wait,
    WindowOption,
    acting,
    actor,
    finish,
    node_of,
    side_of,
    window_of_words,
)
from node.cli.words import digits_of, money, refs, short, signed_words

if TYPE_CHECKING:
    from node.services.breaks import BreakDetail, BreakRow
    from node.services.proofs import AuditResult
    from node.services.reconciliation import RunView, WindowStatus

AGREED: Final = frozenset({"AGREED", "ONE_SIDED"})
MAX_ROWS: Final = 1_000
SHOWN: Final = 40


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    app.command("reconcile")(reconcile)
    app.command("attest")(attest)
    app.command("status")(status)
    broken = typer.Typer(no_args_is_help=True, help="What did not match, and decisions on it.")
    broken.command("list")(break_list)
    broken.command("show")(break_show)
    broken.command("decide")(break_decide)
    broken.command("approve")(break_approve)
    broken.command("decisions")(break_decisions)
    app.add_typer(broken, name="break")
    app.command("audit")(audit)
    proof = typer.Typer(no_args_is_help=True, help="What can be shown to others.")
    proof.command("export")(proof_export)
    app.add_typer(proof, name="proof")


# ---------------------------------------------------------------------------- runs
def reconcile(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Match now: without a window everything read so far, with one the proof both closed."""
    with acting(home) as node, progress("matching"):
        found = node.network.find_agreement(agreement).agreement
        if window is None and day is None:
            run = node.reconciliation.provisional(found)
        else:
            run = node.reconciliation.prove(found, window_of_words(window, day))
    emit(_run_json(run), json_to, lambda: _show_run(run))
    return EXIT_DONE


def _run_json(run: RunView) -> dict[str, Any]:
    from reconcile.report import break_json

    return {
        "agreement": run.agreement.hex(),
        "window": str(run.window),
        "provisional": run.provisional,
        "digest": run.digest.hex(),
        "complete": run.complete,
        "balance_proven": run.balance_proven,
        "entries": {"servicer": str(run.entries[0]), "owner": str(run.entries[1])},
        "groups": str(run.groups),
        "breaks": [break_json(item) for item in run.breaks],
        "timing_ms": dict(run.timing_ms),
    }


def _show_run(run: RunView) -> None:
    word = "provisional" if run.provisional else "proof"
    say(f"{word} of window {run.window}: {run.groups:,} groups, {len(run.breaks):,} breaks")
    say(f"{'complete' if run.complete else 'NOT complete'}; digest {run.digest.hex()}")


def attest(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    single: Annotated[
        bool, typer.Option("--single", help="A one-person enterprise signs alone; it shows.")
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Sign a window's proof as APPROVER. Exit 1: signed, and not agreed (yet)."""
    chosen = window_of_words(window, day)
    with acting(home) as node:
        found = node.network.find_agreement(agreement).agreement
        node.reconciliation.attest(found, chosen, single=single, actor=actor())
    done = finish(home, wait=wait)
    with node_of(home) as node:
        row = node.reconciliation.window_status(found, chosen)
    emit({**row.to_json(), "done": done}, json_to, lambda: _show_status((row,)))
    return EXIT_DONE if row.state in AGREED or not wait else EXIT_NO


def status(
    agreement: Annotated[
        str | None, typer.Option("--agreement", "-a", help="Only this agreement.")
    ] = None,
    window: WindowOption = None,
    day: DayOption = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Show agreements × windows. With a window: exit 1 unless it is agreed."""
    with node_of(home) as node:
        found = None if agreement is None else node.network.find_agreement(agreement).agreement
        rows = node.reconciliation.status(found)
        tip = dict(node.tip())
    if window is not None or day is not None:
        chosen = window_of_words(window, day)
        rows = tuple(row for row in rows if row.window == chosen)
        agreed = bool(rows) and all(row.state in AGREED for row in rows)
    else:
        agreed = True
    answer = {"windows": [row.to_json() for row in rows], "node": tip}
    emit(answer, json_to, lambda: _show_status(rows))
    return EXIT_DONE if agreed else EXIT_NO


def _show_status(rows: tuple[WindowStatus, ...]) -> None:
    table(
        "",
        (
            "agreement",
            "window",
            ">entries",
            ">matched",
            "breaks",
            "proof",
            "balance",
            ">p50 ms",
            "digest",
            "state",
        ),
        [
            (
                row.label,
                f"{row.day_iso} ({row.window})" if row.window else "opening (0)",
                f"{row.servicer_entries:,} / {row.owner_entries:,}",
                f"{row.matched_entries:,}",
                ", ".join(f"{kind} {count}" for kind, count in row.breaks) or "none",
                ", ".join(f"{money(minor, digits_of(code))} {code}" for code, minor in row.proof),
                row.basis or "–",
                "–" if row.latency.p50_ms is None else row.latency.p50_ms,
                "–" if row.digest is None else short(row.digest),
                row.state,
            )
            for row in rows
        ],
    )


# --------------------------------------------------------------- what did not match
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
                signed_words(row.signed),
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
                name,
                "–" if left is None else _cell(getattr(left, name)),
                "–" if right is None else _cell(getattr(right, name)),
                "differs" if name in detail.differing else "",
            )
            for name in ("entry_ref", *COMPARED)
        ],
    )
    for item in detail.tried:
        say(f"  {item.pass_name:16} {item.verdict}: {item.why}")


def _cell(value: object) -> str:
    return "–" if value is None else str(value)[:SHOWN]


def break_decide(
    agreement: AgreementArg,
    verdict: Annotated[str, typer.Argument(help="confirm, reject, unmatch or write_off.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")],
    key: Annotated[str | None, typer.Option(help="The break it is about.")] = None,
    servicer: Annotated[list[str] | None, typer.Option(help="A ref of the servicer.")] = None,
    owner: Annotated[list[str] | None, typer.Option(help="A ref of the owner.")] = None,
    person: Annotated[
        str | None, typer.Option("--as", help="The maker's login; else this user.")
    ] = None,
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
            actor=person or actor(),
            key=key,
            servicer=tuple(servicer or ()),
            owner=tuple(owner or ()),
        )
    emit(view.to_json(), json_to, lambda: say(f"decision {view.decision_id} drafted"))
    return EXIT_DONE


def break_approve(
    decision: Annotated[int, typer.Argument(help="The decision's number.")],
    person: Annotated[
        str | None, typer.Option("--as", help="The checker's login; else this user.")
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="A one-person enterprise approves its own.")
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Approve a decision as checker; it is sealed and posted."""
    with node_of(home) as node:
        view = node.breaks.approve_decision(decision, actor=person or actor(), single=single)
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
        lambda: table(
            "Decisions",
            (">no", "verdict", "servicer", "owner", "state", "maker", "checker", "reason"),
            [
                (
                    row.decision_id,
                    row.verdict,
                    refs(row.servicer),
                    refs(row.owner),
                    row.state,
                    row.maker,
                    row.checker or "–",
                    row.reason,
                )
                for row in rows
            ],
        ),
    )
    return EXIT_DONE


# -------------------------------------------------------------------------- proofs
def audit(
    agreement: AgreementOption,
    book: Annotated[Path, typer.Option(help="The own core book.")],
    profile: Profile = None,
    perspective: Perspective = None,
    currency: Currency = None,
    lenient: Lenient = False,
    accept_map: AcceptMap = False,
    account: Annotated[str | None, typer.Option(help="Which account of the file.")] = None,
    side: SideOption = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Compare the own core book with the own posted records. Exit 1: they differ."""
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        result = node.proofs.audit(
            found,
            require_file(book),
            side=side_of(side),
            profile=profile,
            perspective=perspective,
            currency=currency,
            lenient=lenient,
            accept_map=accept_map,
            account=account,
        )
    emit(result.to_json(), json_to, lambda: _show_audit(result))
    return EXIT_DONE if result.ok else EXIT_NO


def _show_audit(result: AuditResult) -> None:
    say(f"{result.compared:,} entries compared, {result.first_day} to {result.last_day}")
    if result.ok:
        say("book and ledger agree")
        return
    table(
        "Differences",
        ("kind", "entry", "field", "book", "ledger", ">line"),
        [
            (str(row.kind), row.entry_ref, row.field, row.book, row.ledger, row.line)
            for row in result.rows
        ],
    )


def proof_export(
    agreement: AgreementOption,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    window: WindowOption = None,
    day: DayOption = None,
    entry: Annotated[
        str | None, typer.Option(help="Prove this entry alone instead of the report.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="A side's whole sealed stream instead.")
    ] = False,
    side: SideOption = None,
    with_report: Annotated[
        bool, typer.Option("--with-report", help="Put the report beside an entry's proof.")
    ] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Write what `kanhe verify` checks: a report bundle, a record proof or a stream."""
    from node.crypto.bundle import file_bytes
    from reconcile.model import UsageError

    chosen = window_of_words(window, day)
    with node_of(home, keys=entry is not None) as node:
        view = node.network.find_agreement(agreement)
        of_side = side_of(side) or view.our_side
        if entry is None and not stream:
            body = node.proofs.bundle(view.agreement, chosen)
        elif of_side is None:
            raise UsageError("SIDE_MISSING", "name the side", help="--side servicer or owner")
        elif entry is not None:
            body = node.proofs.record_proof(
                view.agreement, of_side, entry, window=chosen, with_report=with_report
            )
        else:
            body = node.proofs.stream(view.agreement, of_side, chosen)
    data = file_bytes(body)
    out.write_bytes(data)
    answer = {"out": str(out), "kind": body["kanhe"], "bytes": str(len(data))}
    emit(answer, json_to, lambda: say(f"{body['kanhe']} in {out}"))
    return EXIT_DONE
