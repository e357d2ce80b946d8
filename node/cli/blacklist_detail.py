"""Commands on evidence and hits: `blacklist detail …`, `attest`, `settle`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.output import EXIT_DONE, EXIT_OUTSIDE, JsonTo, emit, note, require_file, say
from node.cli.session import Home, Wait, acting, actor, finish, node_of
from reconcile.counting import counted

if TYPE_CHECKING:
    from node.screening.consents import SignedConsent
    from node.services.screening.detail import DetailView
    from node.services.screening.hearing import WaitingView

SHOWN: Final = 16

EntryArg = Annotated[str, typer.Argument(help="An entry's id or its beginning (6 digits).")]
Receipt = Annotated[Path, typer.Option(help="The receipt of the lookup that found the entry.")]


def add_to(group: typer.Typer) -> None:
    """Put the commands into a group."""
    detail = typer.Typer(no_args_is_help=True, help="The evidence behind an entry.")
    detail.command("ticket")(detail_ticket)
    detail.command("ask")(detail_ask)
    detail.command("release")(detail_release)
    detail.command("open")(detail_open)
    detail.command("show")(detail_show)
    group.add_typer(detail, name="detail")
    group.command("attest")(attest)
    group.command("settle")(settle)


def detail_ticket(
    entry: EntryArg,
    home: Home = None,
    wait: Wait = True,
    json_to: JsonTo = None,
) -> int:
    """Buy a ticket for the evidence behind one entry; it opens no other's."""
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        node.screening.buy_detail_ticket(found, actor=actor())
    done = finish(home, wait=wait)
    with node_of(home, keys=True) as node:
        tickets = [str(ticket) for ticket in node.screening.detail_tickets(found)]
    answer = {"entry": found.hex(), "tickets": tickets, "done": done}
    says = f"tickets for {found.hex()[:SHOWN]}…: {', '.join(tickets) or 'none yet'}"
    emit(answer, json_to, lambda: say(says))
    return EXIT_DONE


def detail_ask(
    entry: EntryArg,
    ticket: Annotated[int, typer.Option(min=1, help="A DETAIL ticket for this entry.")],
    receipt: Receipt,
    consent: Annotated[
        Path | None,
        typer.Option(help="A consent that reaches the evidence, where the lookup's does not."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the request here instead of sending it.")
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Ask the uploader's node for an entry's evidence, and keep it sealed.

    Where it does not answer, its custodians are told; they release once it was silent for a day by
    the chain's clock, and the same command then gives the evidence. Exits 3 until then.

    With --out the request is a file: the uploader releases it with `detail release`, and the answer
    is read with `detail open`.
    """
    from node.services.screening.detail import DetailView

    data = require_file(receipt).read_bytes()
    signed = None if consent is None else _consent(consent)
    with acting(home) as node:
        service, found = node.screening, node.screening.find_entry(entry)
        if out is None:
            view = service.ask_detail(found, ticket, data, consent=signed, actor=actor())
            if isinstance(view, DetailView):
                return _shown(view, json_to)
            waiting = view
            emit(view.to_json(), json_to, lambda: _show_waiting(waiting))
            return EXIT_OUTSIDE
        out.write_bytes(service.request_detail(found, ticket, data, consent=signed, actor=actor()))
    emit({"request": str(out)}, json_to, lambda: say(f"request in {out}"))
    return EXIT_DONE


def _shown(view: DetailView, json_to: str | None) -> int:
    emit(view.to_json(), json_to, lambda: _show(view))
    return EXIT_DONE


def _show_waiting(view: WaitingView) -> None:
    body = view.to_json()
    say(f"member {body['uploader']}, the uploader, does not answer ({body['silence']})")
    for member, says in body["custodians"].items():
        say(f"  custodian {member}: {says}")
    when = body["released_from"]
    if when is None:
        say("  too few custodians were told so far; run the same command again")
    else:
        say(f"  they release from {when} by the chain's clock; run the same command again then")


def _consent(path: Path) -> SignedConsent:
    from node.screening.consent_files import read_consent_file

    return read_consent_file(require_file(path).read_bytes()).signed


def detail_release(
    request: Annotated[Path, typer.Argument(help="The reader's request.")],
    out: Annotated[Path, typer.Option(help="Write the sealed answer here.")],
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Release an own entry's evidence to the reader that asks, sealed to its key."""
    with acting(home) as node:
        package = node.screening.release_detail(require_file(request).read_bytes(), actor=actor())
    out.write_bytes(package)
    emit({"release": str(out)}, json_to, lambda: say(f"sealed answer in {out}"))
    return EXIT_DONE


def detail_open(
    release: Annotated[Path, typer.Argument(help="The uploader's sealed answer.")],
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Open a sealed answer, hold it against the ledger and keep it."""
    with acting(home) as node:
        view = node.screening.take_release(require_file(release).read_bytes(), actor=actor())
    emit(view.to_json(), json_to, lambda: _show(view))
    return EXIT_DONE


def detail_show(
    entry: EntryArg,
    out: Annotated[Path | None, typer.Option(help="Write the documents into this folder.")] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Show the evidence that this node was released, and write it out."""
    with node_of(home, keys=True) as node:
        found = node.screening.find_entry(entry)
        views = node.screening.details(found)
    written = [] if out is None else _write(views, out)
    answer: dict[str, Any] = {"details": [view.to_json() for view in views], "written": written}
    emit(answer, json_to, lambda: _show_all(views, written))
    return EXIT_DONE


def _write(views: tuple[DetailView, ...], folder: Path) -> list[str]:
    from node.crypto.files import make_private_directory, write_private

    make_private_directory(folder)
    written = []
    for view in views:
        for number, document in enumerate(view.documents):
            path = folder / f"{view.entry.hex()[:SHOWN]}-{view.ticket}-{number}.bin"
            write_private(path, document)
            written.append(str(path))
    return written


def _show_all(views: tuple[DetailView, ...], written: list[str]) -> None:
    for view in views:
        _show(view)
    for path in written:
        note(f"written: {path}")


def _show(view: DetailView) -> None:
    body = view.to_json()
    who = f"member {body['uploader']}"
    if body["custodians"]:
        who = f"custodians {', '.join(body['custodians'])} in place of {who}, who was silent,"
    say(f"entry {body['entry']}, released by {who} for ticket {body['ticket']}")
    for name, value in body["statement"].items():
        if value is not None:
            say(f"  {name}: {value}")
    for document in body["documents"]:
        say(f"  document of {document['bytes']} bytes, leaf {document['leaf']}")
    whole = "all that is behind the statement" if view.complete else "not all of its evidence"
    say(f"  the documents are {whole}")


def say_custody(custody: dict[str, list[dict[str, Any]]]) -> None:
    """Say who keeps an entry's evidence, and to whom custodians released it."""
    for one in custody["custodians"]:
        state = f"since {one['taken_at']}" if one["taken_at"] else "not left yet"
        state = "destroyed, by its signed word" if one["destroyed"] else state
        say(f"  custodian {one['member']} (custody {one['generation']}): {state}")
    for one in custody["kept_here"]:
        state = "destroyed" if one["destroyed"] else "kept here"
        say(f"  custody {one['generation']}: {state}")
    for one in custody["asked_here"]:
        state = f"refused: {one['refused']}" if one["refused"] else "waits for the uploader"
        state = f"share released at {one['released_at']}" if one["released_at"] else state
        say(f"  asked by member {one['reader']} at {one['asked_at']}: {state}")
    for one in custody["released_by_custodians"]:
        say(f"  released to member {one['reader']} by custodian {one['custodian']}, as it told us")


def attest(
    entry: EntryArg,
    verdict: Annotated[str, typer.Argument(help="CONFIRMED, FALSE_POSITIVE or STALE.")],
    receipt: Receipt,
    out: Annotated[
        Path | None, typer.Option(help="Write the attestation here instead of sending it.")
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Say of a verified hit, once an entry, that it is true, false or stale.

    It goes to the uploader's node, so that a later recall reaches this one.
    """
    from node.screening.releases import HitVerdict
    from reconcile.model import UsageError

    word = verdict.upper().replace("-", "_")
    if word not in set(HitVerdict):
        raise UsageError(
            "VERDICT_UNKNOWN", f"{verdict!r} is no verdict on a hit", help=", ".join(HitVerdict)
        )
    with acting(home) as node:
        service, found = node.screening, node.screening.find_entry(entry)
        data = require_file(receipt).read_bytes()
        envelope = service.attest_hit(found, HitVerdict(word), data, actor=actor())
        if out is None:
            service.send_attestation(found)
        else:
            out.write_bytes(envelope)
    answer = {"entry": found.hex(), "verdict": word, "sent": out is None}
    emit(answer, json_to, lambda: say(f"{found.hex()[:SHOWN]}…: {word}"))
    return EXIT_DONE


def settle(
    period: Annotated[
        int | None, typer.Option(min=0, help="A period of ten days; the last one by default.")
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Settle a period's confirmed hits: t nodes of the committee sign, the contract pays."""
    with acting(home) as node:
        settled = node.screening.settle_period(period, actor=actor())
    done = finish(home, wait=wait)
    answer = {
        "period": str(settled.period),
        "root": settled.root.hex(),
        "rows": [
            {"uploader": str(uploader), "hits": str(hits), "burned_micro": str(burned)}
            for uploader, hits, burned in settled.rows
        ],
        "done": done,
    }
    says = f"period {settled.period}: {counted(len(settled.rows), 'uploader')}"
    emit(answer, json_to, lambda: say(says))
    return EXIT_DONE
