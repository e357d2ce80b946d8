"""Commands about what waits for a person on its way to the ledger: `outbox list`, `release`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final

import typer

from node.cli import discards
from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import Home, SideOption, actor, agreement_of, node_of, side_of

TO_CONFIRM: Final = "ADOPTION_TO_CONFIRM"
Reason = Annotated[str, typer.Option("--reason", help="What was mended; it is kept in the audit.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    outbox = typer.Typer(no_args_is_help=True, help="What is held on its way to the ledger.")
    outbox.command("list")(outbox_list)
    outbox.command("release")(outbox_release)
    outbox.command("adopt")(outbox_adopt)
    discards.register(outbox)
    app.add_typer(outbox, name="outbox")
    incident = typer.Typer(no_args_is_help=True, help="What must not happen, and did.")
    incident.command("list")(incident_list)
    incident.command("close")(incident_close)
    app.add_typer(incident, name="incident")


def outbox_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List held calls and held records, with the reason and what waits beside them."""
    with node_of(home) as node:
        intents = node.posting.held_intents()
        records = node.posting.held_records()
        stopped = node.posting.stopped_lanes()
        tip = node.tip()
        names = {item.agreement: item.label for item in node.network.agreements()}
    answer: dict[str, Any] = {
        "calls": [
            {
                "id": str(item.intent_id),
                "call": item.call,
                "agreement": None if item.agreement is None else item.agreement.hex(),
                "side": None if item.side is None else item.side.word,
                "batch": None if item.seq is None else str(item.seq),
                "attempts": str(item.attempts),
                "code": item.code,
                "says": item.says,
            }
            for item in intents
        ],
        "records": [
            {
                "agreement": item.agreement.hex(),
                "side": item.side.word,
                "batch": None if item.seq is None else str(item.seq),
                "records": str(item.records),
                "reason": item.reason,
                "since": _time(item.since_ms),
            }
            for item in records
        ],
        "keys": [
            {
                "address": "0x" + item.address.hex(),
                "reason": item.reason,
                "calls": [
                    {"tx": tx_hash.hex(), "nonce": str(nonce), "verdict": verdict, "what": what}
                    for tx_hash, nonce, verdict, what in item.calls
                ],
            }
            for item in stopped
        ],
        "waiting": {"calls": str(tip["outbox"]), "records": str(tip["queue"])},
    }
    emit(answer, json_to, lambda: _show(answer, names))
    return EXIT_DONE


def _time(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat(timespec="seconds")


def _show(answer: dict[str, Any], names: dict[bytes, str]) -> None:
    def named(agreement: str | None) -> str:
        return "" if agreement is None else names.get(bytes.fromhex(agreement), agreement[:12])

    if answer["calls"]:
        table(
            "Held calls",
            (">id", "call", "agreement", "side", ">batch", ">tries", "says"),
            [
                (
                    item["id"],
                    item["call"],
                    named(item["agreement"]),
                    item["side"],
                    item["batch"],
                    item["attempts"],
                    f"{item['says']} [{item['code']}]",
                )
                for item in answer["calls"]
            ],
        )
        say("try one again: kanhe outbox release --call ID --reason '…' (--reseal: its batch anew)")
    if answer["records"]:
        table(
            "Held records",
            ("agreement", "side", ">batch", ">records", "reason", "since"),
            [
                (
                    named(item["agreement"]),
                    item["side"],
                    item["batch"] or "not sent",
                    item["records"],
                    item["reason"],
                    item["since"],
                )
                for item in answer["records"]
            ],
        )
        say("post them again: kanhe outbox release --agreement NAME --reason '…'")
        say("give them up: kanhe outbox discard --agreement NAME --reason '…'")
    for key in answer["keys"]:
        table(
            f"Key {key['address']} is stopped: {key['reason']}",
            (">nonce", "call", "verdict", "transaction"),
            [(item["nonce"], item["what"], item["verdict"], item["tx"]) for item in key["calls"]],
        )
        if key["reason"] == TO_CONFIRM:
            say("once no other copy of this node runs: kanhe outbox adopt ADDRESS --reason '…'")
        else:
            say("end the key in the registry, mark it compromised, register another")
    if not any(answer[part] for part in ("calls", "records", "keys")):
        say("nothing is held")
    waiting = answer["waiting"]
    say(f"on the way: {waiting['calls']} calls, {waiting['records']} records")


def outbox_release(
    reason: Reason,
    call: Annotated[int | None, typer.Option("--call", help="A held call's number.")] = None,
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Seal its batch and all later ones anew.")
    ] = False,
    agreement: Annotated[
        str | None,
        typer.Option("--agreement", "-a", help="The agreement whose held records go on."),
    ] = None,
    side: SideOption = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Only the records of this batch.")
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Try a held call again (--call), or post held records again (--agreement)."""
    from reconcile.model import UsageError

    if (call is None) == (agreement is None):
        raise UsageError("OPTION_MISSING", "give either --call or --agreement")
    with node_of(home) as node:
        if call is not None:
            withdrawn = node.posting.release_intent(
                call, reason=reason, reseal=reseal, actor=actor()
            )
            answer = {"call": str(call), "resealed": str(withdrawn)}
            says = f"call {call} goes on"
            says += f": {withdrawn} batches are sealed anew" if reseal else ""
        else:
            assert agreement is not None, "one of the two is given"
            found = node.posting.release_records(
                agreement_of(node, agreement).agreement,
                reason=reason,
                side=side_of(side),
                seq=batch,
                actor=actor(),
            )
            answer = {
                "records": str(found.records),
                "late": str(found.late),
                "incidents_closed": str(found.incidents_closed),
            }
            says = f"{found.records} records wait to be posted again"
            says += f", {found.late} of them late: their window is closed" if found.late else ""
    emit(answer, json_to, lambda: say(says))
    return EXIT_DONE


def outbox_adopt(
    address: Annotated[str, typer.Argument(help="The stopped key's address, 0x….")],
    reason: Reason,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Take over what another copy of this node sent by a key, after a restore; it sends again."""
    from reconcile.model import UsageError

    try:
        key = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raise UsageError(
            "ADDRESS_MALFORMED", f"{address!r} is no address", help="0x and 40 digits"
        ) from None
    with node_of(home) as node:
        calls = node.posting.confirm_adoption(key, reason=reason, actor=actor())
    answer = {"address": address, "calls": str(calls)}
    emit(answer, json_to, lambda: say(f"{calls} calls taken over, the key sends again"))
    return EXIT_DONE


def incident_list(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List incidents, newest first."""
    with node_of(home) as node:
        found = node.posting.incidents(everything=everything)
    answer = {
        "incidents": [
            {
                "id": str(item.id),
                "kind": item.kind,
                "says": item.says,
                "stops_signing": item.stops_signing,
                "opened": _time(item.opened_at_ms),
                "closed": None if item.closed_at_ms is None else _time(item.closed_at_ms),
                "closed_reason": item.closed_reason,
            }
            for item in found
        ]
    }
    columns = (">id", "kind", "opened", "state", "says")
    emit(
        answer,
        json_to,
        lambda: table(
            "Incidents" if found else "No incident is open",
            columns,
            [
                (
                    item["id"],
                    item["kind"],
                    item["opened"],
                    "closed" if item["closed"] else "OPEN",
                    item["says"],
                )
                for item in answer["incidents"]
            ],
        ),
    )
    return EXIT_DONE


def incident_close(
    incident: Annotated[int, typer.Argument(help="The incident's number.")],
    reason: Reason,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Close an incident after it was looked at; what it stopped goes on."""
    with node_of(home) as node:
        node.posting.close_incident(incident, reason=reason, actor=actor())
    emit({"incident": str(incident)}, json_to, lambda: say(f"incident {incident} is closed"))
    return EXIT_DONE
