"""The demo's second act: who listed whom, with whose consent, and what a wrong listing costs.

A customer overdue by three months is listed after notice; a card issuer looks her up with a consent
that she signed in her own wallet; somebody never listed leaves a proof of absence; a consent that
she took back opens nothing; a wrong listing is disputed, runs out of time, is suspended and erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from stdnum.cn import ric

from devnet.screening_network import (
    COMMITTEE,
    DAY_S,
    MEMBERS,
    ScreeningNetwork,
    found_members,
    make_key,
    publish_index,
)
from node.bootstrap import Node
from node.screening.asking import read_consent_request
from node.screening.consent_files import (
    ConsentFile,
    RevocationFile,
    write_consent_file,
    write_revocation_file,
)
from node.screening.consents import Purpose, Scope
from node.screening.explaining import explain_receipt
from node.screening.identifiers import Identifier, IdType, read_identifier
from node.screening.states import OPENABLE_DAYS
from node.screening.weighing import explain_envelope
from node.services.lookups import Found, Terms
from node.wallet import Wallet
from reconcile.counting import counted
from reconcile.model import KanheError, day_iso

Say = Callable[[str], None]

LENDER: Final = 1
ISSUER: Final = 2
LEASING: Final = 3
POLICY: Final = "CN-2013"
NOTICE_DAYS: Final = 30
#: The uploader's ten days of the profile, and one more.
DISPUTE_RUNS_OUT_S: Final = 11 * DAY_S
HIT: Final = "HIT"
MISS: Final = "MISS"
REVOKED: Final = "CONSENT_REVOKED"
MICRO: Final = 1_000_000
CERTIFICATE: Final = "deletion-certificate.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of the story: what was expected, what came, and whether they are the same."""

    what: str
    expected: str
    found: str

    @property
    def holds(self) -> bool:
        """Say whether it came out as it should."""
        return self.expected == self.found


@dataclass
class Story:
    """The network and what was found so far."""

    net: ScreeningNetwork
    folder: Path
    say: Say
    findings: list[Finding] = field(default_factory=list)

    def node(self, member: int) -> Node:
        """Return a member's node."""
        return self.net.node(member)

    def note(self, what: str, expected: str, found: str) -> None:
        """Keep a finding and say it."""
        self.findings.append(Finding(what, expected, found))
        self.say(f"  {'✓' if expected == found else '✗'} {what}: {found}")

    def now_s(self) -> int:
        """Return the chain's time."""
        return self.node(LENDER).client.head().time_s

    def write(self, name: str, data: bytes) -> Path:
        """Write a file that can be verified offline."""
        path = self.folder / name
        path.write_bytes(data)
        return path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the second act came to; `files` can be verified offline."""

    findings: tuple[Finding, ...]
    points: tuple[tuple[str, int, int], ...]
    files: tuple[Path, ...]

    @property
    def ok(self) -> bool:
        """Say whether every step came out as it should."""
        return all(finding.holds for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "ok": self.ok,
            "steps": [
                {
                    "what": item.what,
                    "expected": item.expected,
                    "found": item.found,
                    "ok": item.holds,
                }
                for item in self.findings
            ],
            "points": [
                {"member": name, "before_micro": str(before), "after_micro": str(after)}
                for name, before, after in self.points
            ],
            "files": [str(path) for path in self.files],
        }


def impossible_person(serial: int) -> Identifier:
    """Return a person who cannot exist: region 99 is nowhere."""
    body = f"99000019850101{serial:03d}"
    text = body + ric.calc_check_digit(f"{body}0")
    return read_identifier(IdType.CN_RID, text, allow_test=True)


def run_second_act(folder: Path, say: Say) -> Outcome:
    """Tell the story over a network of its own in `folder`; nothing is served afterwards."""
    net = found_members(folder, say)
    try:
        make_key(net, say)
        return _tell(Story(net, folder, say))
    finally:
        net.close()


def _tell(story: Story) -> Outcome:
    before = _points(story)
    customer, mistaken, stranger = (impossible_person(serial) for serial in (101, 102, 103))
    overdue, wrong = _list_two(story, customer, mistaken)
    publish_index(story.net, story.say)
    files = [*_lookups(story, customer, stranger), _evidence(story, overdue)]
    _dispute(story, wrong)
    files.append(_erase(story, wrong))
    after = _points(story)
    names = [item.name for item in MEMBERS]
    moved = tuple(zip(names, before, after, strict=True))
    return Outcome(tuple(story.findings), moved, tuple(files))


# ------------------------------------------------------------------------------- listing
def _list_two(story: Story, customer: Identifier, mistaken: Identifier) -> tuple[bytes, bytes]:
    """List an overdue customer, and by mistake one who had paid."""
    lender = story.node(LENDER)
    today = story.now_s() // DAY_S
    story.say(f"the lender lists an overdue customer, told on {day_iso(today - NOTICE_DAYS)}")
    notice = b"Notice: your instalment is overdue by more than three months."
    words = {
        "id_type": str(IdType.CN_RID),
        "reason": "OVERDUE_M3",
        "product": "CONSUMER_LOAN",
        "action": "COLLECTION",
        "proof_level": "2",
        "amount_band": "3",
        "days_past_due_band": "4",
        "event_month": day_iso(today - 100)[:7],
        "notice_at": day_iso(today - NOTICE_DAYS),
        "notice_hash": hashlib.sha256(notice).hexdigest(),
        "consent": hashlib.sha256(b"the loan agreement, clause 9").hexdigest(),
    }
    entries = []
    for person in (customer, mistaken):
        made = lender.screening.state_listing(
            person.value,
            words,
            policy=POLICY,
            evidence=[b"the account's statement"],
            allow_test=True,
        )
        entries.append(lender.screening.list_person(made))
    silent = {name: text for name, text in words.items() if not name.startswith("notice")}
    story.note(
        "a listing without notice to the person",
        "LISTING_NO_NOTICE",
        _refusal(lambda: _list_one(lender, impossible_person(104), silent)),
    )

    def listed() -> bool:
        return all(lender.screening.trace(entry).entry.state == "LISTED" for entry in entries)

    # Before the ledger has an entry there is nothing to trace.
    story.net.settle("the listings to be posted")
    story.net.until_block(listed, "the committee to evaluate both listings")
    traced = story.node(ISSUER).screening.trace(entries[0])
    changes = counted(len(traced.history), "change")
    who = f"{MEMBERS[traced.entry.uploader - 1].name}, {changes} on the ledger"
    story.say(f"  any member can trace it: listed by {who}; nothing of the person is there")
    return entries[0], entries[1]


def _list_one(node: Node, person: Identifier, words: dict[str, str]) -> None:
    made = node.screening.state_listing(person.value, words, policy=POLICY, allow_test=True)
    node.screening.list_person(made)


# ------------------------------------------------------------------------------- lookups
def _lookups(story: Story, customer: Identifier, stranger: Identifier) -> list[Path]:
    """Look up with consents that the people signed, and once after one was taken back."""
    story.node(ISSUER).screening.claim_allowance()
    story.net.settle("the day's allowance")
    story.say("the card issuer asks two applicants for consent; each signs in her own wallet")
    files = []
    for person, expected, name in ((customer, HIT, "hit"), (stranger, MISS, "absence")):
        lookup, _ = _consented(story, person)
        found = _look_up(story, lookup)
        said = found.outcome if isinstance(found, Found) else found.code
        story.note(f"lookup of {_whom(expected)}", expected, said)
        if isinstance(found, Found):
            proven = explain_receipt(found.receipt, allow_test=True).ok
            story.note(f"its receipt ({name}) verified offline", "proven", _word(proven))
            story.note("consent's level", "3, signed by the person", _level(found))
            files.append(story.write(f"receipt-{name}.json", found.receipt))
    story.say("a third applicant signs, then takes her consent back before it is used")
    lookup, secret = _consented(story, impossible_person(105))
    story.node(LEASING).lookups.relay_revocation(secret)
    story.net.settle("the revocation to be recorded")
    refused = _look_up(story, lookup)
    said = REVOKED if isinstance(refused, KanheError) and REVOKED in _codes(story) else "answered"
    story.note("lookup after the consent was taken back", REVOKED, said)
    logged = sum(bool(_refusals(story.node(member))) for member in COMMITTEE)
    story.note("members that logged the refusal", str(len(COMMITTEE)), str(logged))
    return files


def _consented(story: Story, person: Identifier) -> tuple[int, bytes]:
    """Prepare a lookup by the issuer that its person consents to; return her revocation too."""
    issuer, lender = story.node(ISSUER), story.node(LENDER)
    domain = issuer.identity.place.lookups_domain
    wallet, now_s = Wallet.create(person, domain), story.now_s()
    # The lender saw her document; who asks for the consent may not be who certifies her key.
    certificate = lender.screening.certify_person(
        wallet.request_certificate(LENDER, towards=ISSUER), person
    )
    terms = Terms(Purpose.CREDIT, Scope.HIT | Scope.RECORD, now_s - 60, now_s + 3 * DAY_S)
    lookup = issuer.lookups.prepare(person, terms)
    envelope = issuer.lookups.consent_request(lookup, name=issuer.name)
    asked, _ = read_consent_request(envelope)
    signed = wallet.consent(asked, envelope, certificate, now_s=now_s)
    file = ConsentFile(domain, signed.signed, signed.revocation_hash)
    issuer.lookups.take_consent(lookup, write_consent_file(file))
    issuer.lookups.buy_tickets(1)
    story.net.settle("consent and ticket to be recorded")
    secret = wallet.revocation_of(signed.digest)
    return lookup, write_revocation_file(RevocationFile(domain, ISSUER, signed.digest, secret))


def _look_up(story: Story, lookup: int) -> Found | KanheError:
    (found,) = story.node(ISSUER).lookups.look_up([lookup])
    return found


def _refusals(node: Node) -> list[str]:
    return [row.code for row in node.parts.answering.refusals()]


def _codes(story: Story) -> set[str]:
    return {code for member in COMMITTEE for code in _refusals(story.node(member))}


def _whom(outcome: str) -> str:
    return "the overdue customer" if outcome == HIT else "somebody never listed"


def _level(found: Found) -> str:
    return f"{found.level}, signed by the person" if found.enforced else f"{found.level}"


def _word(ok: bool) -> str:
    return "proven" if ok else "not proven"


# ------------------------------------------------------------------------------- evidence
def _evidence(story: Story, entry: bytes) -> Path:
    bundle = story.node(LENDER).screening.evidence_of(entry)
    story.note(
        "the listing's evidence bundle verified offline",
        "proven",
        _word(explain_envelope(bundle, allow_test=True).ok),
    )
    return story.write("evidence.json", bundle)


# ------------------------------------------------------------------------------- dispute
def _dispute(story: Story, entry: bytes) -> None:
    """Dispute the wrong listing; the uploader stays silent, and time decides."""
    lender, leasing = story.node(LENDER), story.node(LEASING)
    story.say("somebody who had paid finds herself listed; the leasing firm disputes it for her")
    leasing.screening.open_dispute(entry, "the loan was repaid before the notice", by_person=True)
    story.net.settle("the dispute to be recorded")
    story.note("state while disputed", "DISPUTED", lender.screening.trace(entry).entry.state)
    story.say("eleven days pass and the lender does not answer")
    story.net.chain.pass_s(DISPUTE_RUNS_OUT_S)
    leasing.follower.catch_up()
    traced = leasing.screening.trace(entry)
    story.note("state by the block's time alone", "SUSPENDED", traced.entry.state)
    story.net.settle("the dispute to be settled")
    (dispute,) = leasing.screening.disputes(everything=True)
    story.note("outcome of the dispute", "TIMED_OUT", dispute.outcome or dispute.phase)


def _erase(story: Story, entry: bytes) -> Path:
    """Erase it: salts and keys are destroyed, a signed certificate is recorded."""
    lender = story.node(LENDER)
    story.say("the lender erases it: it leaves the index now, an audit may still ask who it was")
    lender.screening.erase(entry)
    story.net.settle("the listing to be taken back")
    story.note("state once taken back", "REMOVED", lender.screening.trace(entry).entry.state)
    story.say("three days pass: what is left on the ledger cannot be opened by anybody")
    story.net.chain.pass_s(OPENABLE_DAYS * DAY_S)
    story.net.until_block(
        lambda: bool(lender.screening.trace(entry).certificates), "the deletion to be certified"
    )
    story.note("state in the end", "ERASED", lender.screening.trace(entry).entry.state)
    story.note("its evidence", "LISTING_ERASED",
               _refusal(lambda: lender.screening.evidence_of(entry)))  # fmt: skip
    return story.write(CERTIFICATE, lender.screening.certificate_of(entry))


def _refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except KanheError as error:
        return error.code
    return "taken"


# ------------------------------------------------------------------------------- points
def _points(story: Story) -> list[int]:
    """Return every member's points, balance less debt, in micro-points."""
    found = []
    for member in range(1, len(MEMBERS) + 1):
        account = story.node(member).screening.points().account
        found.append(account.balance - account.debt)
    return found


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print what came of each step, and the points before and after."""
    table = Table(title="Second act: the blacklist")
    table.add_column("step")
    table.add_column("expected")
    table.add_column("found")
    for finding in outcome.findings:
        mark = "[green]✓[/]" if finding.holds else "[red]✗[/]"
        table.add_row(finding.what, finding.expected, f"{mark} {finding.found}")
    console.print(table)
    points = Table(title="Points (minted less burned, less debt)")
    points.add_column("member")
    points.add_column("before", justify="right")
    points.add_column("after", justify="right")
    for name, before, after in outcome.points:
        points.add_row(name, f"{before / MICRO:g}", f"{after / MICRO:g}")
    console.print(points)


__all__ = ["Finding", "Outcome", "print_outcome", "run_second_act"]
