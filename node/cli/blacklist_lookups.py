"""`kanhe blacklist lookup | lookups | receipt | tickets | index`: looking up, replicas."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.blacklist_people import read_purpose, read_scope, write_file
from node.cli.output import EXIT_DONE, JsonTo, emit, note, plain, require_file, say, table
from node.cli.persons import read_person_identifier
from node.cli.session import Home, Wait, acting, actor, finish, node_of
from reconcile.commitment.fields import as_hex

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.screening.identifiers import Identifier
    from node.services.lookups import Found, LookupView

#: What each outcome means, for who reads it.
OUTCOMES = {
    "HIT": "an entry stands against the person",
    "SUSPENDED": "what stands is suspended and counts against nobody",
    "PROTECTED": "what stands protects the person: somebody used her identity",
    "MISS": "no entry of the person stands",
}
#: What an entry rests on, where a reader must know it.
CONSENTS = {
    "REVOKED": ", whose consent the person REVOKED",
    "UNRECORDED": ", whose consent is not on the ledger",
}
LookupArg = Annotated[int, typer.Argument(help="The lookup's number.")]


def add_to(group: typer.Typer) -> None:
    """Put the commands into a group."""
    group.command("lookup")(lookup)
    group.command("lookups")(lookups)
    group.command("receipt")(receipt)
    group.command("tickets")(tickets)
    index = typer.Typer(no_args_is_help=True, help="Versions of the index.")
    index.command("list")(index_list)
    index.command("cut")(index_cut)
    index.command("challenge")(index_challenge)
    index.command("whose")(index_whose)
    group.add_typer(index, name="index")


def lookup(
    id_type: Annotated[str, typer.Option(help="CN-RID, CN-USCC, LEI, US-SSN or PASSPORT.")] = (
        "CN-RID"
    ),
    id_file: Annotated[
        Path | None, typer.Option(help="A file with the identifier; asked for otherwise.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="CREDIT, ACCOUNT, GUARANTEE, …")] = "CREDIT",
    scope: Annotated[
        list[str] | None, typer.Option(help="HIT, RECORD, EVIDENCE; repeatable.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the consent counts.")] = 30,
    request: Annotated[
        Path | None, typer.Option(help="What `blacklist ask` wrote, with --consent.")
    ] = None,
    consent: Annotated[
        Path | None,
        typer.Option(help="The person's consent to that request; else recorded as level 1."),
    ] = None,
    number: Annotated[
        int | None, typer.Option("--lookup", help="Go on with a lookup that was begun.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the receipt here.")] = None,
    test_identifiers: Annotated[
        bool, typer.Option("--test-identifiers", help="Take people who cannot exist (region 99).")
    ] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Look a person up: consent on the ledger, a ticket, the committee, her bucket, a receipt.

    Nobody learns whom: the committee sees a blinded element, the replica a bucket's number.
    """
    if number is None:
        identifier = read_person_identifier(id_type, id_file, allow_test=test_identifiers)
        with acting(home) as node:
            number = _begin(node, identifier, purpose, scope or ["HIT"], days, request, consent)
        finish(home, wait=True)
    found = _go_on(number, home)
    if out is not None:
        write_file(out, found.receipt)
        note(f"{out}: the receipt")
    answer = _found_json(found)
    emit(answer, json_to, lambda: _show(answer))
    return EXIT_DONE


def _go_on(number: int, home: Path | None) -> Found:
    """Buy a ticket where none is left and look up; a refusal says how to go on, where one can."""
    from reconcile.model import KanheError

    with node_of(home) as node:
        node.lookups.require(number)
    try:
        with acting(home) as node:
            if not node.lookups.tickets(limit=1):
                node.lookups.buy_tickets(1, actor=actor())
        finish(home, wait=True)
        with acting(home) as node:
            (found,) = node.lookups.look_up([number], actor=actor())
        if isinstance(found, KanheError):
            raise found
    except KanheError:
        note(f"lookup {number} was begun, its consent is kept; go on with --lookup {number}")
        raise
    return found


def _begin(
    node: Node,
    identifier: Identifier,
    purpose: str,
    scope: list[str],
    days: int,
    request: Path | None,
    consent: Path | None,
) -> int:
    """Prepare a lookup with a person's consent to a request, or with one of level 1."""
    from node.screening.asking import read_consent_request
    from node.screening.consent_files import read_consent_file
    from node.screening.states import DAY_S
    from node.services.lookups import Terms
    from reconcile.model import UsageError

    if (request is None) != (consent is None):
        raise UsageError(
            "CONSENT_INCOMPLETE",
            "a person's consent goes with the request that she was shown",
            help="give --request and --consent together, or neither",
        )
    if request is None or consent is None:
        from_s = node.lookups.chain_time_s()
        terms = Terms(read_purpose(purpose), read_scope(scope), from_s, from_s + days * DAY_S)
        number = node.lookups.prepare(identifier, terms, actor=actor())
        node.lookups.consent_by_institution(number, actor=actor())
        return number
    asked, _ = read_consent_request(require_file(request).read_bytes())
    data = require_file(consent).read_bytes()
    signed = read_consent_file(data).signed
    terms = Terms(asked.purpose, asked.scope, asked.valid_from_s, asked.valid_to_s)
    number = node.lookups.prepare(
        identifier, terms, blind=asked.blind, salt=signed.salt, actor=actor()
    )
    node.lookups.take_consent(number, data, actor=actor())
    return number


def _found_json(found: Found) -> dict[str, Any]:
    return {
        "lookup": str(found.lookup),
        "outcome": found.outcome,
        "level": str(found.level),
        "enforced": found.enforced,
        "index_version": str(found.version),
        "as_of_block": str(found.cut_block),
        "as_of_s": str(found.cut_at_s),
        "entries": [item.to_json() for item in found.entries],
    }


def _show(answer: dict[str, Any]) -> None:
    say(f"lookup {answer['lookup']}: {answer['outcome']}, {OUTCOMES[answer['outcome']]}")
    as_of = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(int(answer["as_of_s"])))
    say(f"index version {answer['index_version']}, as of block {answer['as_of_block']}, {as_of}")
    say(f"consent of level {answer['level']}" + (", enforced" if answer["enforced"] else ""))
    for item in answer["entries"]:
        what = f"{item['reason']} until {item['ends_at']}" if item["reason"] else "it is over"
        what += CONSENTS.get(item["consent"], "")
        says = f"member {item['uploader']}: {what}"
        say(f"  {item['entry'][:16]}… {item['state']}, {says}: `kanhe blacklist trace`")
    note("the receipt is kept: `kanhe blacklist receipt`; it names the person")


def lookups(home: Home = None, json_to: JsonTo = None) -> int:
    """List lookups; nothing here says whom they concern."""
    with node_of(home) as node:
        found = node.lookups.lookups()
    answer = {"lookups": [plain(asdict(item)) for item in found]}

    rows = [
        (
            item.lookup,
            item.purpose,
            "revoked" if item.revoked else "recorded" if item.recorded else "waits",
            item.ticket or "–",
            item.outcome or (f"refused: {item.refusal}" if item.refusal else item.state),
        )
        for item in found
    ]
    columns = (">no", "purpose", "consent", ">ticket", "outcome")

    def human() -> None:
        table("Lookups", columns, rows)
        for item in found:
            _show_receipt(item)

    emit(answer, json_to, human)
    return EXIT_DONE


def _show_receipt(item: LookupView) -> None:
    """Say what became of a lookup's receipt, or will, because an entry that it found was erased."""
    from node.screening.states import DAY_S
    from reconcile.model import day_iso

    if item.destroyed_for is not None and item.destroyed_at_ms is not None:
        whom = ", and whom it concerned" if item.forgotten else ""
        day = day_iso(item.destroyed_at_ms // (1_000 * DAY_S))
        why = f"its entry {item.destroyed_for.hex()[:16]}… was erased"
        say(f"lookup {item.lookup}: receipt destroyed on {day}{whom}: {why}")
    elif item.receipt_until_s is not None:
        day = day_iso(item.receipt_until_s // DAY_S)
        say(f"lookup {item.lookup}: an entry that it found was erased; its receipt goes on {day}")


def receipt(
    number: LookupArg,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    reduced: Annotated[
        bool,
        typer.Option("--reduced", help="What is left of one that was destroyed by an erasure."),
    ] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Write a lookup's receipt, for the person, a court or the regulator: `kanhe verify`."""
    with node_of(home, keys=True) as node:
        lookups = node.lookups
        write_file(out, (lookups.reduced_receipt if reduced else lookups.receipt)(number))
    emit({"out": str(out)}, json_to, lambda: say(str(out)))
    if not reduced:
        note("it names the person: for her, a court or the regulator, and nobody else")
    return EXIT_DONE


def tickets(
    count: Annotated[int, typer.Argument(help="How many to buy; 0 only lists the free ones.")] = 0,
    home: Home = None,
    wait: Wait = True,
    json_to: JsonTo = None,
) -> int:
    """Buy numbered tickets for lookups with points, or list the free ones."""
    if count:
        with acting(home) as node:
            node.lookups.buy_tickets(count, actor=actor())
        finish(home, wait=wait)
    with node_of(home) as node:
        free = node.lookups.tickets()
    emit({"free": [str(item) for item in free]}, json_to, lambda: say(f"{len(free)} free tickets"))
    return EXIT_DONE


def index_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List the index's versions: cut, built here, published, live, replaced or challenged."""
    with node_of(home) as node:
        found = node.parts.index.versions()
    answer = {"versions": [plain(asdict(item)) for item in found]}
    rows = [
        (
            item.version,
            item.key_epoch,
            item.cut_block,
            item.leaf_count,
            item.state,
            "yes" if item.built_here else "no",
        )
        for item in found
    ]
    columns = (">version", ">epoch", ">cut at", ">entries", "state", "here")
    emit(answer, json_to, lambda: table("Index", columns, rows))
    return EXIT_DONE


def index_cut(home: Home = None, wait: Wait = True, json_to: JsonTo = None) -> int:
    """Cut the log for the next version now; replicas build, sign and publish it by themselves."""
    with acting(home) as node:
        version = node.parts.index.cut(actor=actor())
    done = finish(home, wait=wait)
    answer = {"version": str(version), "done": done}
    emit(answer, json_to, lambda: say(f"version {version}"))
    return EXIT_DONE


def index_challenge(
    version: Annotated[int, typer.Argument(help="The version whose root is stopped.")],
    entry: Annotated[str, typer.Argument(help="The own entry that it lacks.")],
    home: Home = None,
    wait: Wait = True,
    json_to: JsonTo = None,
) -> int:
    """Stop a root that lacks an own leaf; this node does so by itself when it finds one missing."""
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        node.parts.index.challenge(version, found, actor=actor())
    done = finish(home, wait=wait)
    answer = {"version": str(version), "entry": found.hex(), "done": done}
    emit(answer, json_to, lambda: say(f"version {version} challenged"))
    return EXIT_DONE


def index_whose(
    leaves: Annotated[list[str], typer.Argument(help="Leaves from a lookup's refusal (hex).")],
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Say whose records leaves are, for who has shown them false: a replica's node knows."""
    with acting(home) as node:
        found = [
            (leaf, one)
            for leaf in leaves
            for one in node.lookups.whose(as_hex(leaf, "leaf", 32), actor=actor())
        ]
    answer = {"records": [{"leaf": leaf, **plain(asdict(one))} for leaf, one in found]}
    rows = [(leaf[:16], one.key_epoch, one.entry.hex(), one.uploader) for leaf, one in found]
    columns = ("leaf", ">epoch", "entry", ">uploader")
    emit(answer, json_to, lambda: table("Records", columns, rows))
    return EXIT_DONE
