"""Commands on who is listed, by whom, on what proof: `blacklist`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli import (
    blacklist_audits,
    blacklist_detail,
    blacklist_disputes,
    blacklist_import,
    blacklist_lookups,
    blacklist_people,
    blacklist_profiles,
    listing_words,
)
from node.cli.blacklist_profiles import notices_json, say_notices
from node.cli.listing_consents import say_consent
from node.cli.listing_words import identifier_of, sha256_of
from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, emit, note, require_file, say, table
from node.cli.session import Home, Wait, acting, actor, finish, has_passphrase, node_of
from reconcile.counting import counted
from reconcile.days import time_iso

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.services.screening import EntryView, PointsView, TraceView

SHOWN: Final = 16

EntryArg = Annotated[str, typer.Argument(help="An entry's id or its beginning (6 digits).")]
After = Annotated[str | None, typer.Option(help="Cursor: `next` of the page before.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="Rows of a page.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    group = typer.Typer(no_args_is_help=True, help="Who is listed, by whom, on what proof.")
    group.command("list")(list_person)
    group.command("entries")(entries)
    group.command("trace")(trace)
    group.command("points")(points)
    group.command("withdraw")(withdraw)
    group.command("recall")(recall)
    group.command("acknowledge")(acknowledge)
    group.command("erase")(erase)
    blacklist_detail.add_to(group)
    blacklist_disputes.add_to(group)
    blacklist_import.add_to(group)
    blacklist_lookups.add_to(group)
    blacklist_audits.add_to(group)
    blacklist_people.add_to(group)
    blacklist_profiles.add_to(group)
    app.add_typer(group, name="blacklist")


# ------------------------------------------------------------------------------- listing
def list_person(
    id_file: Annotated[
        Path | None,
        typer.Option(
            "--id-file",
            help="A file with the identifier, '-' for standard input; else it is asked.",
        ),
    ] = None,
    id_type: Annotated[str, typer.Option(help="Which identifier, e.g. CN-RID.")] = "CN-RID",
    policy: Annotated[
        str, typer.Option(help="The profile: CN-2013, EU-GDPR, US-FCRA or UK.")
    ] = "CN-2013",
    reason: listing_words.Reason = "",
    product: listing_words.Product = "",
    action: listing_words.Action = "",
    proof_level: listing_words.ProofLevel = "",
    amount_band: listing_words.AmountBand = "",
    days_past_due_band: listing_words.DaysBand = "",
    event_month: Annotated[str, typer.Option(help="YYYY-MM.")] = "",
    effective_from: Annotated[str, typer.Option(help="From which day on.")] = "",
    expires_at: Annotated[str, typer.Option(help="Until which day.")] = "",
    notice_at: Annotated[str, typer.Option(help="When the person was told.")] = "",
    notice_file: listing_words.NoticeFile = None,
    consent_file: listing_words.ConsentFile = None,
    evidence: listing_words.Evidence = None,
    supersedes: listing_words.Supersedes = None,
    again: Annotated[
        str | None, typer.Option(help="Post this refused listing's ticket again.")
    ] = None,
    test_identifiers: Annotated[
        bool, typer.Option("--test-identifiers", help="Take people who cannot exist (region 99).")
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """List a person: a signed statement, kept sealed; its ticket goes to the ledger.

    The identifier is never an argument: other users of this machine see those.
    """
    words = {
        "id_type": id_type, "reason": reason, "product": product, "action": action,
        "proof_level": proof_level, "amount_band": amount_band,
        "days_past_due_band": days_past_due_band, "event_month": event_month,
        "effective_from": effective_from, "expires_at": expires_at, "notice_at": notice_at,
        "notice_hash": sha256_of(notice_file),
    }  # fmt: skip
    if again is not None:
        with acting(home) as node:
            entry = node.screening.list_again(node.screening.find_entry(again), actor=actor())
            answer: dict[str, Any] = {"entry": entry.hex()}
    else:
        identifier = identifier_of(id_file)
        documents = [require_file(path).read_bytes() for path in evidence or ()]
        agreed = b"" if consent_file is None else require_file(consent_file).read_bytes()
        with acting(home) as node:
            answer = _list(
                node,
                identifier,
                words,
                policy,
                documents,
                supersedes,
                agreed=agreed,
                allow_test=test_identifiers,
            )
    done = finish(home, wait=wait)
    emit({**answer, "done": done}, json_to, lambda: _say_listed(answer))
    return EXIT_DONE


def _say_listed(answer: dict[str, Any]) -> None:
    first, last = answer.get("effective_from"), answer.get("expires_at")
    say(f"entry {answer['entry']}" + (f", in effect from {first} to {last}" if first else ""))
    say_notices(answer.get("notify", ()))


def _list(
    node: Node,
    identifier: str,
    words: dict[str, str],
    policy: str,
    documents: list[bytes],
    supersedes: str | None,
    *,
    agreed: bytes,
    allow_test: bool,
) -> dict[str, Any]:
    """List, and return what follows from the profile: first and last day, whom to notify."""
    from reconcile.model import day_iso

    old = None if supersedes is None else node.screening.find_entry(supersedes)
    made = node.screening.state_listing(
        identifier,
        words,
        policy=policy,
        evidence=documents,
        supersedes=old,
        agreed=agreed,
        allow_test=allow_test,
    )
    said = made.listing
    return {
        "entry": node.screening.list_person(made, actor=actor()).hex(),
        "effective_from": day_iso(said.effective_from),
        "expires_at": day_iso(said.expires_at),
        "notify": notices_json(said.policy),
    }


def entries(
    everybody: Annotated[
        bool, typer.Option("--all", help="Those of all members, not our own alone.")
    ] = False,
    after: After = None,
    limit: Limit = 50,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List entries, newest first; own ones that wait or were refused come first."""
    with node_of(home) as node:
        rows, more = node.screening.entries(ours=not everybody, after=after, limit=limit)
    answer = {"entries": [row.to_json() for row in rows], "next": more}
    emit(answer, json_to, lambda: _show_entries(rows, more))
    return EXIT_DONE


def _show_entries(rows: list[EntryView], more: str | None) -> None:
    table(
        "Entries",
        ("entry", "state", "uploader", "reason", "posted", "until", ""),
        [
            (
                row.entry.hex()[:SHOWN],
                row.state,
                row.name,
                row.reason or "–",
                (row.to_json()["posted_at"] or "–")[:10],
                row.to_json()["ends_at"],
                "" if row.refusal is None else f"{row.refusal[0]}: {row.refusal[1]}",
            )
            for row in rows
        ],
    )
    if more:
        note(f"more: --after {more}")


def withdraw(entry: EntryArg, home: Home = None, wait: Wait = False, json_to: JsonTo = None) -> int:
    """Take an own entry back; its stake stays bound until it vests."""
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        node.screening.withdraw(found, actor=actor())
    return _handed({"entry": found.hex()}, home, wait=wait, json_to=json_to)


def _handed(answer: dict[str, Any], home: Path | None, *, wait: bool, json_to: str | None) -> int:
    done = finish(home, wait=wait)
    emit({**answer, "done": done}, json_to, lambda: say("done" if done else "asked for"))
    return EXIT_DONE


# ------------------------------------------------------------------------------- tracing
def trace(
    entry: EntryArg,
    receipt: Annotated[
        Path | None, typer.Option(help="A lookup's receipt that holds the entry's statement.")
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Show who uploaded an entry, when, on what proof, and every change with its transaction.

    Exit 1: something of it does not hold. An own entry's commitment is opened where a passphrase
    is set (KANHE_PASSPHRASE_FILE).
    """
    # Its own commitment opens under the key store, which nobody is asked for only to look.
    keys = receipt is not None or has_passphrase(home)
    with node_of(home, keys=keys) as node:
        found = node.screening.find_entry(entry)
        if receipt is not None:
            node.screening.read_receipt(require_file(receipt).read_bytes(), holding=found)
        view = node.screening.trace(found)
    emit(view.to_json(), json_to, lambda: _show_trace(view))
    return EXIT_DONE if view.holds else EXIT_NO


def _show_trace(view: TraceView) -> None:
    body = view.to_json()
    say(f"entry {body['entry']}: {body['state']}")
    say(f"  uploaded by {body['name']} (member {body['uploader']}, {body['code'] or 'no code'})")
    say(f"  posted {body['posted_at']} in block {body['block']}, tx {body['tx']}")
    say(f"  {body['profile']}: in effect {body['effective_from']}, until {body['expires_at']}")
    if body["suspended_at"]:
        ends = "ends" if body["state"] == "SUSPENDED" else "ended"
        say(f"  suspended on {body['suspended_at'][:10]}, {ends} on {body['ends_at']}")
    say(f"  the person was told on {body['notice']['day']}, {_of(body['notice']['hash'])}")
    say_notices(body["notify"])
    if body["proof"] is not None:
        say(f"  proof: {body['proof']['level']}, evidence root {body['proof']['evidence_root']}")
    if body["supersedes"]:
        say(f"  corrects {body['supersedes']}")
    for newer in body["superseded_by"]:
        say(f"  corrected by {newer}")
    if body["erased_from"]:
        say(f"  to be erased from {body['erased_from']} on: an audit may ask for it until then")
    for check in view.checks:
        word = {True: "ok  ", False: "FAIL", None: "?   "}[check.ok]
        say(f"  {word} {check.name}: {check.says}")
    for consent in body["consents"]:
        say_consent(consent, body["entry"])
    rows = [
        (step["at"], step["says"], step["block"] or "–", step["tx"] or "by time")
        for step in body["history"]
    ]
    table("", ("when", "what", ">block", "tx"), rows)
    if view.recalls[0]:
        say(f"  recalled from {view.recalls[0]} readers, {view.recalls[1]} acknowledged")
    for released in body["releases"]:
        say(f"  released to member {released['reader']} at {released['at']}")
    blacklist_detail.say_custody(body["custody"])


def _of(digest: str | None) -> str:
    return f"notice sha256 {digest}" if digest else "by the statement's word, not read here"


# ------------------------------------------------------------------------------- points
def points(
    member: Annotated[int | None, typer.Option(help="Another member's.")] = None,
    claim: Annotated[bool, typer.Option("--claim", help="Take the allowance that is due.")] = False,
    after: After = None,
    limit: Limit = 50,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Show points and every movement with its reason; --claim takes the allowance."""
    if claim:
        with acting(home) as node:
            node.screening.claim_allowance(actor=actor())
        finish(home, wait=wait)
    with node_of(home) as node:
        view = node.screening.points(member, after=after, limit=limit)
    emit(view.to_json(), json_to, lambda: _show_points(view))
    return EXIT_DONE


def _show_points(view: PointsView) -> None:
    from node.services.screening.purse import points_text

    account = view.account
    say(
        f"member {account.member}: {points_text(account.balance)} points, "
        f"{points_text(account.staked)} staked, {points_text(account.free)} free, "
        f"{points_text(account.debt)} owed"
    )
    say(
        f"  {counted(account.entries, 'entry', 'entries')}, {account.upheld} upheld, "
        f"{account.overturned} overturned, "
        f"accuracy {account.accuracy / 10_000:.2f} %"
    )
    if view.allowance_due:
        say(f"  an allowance of {points_text(view.allowance_due)} is due: --claim takes it")
    rows = [
        (
            movement.to_json()["at"],
            movement.kind.lower(),
            points_text(movement.amount),
            movement.reason,
            _what_for(movement.to_json()),
            movement.tx_hash.hex()[:SHOWN],
        )
        for movement in view.movements
    ]
    table("", ("when", "what", ">points", "why", "for", "tx"), rows)
    if view.next:
        note(f"more: --after {view.next}")


def _what_for(movement: dict[str, Any]) -> str:
    if movement["dispute"]:
        return f"dispute {movement['dispute']}"
    if movement["tickets"]:
        return f"tickets {movement['tickets']['first']} to {movement['tickets']['last']}"
    if movement["audit"]:
        return f"audit {movement['audit']}"
    return movement["entry"][:SHOWN] if movement["entry"] else ""


# ------------------------------------------------------------------------------- the end
def recall(entry: EntryArg, home: Home = None, wait: Wait = False, json_to: JsonTo = None) -> int:
    """Recall a changed entry from every reader that was released its detail."""
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        readers = node.screening.recall(found, actor=actor())
    answer = {"entry": found.hex(), "readers": str(readers)}
    return _handed(answer, home, wait=wait, json_to=json_to)


def acknowledge(
    entry: EntryArg, home: Home = None, wait: Wait = False, json_to: JsonTo = None
) -> int:
    """Acknowledge that an entry changed that this node had read."""
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        done = node.screening.acknowledge(found, actor=actor())
    answer = {"entry": found.hex(), "acknowledged": str(done)}
    return _handed(answer, home, wait=wait, json_to=json_to)


def erase(
    entry: EntryArg,
    certificate: Annotated[
        Path | None, typer.Option(help="Write the signed certificate of deletion here.")
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Destroy salts, keys and evidence of an entry, and certify it.

    What still stands is taken back first; the destruction follows by itself, for an own entry when
    no audit can ask any more, three days after it is over. Exit 1: not yet.
    """
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        digest = node.screening.erase(found, actor=actor())
    finish(home, wait=wait)
    with node_of(home) as node:
        digest = node.screening.erasure_of(found) or digest
        waits_s = node.screening.trace(found).erased_from_s
        if certificate is not None and digest is not None:
            certificate.write_bytes(node.screening.certificate_of(found))
    answer = {"entry": found.hex(), "certificate": None if digest is None else digest.hex()}
    says = "waits until the entry is over, finally" if digest is None else "destroyed and certified"
    if waits_s is not None:
        says = f"over; destroyed from {time_iso(waits_s)} on, an audit may ask for it until then"
    emit(answer, json_to, lambda: say(f"{found.hex()[:SHOWN]}…: {says}"))
    return EXIT_NO if digest is None else EXIT_DONE
