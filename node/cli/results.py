"""Commands about results: `reconcile`, `attest`, `status`, `break`, `audit`, `proof`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.offline import (
    AcceptMap,
    Currency,
    Lenient,
    Perspective,
    Profile,
    profile_choice,
)
from node.cli.output import (
    EXIT_DONE,
    EXIT_NO,
    JsonTo,
    emit,
    note,
    progress,
    require_file,
    say,
    table,
)
from node.cli.session import (
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
from node.cli.words import digits_of, money, short
from reconcile.counting import counted

if TYPE_CHECKING:
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
    """Match now: without a window everything read so far, with one the proof both closed.

    Exit code 1: the proof of a window fails.
    """
    with acting(home) as node, progress("matching"):
        found = node.network.find_agreement(agreement).agreement
        if window is None and day is None:
            run = node.reconciliation.provisional(found)
        else:
            run = node.reconciliation.prove(found, window_of_words(window, day))
    emit(_run_json(run), json_to, lambda: _show_run(run))
    return EXIT_DONE if run.complete or run.provisional else EXIT_NO


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
    found = f"{counted(run.groups, 'group')}, {counted(len(run.breaks), 'break')}"
    say(f"{word} of window {run.window}: {found}")
    say(f"{'complete' if run.complete else 'NOT complete'}; digest {run.digest.hex()}")


def attest(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    single: Annotated[
        bool, typer.Option("--single", help="A one-person enterprise signs alone; it shows.")
    ] = False,
    digest: Annotated[
        str | None,
        typer.Option("--digest", help="Sign this report alone: its digest as `status` shows it."),
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Sign a window's proof as APPROVER. Exit 1: signed, and not agreed (yet).

    Without --digest a terminal is shown the report and asked. A proof that is another one by the
    time of signing is refused.
    """
    chosen = window_of_words(window, day)
    with acting(home) as node:
        found = node.network.find_agreement(agreement).agreement
        pinned = digest or _seen(node.reconciliation.window_status(found, chosen))
        node.reconciliation.attest(found, chosen, single=single, digest=pinned, actor=actor())
    done = finish(home, wait=wait)
    with node_of(home) as node:
        row = node.reconciliation.window_status(found, chosen)
    emit({**row.to_json(), "done": done}, json_to, lambda: _show_status((row,)))
    return EXIT_DONE if row.state in AGREED or not wait else EXIT_NO


def _seen(row: WindowStatus) -> str | None:
    """Show what would be signed, ask where somebody is there to answer, and return its digest."""
    if row.digest is None:
        return None
    if sys.stdin.isatty():
        _show_status((row,))
        typer.confirm(f"Sign {row.digest.hex()}?", abort=True, err=True)
    else:
        note(f"signing {row.digest.hex()}: name it with --digest to sign no other")
    return row.digest.hex()


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
    for row in rows:
        if row.refusal and row.state == "NOT_COMPUTED":
            note(f"{row.label}: {row.refusal}")
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
    name, own = profile_choice(profile)
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        result = node.proofs.audit(
            found,
            require_file(book),
            side=side_of(side),
            profile=name,
            own=own,
            perspective=perspective,
            currency=currency,
            lenient=lenient,
            accept_map=accept_map,
            account=account,
        )
    emit(result.to_json(), json_to, lambda: _show_audit(result))
    return EXIT_DONE if result.ok else EXIT_NO


def _show_audit(result: AuditResult) -> None:
    entries = counted(result.compared, "entry", "entries")
    say(f"{entries} compared, {result.first_day} to {result.last_day}")
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
