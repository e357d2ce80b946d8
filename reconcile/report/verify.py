"""Re-deriving a report without node or network: what it proves by itself, and what it cannot.

From the report and the groups beside it everything is recomputed that follows from them. What
follows only from the entries (turnover, who belongs to whom) needs the streams, and what follows
only from the ledger (roles, revisions, `ResultAgreed`) needs the chain; both are said in words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconcile.canonical import canonical_json, digest_of
from reconcile.matching.keys import bare_break_key, break_key, group_subject
from reconcile.model import BreakKind, InputError, MatchGroup, Proposal, Side
from reconcile.report.carry import Carry, carry_of
from reconcile.report.document import proposal_json
from reconcile.report.groups import groups_root
from reconcile.report.totals import BALANCE_KINDS

MAX_NAMED: Final = 3
NOT_PROVED: Final = (
    "that both books hold the entries behind the turnover: that needs both sides' streams",
    "that the balances are those of the account: they are what each side stated",
    "that no other pairing was better: re-running the engine on both streams shows it",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check, whether it holds, and what that says."""

    name: str
    ok: bool
    says: str


def report_digest(report: Mapping[str, Any]) -> bytes:
    """Return SHA-256 of the report's RFC 8785 bytes."""
    return digest_of(dict(report))


def section_digests(report: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """Return each section's name and digest, by name, to find where two reports differ."""
    return tuple((name, digest_of(report[name])) for name in sorted(report))


def verify_report(
    report: Mapping[str, Any],
    groups: Sequence[MatchGroup],
    proposals: Sequence[Proposal] = (),
    *,
    digest: bytes | None = None,
) -> list[Check]:
    """Check a report against itself, its groups and, where given, the digest that was signed.

    Never raises: what does not read is a check that fails.
    """
    try:
        canonical_json(dict(report))
        carry = carry_of(report)
        checks = [
            Check("form", ok=True, says="the report reads and is canonical"),
            *_digest_check(report, digest),
            _groups_check(report, groups),
            *([_proposals_check(report, proposals)] if proposals else []),
            _flow_check(report),
            _proof_check(report),
            _explained_check(report),
            _breaks_check(report, carry),
            _keys_check(report, carry),
            _once_check(report, groups, carry),
            _residual_check(report, groups),
            _verdict_check(report),
        ]
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        return [Check("form", ok=False, says=f"the report does not read: {error}")]
    return checks


def _check(name: str, wrong: Sequence[str], holds: str) -> Check:
    if not wrong:
        return Check(name, ok=True, says=holds)
    more = "" if len(wrong) <= MAX_NAMED else f" and {len(wrong) - MAX_NAMED} more"
    return Check(name, ok=False, says="; ".join(wrong[:MAX_NAMED]) + more)


def _digest_check(report: Mapping[str, Any], digest: bytes | None) -> list[Check]:
    found = report_digest(report)
    if digest is None:
        return [Check("digest", ok=True, says=f"the digest is {found.hex()}")]
    wrong = [] if found == digest else [f"the report's digest is {found.hex()}, not {digest.hex()}"]
    return [_check("digest", wrong, "the report's bytes have the digest that was signed")]


def _groups_check(report: Mapping[str, Any], groups: Sequence[MatchGroup]) -> Check:
    wrong = []
    if int(report["group_count"]) != len(groups):
        wrong.append(f"the report counts {report['group_count']} groups, {len(groups)} are here")
    ordered = sorted(groups, key=lambda item: (item.servicer, item.owner))
    if list(groups) != ordered:
        wrong.append("the groups are not in canonical order")
    if groups_root(groups).hex() != report["groups_root"]:
        wrong.append("the groups do not hash to groups_root")
    return _check("groups", wrong, f"groups_root pins all {len(groups)} groups")


def _proposals_check(report: Mapping[str, Any], proposals: Sequence[Proposal]) -> Check:
    same = [proposal_json(item) for item in proposals] == report["proposals"]
    return _check(
        "proposals", [] if same else ["the proposals are not the report's"], "proposals agree"
    )


def _flow_check(report: Mapping[str, Any]) -> Check:
    """Opening + IN - OUT = closing, as the identity lines of the report say, not more, not less."""
    lines = {
        (line["side"], line["currency"]): line
        for line in report["identities"]
        if line["name"] == "flow"
    }
    wrong = []
    for row in report["totals"]:
        for side in Side:
            part = row[side.word]
            end = int(part["opening_minor"]) + int(part["in_minor"]) - int(part["out_minor"])
            line = lines.pop((side.word, row["currency"]), None)
            stated = (str(end), part["closing_minor"], end == int(part["closing_minor"]))
            if line is None or stated != (
                line["expected_minor"],
                line["found_minor"],
                line["holds"],
            ):
                wrong.append(f"{side.word} {row['currency']}: the flow line does not follow")
    wrong += [f"a flow line of {name} has no totals" for name in lines]
    return _check("flow", wrong, "opening + IN - OUT is computed rightly for each side")


def _proof_check(report: Mapping[str, Any]) -> Check:
    wrong = []
    for row in report["totals"]:
        gap = int(row["servicer"]["closing_minor"]) - int(row["owner"]["closing_minor"])
        parts = sum(int(row[name]) for name in _EXPLAINING)
        stated = int(row["closing_difference_minor"]), int(row["proof_minor"])
        if (gap, gap - parts) != stated:
            wrong.append(f"{row['currency']}: proof is {gap - parts}, the report says {stated[1]}")
    return _check("proof", wrong, "the proof amount follows from the closings and what is open")


_EXPLAINING: Final = ("breaks_minor", "residual_minor", "written_off_minor")


def _explained_check(report: Mapping[str, Any]) -> Check:
    """Breaks, residuals and write-offs, line by line, add up to the totals."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for item in report["breaks"]:
        if item["kind"] not in BALANCE_KINDS:
            for part in item["signed"]:
                sums[part["currency"], "breaks_minor"] += int(part["minor"])
    for section, name in (("residuals", "residual_minor"), ("written_off", "written_off_minor")):
        for item in report[section]:
            sums[item["currency"], name] += int(item["minor"])
    wrong = []
    for row in report["totals"]:
        wrong += [
            f"{row['currency']}: {name} is not the sum of its lines"
            for name in _EXPLAINING
            if sums.pop((row["currency"], name), 0) != int(row[name])
        ]
    wrong += [
        f"{code}: {name} stands in no totals" for (code, name), minor in sums.items() if minor
    ]
    return _check("explained", wrong, "open breaks, residuals and write-offs add up to the totals")


def _breaks_check(report: Mapping[str, Any], carry: Carry) -> Check:
    """Each break's signed sums follow from the full entries it carries."""
    wrong = []
    by_key: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    refs: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side in Side:
        for item in carry.carried[side]:
            key = item.break_key.hex()
            refs[key][side].append(item.entry.entry_ref)
            moved = item.entry.signed_minor * (1 - 2 * side) if item.entry.moving else 0
            by_key[key][item.entry.currency] += moved
    for item in report["breaks"]:
        key = item["key"]
        named = (sorted(item["servicer"]), sorted(item["owner"]))
        held = refs.pop(key, ([], []))
        if named != (sorted(held[0]), sorted(held[1])):
            wrong.append(f"break {key[:16]}: its entries are not the carried ones")
        stated = {part["currency"]: int(part["minor"]) for part in item["signed"]}
        found = by_key.get(key, {})
        if any(stated.get(name, 0) != found.get(name, 0) for name in {*stated, *found}):
            wrong.append(f"break {key[:16]}: its amount is not the sum of its entries")
    wrong += [f"carried items name break {key[:16]}, which is not listed" for key in refs]
    return _check("breaks", wrong, "each break's amount is the sum of the entries it carries")


def _keys_check(report: Mapping[str, Any], carry: Carry) -> Check:
    """A break whose entries are all new is named after one of them; an older one keeps its key."""
    agreement, window = bytes.fromhex(report["agreement"]), int(report["window"])
    older = {
        (side, item.entry.entry_ref)
        for side in Side
        for item in carry.carried[side]
        if item.since_window != window
    }
    wrong = []
    for item in report["breaks"]:
        named = [(side, ref) for side in Side for ref in item[side.word]]
        if item["kind"] in BALANCE_KINDS:
            side = Side.OWNER if item.get("side") == "owner" else Side.SERVICER
            currency = item["signed"][0]["currency"] if item["signed"] else ""
            keys = {bare_break_key(agreement, BreakKind(item["kind"]), side, currency, window)}
        elif older.isdisjoint(named):
            keys = {break_key(agreement, side, ref) for side, ref in named}
        else:
            # An older break may be named after an entry that has since been settled.
            continue
        if bytes.fromhex(item["key"]) not in keys:
            wrong.append(f"break {item['key'][:16]} is not named after any of its entries")
    return _check("keys", wrong, "break keys are hashes of their own entries")


def _once_check(report: Mapping[str, Any], groups: Iterable[MatchGroup], carry: Carry) -> Check:
    wrong = []
    grouped = list(groups)
    for side in Side:
        seen: Counter[str] = Counter()
        for group in grouped:
            seen.update((group.servicer, group.owner)[side])
        for item in report["breaks"]:
            seen.update(item[side.word])
        wrong += [f"{side.word} {ref} stands {n} times" for ref, n in seen.items() if n > 1]
        twice = Counter(item.entry.entry_ref for item in carry.carried[side])
        wrong += [f"{side.word} {ref} is carried twice" for ref, n in twice.items() if n > 1]
    return _check("once", wrong, "every entry stands in one group or one break, never in two")


def _residual_check(report: Mapping[str, Any], groups: Iterable[MatchGroup]) -> Check:
    """A new group's residual stands among the open ones, unless an entry of this run booked it."""
    agreement = bytes.fromhex(report["agreement"])
    known = {item["subject"] for item in (*report["residuals"], *report["booked"])}
    wrong = []
    for group in groups:
        if group.residual_minor == 0 or group.pass_name in _SETTLING_PASSES:
            continue
        subject = group_subject(agreement, group.servicer, group.owner).hex()
        if subject not in known:
            wrong.append(f"the residual of group {subject[:16]} is not listed")
    return _check("residuals", wrong, "what a group left open is listed until an entry books it")


# Their amounts stand under the subject they settle, not under one of their own.
_SETTLING_PASSES: Final = frozenset({"booking", "write_off"})


def _verdict_check(report: Mapping[str, Any]) -> Check:
    wrong = [
        f"identity {line['name']} misstates whether it holds"
        for line in report["identities"]
        if line["holds"] != (line["expected_minor"] == line["found_minor"])
    ]
    proofs = {line["currency"]: line for line in report["identities"] if line["name"] == "proof"}
    for row in report["totals"]:
        line = proofs.pop(row["currency"], None)
        if line is None or line["found_minor"] != row["proof_minor"]:
            wrong.append(f"{row['currency']}: the proof amount has no identity line")
    complete = all(line["holds"] for line in report["identities"])
    if report["complete"] != complete:
        wrong.append("the report misstates whether it is complete")
    derived = [
        row["currency"]
        for row in report["totals"]
        for side in Side
        if "DERIVED" in {row[side.word]["opening_basis"], row[side.word]["closing_basis"]}
    ]
    proven = complete and bool(report["totals"]) and not derived
    if report["balance_proven"] != proven:
        wrong.append("the report misstates whether the balance is proven")
    return _check("verdict", wrong, report["says"])
