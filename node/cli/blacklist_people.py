"""`kanhe blacklist certify | ask | consent | revoke | evidence | answer-person`: towards people.

What a person hands over, or is handed, are files (docs/person.md).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, note, require_file, say
from node.cli.persons import read_person_identifier
from node.cli.session import Home, Wait, acting, actor, finish

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.screening.consents import Purpose, Scope

DAY_S = 86_400

Out = Annotated[Path, typer.Option(help="The file to write.")]
IdType = Annotated[str, typer.Option(help="CN-RID, CN-USCC, LEI, US-SSN or PASSPORT.")]
IdFile = Annotated[
    Path | None, typer.Option(help="A file with the identifier; asked for otherwise.")
]
TestIdentifiers = Annotated[
    bool, typer.Option("--test-identifiers", help="Take people who cannot exist (region 99).")
]


def add_to(group: typer.Typer) -> None:
    """Put the commands into a group."""
    group.command("certify")(certify)
    group.command("ask")(ask)
    group.command("consent")(consent)
    group.command("revoke")(revoke)
    group.command("evidence")(evidence)
    group.command("answer-person")(answer_person)


def certify(
    request: Annotated[Path, typer.Argument(help="What `kanhe person key request` wrote.")],
    out: Out,
    id_type: IdType = "CN-RID",
    id_file: IdFile = None,
    days: Annotated[int, typer.Option(min=1, max=1_830, help="How long it counts.")] = 365,
    test_identifiers: TestIdentifiers = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Certify a person's key, once you read her identifier from her document."""
    identifier = read_person_identifier(id_type, id_file, allow_test=test_identifiers)
    with acting(home) as node:
        made = node.screening.certify_person(_read(request), identifier, days=days, actor=actor())
    write_file(out, made)
    emit({"out": str(out)}, json_to, lambda: say(f"{out}: to the person"))
    return EXIT_DONE


def ask(
    out: Out,
    purpose: Annotated[str, typer.Option(help="CREDIT, ACCOUNT, GUARANTEE, MONITORING, …")],
    scope: Annotated[
        list[str] | None, typer.Option(help="HIT, RECORD, EVIDENCE; repeatable.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it would count.")] = 30,
    id_type: IdType = "CN-RID",
    id_file: IdFile = None,
    test_identifiers: TestIdentifiers = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Ask a person's consent to one lookup: her wallet recomputes the element that it signs.

    Keep the file: it holds the blind with which the lookup is made.
    """
    from node.crypto.oprf import group, modes
    from node.crypto.oprf.modes import Mode
    from node.screening.asking import ConsentRequest, sign_consent_request

    identifier = read_person_identifier(id_type, id_file, allow_test=test_identifiers)
    meant, reach = read_purpose(purpose), read_scope(scope or ["HIT"])
    blinded = modes.blind(Mode.VOPRF, identifier.prf_input, scalar=group.random_scalar())
    now_s = int(time.time())
    with acting(home) as node:
        member, name = node.screening.who_asks()
        asked = ConsentRequest(
            node.identity.place.lookups_domain,
            member,
            name,
            meant,
            reach,
            now_s,
            now_s + days * DAY_S,
            blinded.blind,
            blinded.element,
        )
        made = sign_consent_request(asked, node.keys.approver)
    write_file(out, made)
    emit({"out": str(out)}, json_to, lambda: say(f"{out}: to the person; keep a copy"))
    return EXIT_DONE


def consent(
    file: Annotated[Path, typer.Argument(help="What `kanhe person consent` wrote.")],
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Record a person's consent to you on the ledger: its digest, and how she revokes it."""
    data = _read(file)
    with acting(home) as node:
        digest = node.lookups.record_consent(data, actor=actor())
    done = finish(home, wait=wait)
    answer = {"consent": digest.hex(), "done": done}
    emit(answer, json_to, lambda: say(f"consent {digest.hex()}"))
    return EXIT_DONE


def revoke(
    file: Annotated[Path | None, typer.Argument(help="What `kanhe person revoke` wrote.")] = None,
    entry: Annotated[
        str | None,
        typer.Option(help="An own entry, by its id's beginning: revoke what it rests on."),
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Relay a person's revocation, or revoke on her word what an own entry rests on.

    Whose a relayed one is, nobody sees. The entry itself stands; its evidence stays closed.
    """
    from reconcile.model import UsageError

    if (file is None) == (entry is None):
        raise UsageError(
            "REVOKES_WHAT", "a revocation's file or an own --entry says what", help="give one"
        )
    with acting(home) as node:
        if file is not None:
            digest = node.lookups.relay_revocation(_read(file), actor=actor())
        else:
            found = node.screening.find_entry(entry or "")
            digest = node.screening.revoke_listing_consent(found, actor=actor())
    done = finish(home, wait=wait)
    answer = {"consent": digest.hex(), "done": done}
    emit(answer, json_to, lambda: say(f"consent {digest.hex()} revoked"))
    return EXIT_DONE


def evidence(
    entry: Annotated[str, typer.Argument(help="An entry's id or its beginning (6 digits).")],
    out: Out,
    receipt: Annotated[
        list[Path] | None, typer.Option(help="A lookup's receipt to enclose. Repeatable.")
    ] = None,
    notice_file: Annotated[Path | None, typer.Option(help="The notice that was sent.")] = None,
    consent_file: Annotated[Path | None, typer.Option(help="What she agreed to.")] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Export an entry's evidence: one signed file, which `kanhe verify` checks offline.

    Another member's entry needs the --receipt of a lookup that found it.
    """
    receipts = [_read(path) for path in receipt or ()]
    notice = None if notice_file is None else _read(notice_file)
    agreed = None if consent_file is None else _read(consent_file)
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        made = node.screening.evidence_of(
            found, notice=notice, consent=agreed, receipts=receipts, actor=actor()
        )
    write_file(out, made)
    note("it names the person: for her, a court or the regulator, and nobody else")
    emit({"entry": found.hex(), "out": str(out)}, json_to, lambda: say(str(out)))
    return EXIT_DONE


def answer_person(
    request: Annotated[Path, typer.Argument(help="What `kanhe person entries` wrote.")],
    out: Out,
    without_receipt: Annotated[
        bool,
        typer.Option(
            "--without-receipt", help="Answer with our own entries where no lookup is possible."
        ),
    ] = False,
    test_identifiers: TestIdentifiers = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Answer a person's own request, once: her entries, her receipts, or her dispute raised.

    For her entries she is looked up free of charge, with the blind and the consent that she made.
    Where that fails nothing is answered, and the request is not spent.
    """
    from node.screening.asking import About

    data, lookup = _read(request), None
    with acting(home) as node:
        admitted = node.screening.admit_person(data, allow_test=test_identifiers)
        if admitted.asked.about is About.ENTRIES:
            lookup = node.lookups.prepare_own(admitted.asked, admitted.identifier, actor=actor())
    if lookup is not None:
        # The lookup needs her consent and a ticket on the ledger.
        finish(home, wait=True)
    with acting(home) as node:
        receipts: tuple[bytes, ...] = ()
        if lookup is not None:
            receipts = _own_receipt(node, lookup, without=without_receipt)
        elif admitted.asked.about is About.RECEIPTS:
            receipts = node.lookups.receipts_about(admitted.identifier)
        made = node.screening.answer_person(admitted, receipts=receipts, actor=actor())
    write_file(out, made)
    finish(home, wait=admitted.asked.about is About.DISPUTE)
    answer = {"out": str(out), "receipts": len(receipts)}
    emit(answer, json_to, lambda: say(f"{out}: to the person"))
    return EXIT_DONE


def _own_receipt(node: Node, lookup: int, *, without: bool) -> tuple[bytes, ...]:
    """Return the receipt of a person's own lookup; `without` one she sees that it is missing."""
    from reconcile.model import KanheError

    try:
        (found,) = node.lookups.look_up([lookup], actor=actor())
    except KanheError as error:
        found = error
    if isinstance(found, KanheError) and not without:
        note("she was not looked up, nothing is answered and her request is not spent:")
        note("answer it again within ten minutes, or --without-receipt with our own entries alone")
        raise found
    if isinstance(found, KanheError):
        note(f"no receipt of a lookup is in the answer: {found.message} [{found.code}]")
        return ()
    return (found.receipt,)


def read_purpose(word: str) -> Purpose:
    """Return the purpose that a word means; `UsageError` PURPOSE_UNKNOWN."""
    from node.screening.consents import Purpose
    from reconcile.model import UsageError

    if word not in Purpose.__members__:
        raise UsageError("PURPOSE_UNKNOWN", f"{word!r} is none of {', '.join(Purpose.__members__)}")
    return Purpose[word]


def read_scope(words: list[str]) -> Scope:
    """Return the scope that words mean together; `UsageError` SCOPE_UNKNOWN."""
    from node.screening.consents import Scope
    from reconcile.model import UsageError

    found = Scope(0)
    for word in words:
        if word not in Scope.__members__:
            known = ", ".join(Scope.__members__)
            raise UsageError("SCOPE_UNKNOWN", f"{word!r} is none of {known}")
        found |= Scope[word]
    return found


def _read(path: Path) -> bytes:
    return require_file(path).read_bytes()


def write_file(path: Path, data: bytes) -> None:
    """Write a file that only its user can read."""
    from node.crypto.files import write_private

    write_private(path, data)
