"""`kanhe verify`: check a file without node or network, and say what that proved in words.

Every check is re-hashing or recovering a signer; nothing is looked up. What only the ledger can
say stands under `not_proved`, each time, whatever the checks found (ledger.md, "Proofs").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from node.crypto.bundle import (
    RECORD_PROOF,
    REPORT_BUNDLE,
    Bundle,
    Signed,
    SignedResult,
    file_bytes,
    parse_bundle,
    read_json,
)
from node.crypto.eip712 import recover_signer
from node.crypto.frame import PAYLOAD_SIZES
from reconcile.commitment.heads import Stream
from reconcile.commitment.plain import read_header
from reconcile.commitment.proofs import BatchFields, RecordProof
from reconcile.commitment.records import decode_record
from reconcile.counting import counted
from reconcile.currency import amount_words
from reconcile.days import calendar_iso
from reconcile.model import (
    Decision,
    Entry,
    InputError,
    MatchGroup,
    ProtocolError,
    Side,
    day_iso,
    window_day,
)
from reconcile.report.document import REPORT_FORMAT
from reconcile.report.groups import group_from_json
from reconcile.report.verify import NOT_PROVED, Check, report_digest, verify_report

ONLY_LEDGER: Final = (
    (
        "that the approvers' keys belonged to these members and were valid then "
        "(the Registry's KeyRegistered, KeyEnded and KeyCompromised events show it)"
    ),
    "that no signature was superseded by a later revision (ResultAttested events show it)",
    "that the ledger recorded the agreement of both (its ResultAgreed event shows it)",
)
UNSIGNED: Final = "that anyone signed this report: the file holds no signature"
LATER_RECORDS: Final = "that no later version of this entry, or later decision, stands behind it"
BATCH_COUNTED: Final = (
    "that the record's batch counted: the file holds no report, and a report lists invalid batches"
)
PAYLOADS_READ: Final = "what the payloads say: that needs the epoch keys"
MAX_NAMED: Final = 3
# OverflowError: a window whose day no calendar holds.
_UNREADABLE: Final = (
    *(KeyError, TypeError, ValueError, AttributeError),
    *(RecursionError, OverflowError),
)


@dataclass(slots=True)
class Verification:
    """What `kanhe verify` says: `checks` in order, what they prove, and what they cannot."""

    checks: list[Check] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Say whether there were checks and all of them held."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def hold(self, name: str, *, ok: bool, yes: str, no: str) -> bool:
        """Record one check with the sentence that fits its outcome."""
        self.checks.append(Check(name, ok, yes if ok else no))
        return ok

    def to_json(self) -> dict[str, object]:
        """Return the object of `interfaces.md`."""
        return {
            "checks": [{"name": c.name, "ok": c.ok, "says": c.says} for c in self.checks],
            "proved": self.proved,
            "not_proved": self.not_proved,
            "ok": self.ok,
        }


def verify_bytes(data: bytes) -> Verification:
    """Verify a report bundle, a record proof, a stream, or the output of `kanhe match --json`.

    Raises `InputError` PROOF_MALFORMED where the file is none of them; a file that can be read and
    is wrong is a `Verification` that is not ok. Nothing is `proved` beside a failed check: a reader
    who trusts one sentence of a file that was changed would be misled by it.
    """
    body = read_json(data)
    found = Verification()
    try:
        if "kanhe" in body:
            bundle = parse_bundle(body)
            _hold_form(body, data, found)
            _hold_bundle(bundle, found)
        else:
            _hold_unsigned(body, found)
    except _UNREADABLE as error:
        raise InputError(
            "PROOF_MALFORMED",
            f"the file does not have the parts of a report: {error!r}",
            help="Export the proof again; nothing of this file was taken as proven.",
        ) from None
    if not found.ok:
        found.proved.clear()
    return found


def _hold_form(body: Mapping[str, object], data: bytes, found: Verification) -> None:
    try:
        same = file_bytes(body) == data
    except InputError:
        same = False
    found.hold(
        "form",
        ok=same,
        yes="the file has the one form in which it is written",
        no="the file was re-formatted or changed: it is not the form in which it is written",
    )


def _hold_bundle(bundle: Bundle, found: Verification) -> None:
    if bundle.kind == REPORT_BUNDLE:
        assert bundle.report is not None, "a report bundle holds a report"
        _hold_report(bundle.result, bundle.report, bundle.groups, found)
    elif bundle.kind == RECORD_PROOF:
        assert bundle.proof is not None, "a record proof holds a proof"
        _hold_record(bundle.result, bundle.proof, bundle.report, found)
    else:
        _hold_stream(bundle, found)
    _hold_signatures(bundle.result, found)
    found.not_proved += ONLY_LEDGER


# ------------------------------------------------------------------ the report
def _hold_report(
    result: SignedResult,
    report: Mapping[str, Any],
    groups: Sequence[object],
    found: Verification,
) -> None:
    read = _groups(groups, found)
    if read is None:
        return
    found.checks += verify_report(report, read, digest=result.digest)
    if found.ok:
        _hold_names(result, report, found)
    found.proved.append(
        f"The report of window {result.window} ({calendar_iso(window_day(result.window))}) and its "
        f"{counted(len(read), 'group')} are what the digest {result.digest.hex()} pins; totals, "
        f"breaks and identities follow from each other. It says: {report.get('says')}."
    )
    found.not_proved += NOT_PROVED


def _hold_names(result: SignedResult, report: Mapping[str, Any], found: Verification) -> None:
    """Hold the report's own names against what was signed beside its digest."""
    stated = {
        "report_format": (report["report_format"], REPORT_FORMAT),
        "agreement": (report["agreement"], result.agreement.hex()),
        "window": (report["window"], str(result.window)),
        "previous_agreed_digest": (
            report["previous_agreed_digest"],
            result.previous_agreed_digest.hex(),
        ),
        **{
            f"{side.word} head": (report["heads"][side.word], result.head(side).hex())
            for side in Side
        },
    }
    wrong = [name for name, (there, signed) in stated.items() if there != signed]
    found.hold(
        "names",
        ok=not wrong,
        yes="the report names the agreement, window, heads and previous digest that were signed",
        no=f"the report names another {', another '.join(wrong)} than was signed",
    )


def _groups(groups: Sequence[object], found: Verification) -> list[MatchGroup] | None:
    try:
        return [group_from_json(item) for item in groups]  # type: ignore[arg-type]
    except InputError as error:
        found.hold("groups", ok=False, yes="", no=error.message)
        return None


def _hold_unsigned(body: Mapping[str, Any], found: Verification) -> None:
    """Check what `kanhe match --json` wrote: a report that nobody signed yet."""
    report, groups, digest = body.get("report"), body.get("groups"), body.get("report_digest")
    if not isinstance(report, dict) or not isinstance(groups, list) or not isinstance(digest, str):
        raise InputError(
            "PROOF_MALFORMED",
            "the file is neither an export of `kanhe proof` nor the output of `kanhe match --json`",
            help="Verify a file of `kanhe proof export`.",
        )
    read = _groups(groups, found)
    if read is None:
        return
    found.checks += verify_report(report, read, digest=bytes.fromhex(digest))
    copies = [
        name
        for name in ("complete", "balance_proven", "totals", "proposals", "breaks")
        if name in body and body[name] != report.get(name)
    ]
    found.hold(
        "copies",
        ok=not copies,
        yes="what stands beside the report is what the report says",
        no=f"beside the report stands another {', another '.join(copies)}",
    )
    found.proved.append(
        f"Report and {counted(len(read), 'group')} are what the digest {digest} pins; totals, "
        f"breaks and identities follow from each other. It says: {report.get('says')}."
    )
    found.not_proved += [UNSIGNED, *NOT_PROVED]


# ------------------------------------------------------------------ one record
def _hold_record(
    result: SignedResult,
    proof: RecordProof,
    report: Mapping[str, Any] | None,
    found: Verification,
) -> None:
    stream = Stream(
        result.domain.chain_id, result.domain.contract, result.agreement, proof.stream.side
    )
    found.hold(
        "place",
        ok=proof.stream == stream and proof.closed_window == result.window,
        yes="the record's stream is one of the signed agreement, closed at the signed window",
        no="the record belongs to another chain, ledger, agreement or window than was signed",
    )
    says = _record_words(proof)
    found.hold(
        "record",
        ok=says is not None,
        yes=f"the record reads and is canonical: {says}",
        no="the record does not read, or is not in its one form",
    )
    found.hold(
        "window",
        ok=proof.window <= result.window,
        yes=f"its batch was posted to window {proof.window}, which the report covers",
        no=f"its batch was posted to window {proof.window}, after the signed one",
    )
    word = proof.stream.side.word
    found.hold(
        "inclusion",
        ok=proof.closing_head == result.head(proof.stream.side),
        yes=f"record, path and following batches re-hash to the signed head of the {word}",
        no=f"record, path and following batches do not re-hash to the signed head of the {word}",
    )
    found.proved.append(
        f"The {word}'s stream, as it was closed and signed, holds this record as leaf "
        f"{proof.index} of {proof.count} in batch {proof.seq}: {says}."
    )
    found.not_proved.append(LATER_RECORDS)
    if report is None:
        found.not_proved.append(BATCH_COUNTED)
    else:
        _hold_counted(result, proof, report, found)


def _hold_counted(
    result: SignedResult, proof: RecordProof, report: Mapping[str, Any], found: Verification
) -> None:
    """With the signed report beside it, see that the record's batch was not excluded."""
    signed = found.hold(
        "digest",
        ok=report_digest(report) == result.digest,
        yes="the report beside it has the digest that was signed",
        no="the report beside it has another digest than was signed",
    )
    if not signed:
        return
    word, seq = proof.stream.side.word, str(proof.seq)
    reasons = [
        item["reason"]
        for item in report["invalid_batches"]
        if (item["side"], item["seq"]) == (word, seq)
    ]
    found.hold(
        "counted",
        ok=not reasons,
        yes="the report does not list its batch as invalid",
        no=f"the report excludes its batch: {', '.join(reasons)}",
    )


def _record_words(proof: RecordProof) -> str | None:
    """Return what the record says, or None where its bytes are no record."""
    try:
        if proof.index == 0:
            header = read_header(proof.record)
            return f"the header of batch {header.seq} with {header.count} records"
        record = decode_record(proof.record)
    except ProtocolError:
        return None
    if isinstance(record, Entry):
        return (
            f"entry {record.entry_ref} version {record.version}, {record.direction.name} "
            f"{amount_words(record.amount_minor, record.currency)}, {record.status.name}, "
            f"booked {day_iso(record.booking_date)}"
        )
    if isinstance(record, Decision):
        return f"decision {record.verdict} on {record.subject.hex()} by {record.decider}"
    return f"section digests of window {record.window}"


# ------------------------------------------------------------------ a stream
def _hold_stream(bundle: Bundle, found: Verification) -> None:
    """Re-hash a side's payloads from head 0 to the signed closing head."""
    result, side = bundle.result, bundle.side
    assert side is not None, "a stream is of a side"
    head = Stream(result.domain.chain_id, result.domain.contract, result.agreement, side).head0
    gaps, sizes = [], []
    for seq, batch in enumerate(bundle.batches, start=1):
        if batch.seq != seq:
            gaps.append(str(batch.seq))
        if len(batch.payload) not in PAYLOAD_SIZES:
            sizes.append(str(batch.seq))
        fields = BatchFields.of(
            batch.seq, batch.window, batch.epoch, batch.commitment, batch.payload
        )
        head = fields.after(head)
    found.hold(
        "sequence",
        ok=not gaps,
        yes=f"the batches, {len(bundle.batches)} of them, are numbered from 1 without a gap",
        no=f"batches out of sequence: {', '.join(gaps[:MAX_NAMED])}",
    )
    found.hold(
        "head",
        ok=head == result.head(side),
        yes=f"the payloads re-hash to the signed head of the {side.word}",
        no=f"the payloads do not re-hash to the signed head of the {side.word}",
    )
    odd = f"; batches {', '.join(sizes[:MAX_NAMED])} have no size of a payload" if sizes else ""
    found.proved.append(
        f"The {side.word}'s whole stream up to the head that was signed is, byte by byte, "
        f"{counted(len(bundle.batches), 'payload')}{odd}."
    )
    found.not_proved.append(PAYLOADS_READ)


# ------------------------------------------------------------------ the signatures
def _hold_signatures(result: SignedResult, found: Verification) -> None:
    expected = [side for side in Side if side is not result.represented]
    present = [signed.side for signed in result.attestations]
    names = " and ".join(side.word for side in expected)
    found.hold(
        "signed_by_all",
        ok=present == expected,
        yes=f"there is one signature of each side that signs: {names}",
        no=f"signatures of {names} are needed, no more and no fewer",
    )
    for signed in result.attestations:
        _hold_signature(result, signed, found)
    approvers = {signed.approver for signed in result.attestations}
    if len(result.attestations) > 1:
        found.hold(
            "two_approvers",
            ok=len(approvers) == len(result.attestations),
            yes="the two sides' signatures are by two keys",
            no="both sides' signatures are by one key, and a key belongs to one member for ever",
        )
    if result.represented is not None:
        found.not_proved.append(
            f"that the {result.represented.word} is represented, so that one signature suffices, "
            "as the file says (the ledger's AgreementOpened event shows it)"
        )


def _hold_signature(result: SignedResult, signed: Signed, found: Verification) -> None:
    word, named = signed.side.word, f"0x{signed.approver.hex()}"
    try:
        signer = recover_signer(result.domain, result.claim(signed), signed.signature).lower()
        no = f"the {word}'s signature is by {signer}, not by {named}"
    except ProtocolError as error:
        signer, no = "", f"the {word}'s signature does not read: {error.message}"
    alone = "; it says that one person acted alone" if signed.flags & 1 else ""
    yes = f"{named} signed this result for the {word}, revision {signed.revision}{alone}"
    if found.hold(f"signature_{word}", ok=signer == named, yes=yes, no=no):
        found.proved.append(f"{yes[:1].upper()}{yes[1:]}.")
