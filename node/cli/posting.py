"""Commands from a file to the ledger: `import`, `watch`, `post`, `close`."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.offline import AcceptMap, Currency, Lenient, Perspective, Profile
from node.cli.output import (
    EXIT_DONE,
    EXIT_NO,
    JsonTo,
    emit,
    note,
    progress,
    require_file,
    say,
    write_json,
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
from node.cli.words import contradiction_words
from reconcile.counting import counted

if TYPE_CHECKING:
    from node.services.posting import ImportOptions, ImportResult, Rejected

Account = Annotated[str | None, typer.Option(help="Which account of a file with several.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    app.command("import")(import_file)
    app.command("watch")(watch)
    app.command("post")(post)
    app.command("close")(close)


def import_file(
    file: Annotated[Path, typer.Argument(help="A statement or ledger file.")],
    agreement: AgreementOption,
    profile: Profile = None,
    perspective: Perspective = None,
    currency: Currency = None,
    lenient: Lenient = False,
    accept_map: AcceptMap = False,
    account: Account = None,
    side: SideOption = None,
    window: WindowOption = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Take a file whole, or refuse it whole; its entries are posted sealed."""
    options = _options(profile, perspective, currency, lenient, accept_map, account)
    with node_of(home) as node, progress(f"importing {file.name}") as advance:
        found = node.network.find_agreement(agreement).agreement
        result = node.posting.import_file(
            found,
            require_file(file),
            side=side_of(side),
            window=window,
            options=options,
            actor=actor(),
        )
        advance(result.queued)
    done = finish(home, wait=wait)
    emit({**import_json(result), "done": done}, json_to, lambda: _show_import(result))
    return EXIT_DONE


def _options(
    profile: str | None,
    perspective: str | None,
    currency: str | None,
    lenient: bool,
    accept_map: bool,
    account: str | None,
) -> ImportOptions:
    from node.profiles import choose_profile
    from node.services.posting import ImportOptions

    name, own = choose_profile(profile, ())
    return ImportOptions(name, perspective, currency, lenient, accept_map, account, own)


def import_json(result: ImportResult) -> dict[str, Any]:
    """Return an import for `--json`."""
    return {
        "file": result.file,
        "file_sha256": result.file_sha256,
        "known": result.known,
        "format": result.format,
        "profile": result.profile,
        "queued": str(result.queued),
        "already": str(result.already),
        "windows": [{"window": str(w), "entries": str(n)} for w, n in result.per_window],
        "contradictions": [
            {name: getattr(item, name) for name in item.__struct_fields__}
            for item in result.contradictions
        ],
        "warnings": list(result.warnings),
    }


def _show_import(result: ImportResult) -> None:
    again = " (this very file was imported before)" if result.known else ""
    say(f"{result.file}: {result.queued:,} queued, {result.already:,} stood already{again}")
    for found in result.contradictions:
        note(f"not provable: {contradiction_words(found)}")
    for text in result.warnings:
        note(f"warning: {text}")


def watch(
    folder: Annotated[Path, typer.Argument(help="The folder files are dropped into.")],
    agreement: AgreementOption,
    profile: Profile = None,
    perspective: Perspective = None,
    currency: Currency = None,
    lenient: Lenient = False,
    accept_map: AcceptMap = False,
    account: Account = None,
    side: SideOption = None,
    once: Annotated[bool, typer.Option("--once", help="Take what is there and end.")] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Take every file that is dropped: done/ when taken, rejected/ with the reason when not.

    With --json each file is one line of JSON.
    """
    options = _options(profile, perspective, currency, lenient, accept_map, account)
    refused = 0
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        for result in node.posting.watch(
            folder,
            found,
            side=side_of(side),
            once=once,
            stop=threading.Event(),
            options=options,
            actor=actor(),
        ):
            refused += _say_watched(result, json_to)
    return EXIT_NO if refused else EXIT_DONE


def _say_watched(result: ImportResult | Rejected, json_to: str | None) -> int:
    """Say what became of one file; return 1 where it was refused."""
    from node.services.posting import ImportResult

    if isinstance(result, ImportResult):
        if json_to is None:
            _show_import(result)
        else:
            write_json(import_json(result), json_to)
        return 0
    if json_to is None:
        note(f"{result.file}: refused: {result.message} [{result.code}], {result.reason_file}")
    else:
        write_json({**asdict(result), "reason_file": str(result.reason_file)}, json_to)
    return 1


def post(
    agreement: Annotated[
        str | None, typer.Option("--agreement", "-a", help="Only this agreement.")
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Seal and post what waits now, without waiting for the posting interval."""
    with acting(home) as node:
        found = None if agreement is None else node.network.find_agreement(agreement).agreement
        batches = node.posting.seal_due(flush=True, agreement=found)
        left = node.posting.queue_depth(found)
    done = finish(home, wait=wait)
    answer = {"batches": str(batches), "waiting": str(left.records), "done": done}
    emit(
        answer,
        json_to,
        lambda: say(
            f"{counted(batches, 'batch', 'batches')} sealed, records waiting: {left.records:,}"
        ),
    )
    return EXIT_DONE


def close(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    side: SideOption = None,
    by_default: Annotated[
        bool, typer.Option("--by-default", help="Close the other, silent side at its head.")
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Close a window: this is all I have. What is held for it is told."""
    from node.services.posting import held_warning

    chosen = window_of_words(window, day)
    held = 0
    with acting(home) as node:
        view = node.network.find_agreement(agreement)
        if by_default:
            other = side_of(side) or (None if view.our_side is None else view.our_side.other)
            assert other is not None, "an observer is refused by the service"
            node.posting.close_by_default(view.agreement, other, chosen, actor=actor())
        else:
            node.posting.close_window(view.agreement, chosen, side=side_of(side), actor=actor())
            held = node.posting.held_up_to(view.agreement, chosen, side_of(side))
    if held:
        note(f"warning: {held_warning(held)}")
    done = finish(home, wait=wait)
    answer = {
        "agreement": view.agreement.hex(),
        "window": str(chosen),
        "done": done,
        "held": str(held),
    }
    emit(answer, json_to, lambda: say(f"window {chosen} is being closed"))
    return EXIT_DONE
