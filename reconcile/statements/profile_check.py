"""A user's profile: TOML read and checked, so that a wrong word is told before a file is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from reconcile.currency import digits_of
from reconcile.model import CARRIER_BY_WORD, EntryStatus, InputError, Where
from reconcile.statements.expressions import expression
from reconcile.statements.profile_dates import FORMATS
from reconcile.statements.profiles import GENERIC, Profile, profiles

MAX_PROFILE_BYTES: Final = 256 * 1024
MAX_OFFSET_MIN: Final = 14 * 60
# As long as the node's table of imports holds on every database.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
_LINE: Final = re.compile(r"line (\d+)")
_PATH: Final = re.compile(r" - at `\$?\.?([^`]*)`")
FIELDS: Final = (
    "date", "clock", "value_date", "currency", "amount", "amount_in", "amount_out", "debit",
    "credit", "direction", "balance", "fee", "name", "peer_account", "payer_name",
    "payer_account", "payee_name", "payee_account", "remittance", "kind", "original", "sign",
    "state", "method", "type", "item",
)  # fmt: skip
_KNOWN: Final = frozenset({*FIELDS, *CARRIER_BY_WORD})
_AMOUNTS: Final = (("amount",), ("amount_in", "amount_out"), ("debit", "credit"))


def load_profile(content: bytes, file: str) -> Profile:
    """Read a profile; `InputError` PROFILE_INVALID says which line or field does not hold."""
    if len(content) > MAX_PROFILE_BYTES:
        raise _invalid(file, "", f"the file is larger than {MAX_PROFILE_BYTES} bytes")
    try:
        profile = msgspec.toml.decode(content, type=Profile)
    except msgspec.ValidationError as error:
        found = _PATH.search(str(error))
        raise _invalid(file, found[1] if found else "", _PATH.sub("", str(error))) from None
    except (msgspec.DecodeError, ValueError) as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found else None
        raise _invalid(file, "", f"it is not TOML: {error}", line) from None
    for field, problem in problems(profile):
        raise _invalid(file, field, problem)
    return profile


def _invalid(file: str, field: str, problem: str, line: int | None = None) -> InputError:
    return InputError(
        "PROFILE_INVALID",
        f"{field}: {problem}" if field else problem,
        where=Where(file, line, field or None),
        help='docs/formats.md, "A profile of your own", has a full example and every word',
    )


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield (field, what does not hold) for everything that is wrong in a profile."""
    if not _NAME.match(profile.name):
        yield "name", f"{profile.name!r} is not 1 to 40 lower-case letters, digits, hyphens"
    elif profile.name == GENERIC or profile.name in profiles():
        yield "name", f"{profile.name!r} is the name of a shipped profile; choose another"
    yield from _header(profile)
    yield from _columns(profile)
    yield from _patterns(profile)
    yield from _values(profile)


def _header(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.fixed is None and not profile.header:
        yield "header", "a table needs the names by which it is recognised"
    if profile.fixed is not None and profile.header:
        yield "header", "lines of fixed width have no header; [fixed] recognise says what they are"


def _columns(profile: Profile) -> Iterator[tuple[str, str]]:
    known = _KNOWN | _named_elsewhere(profile)
    for field, words in profile.columns.items():
        if field not in known:
            yield f"columns.{field}", f"is no field{_did_you_mean(field)}"
        elif not words:
            yield f"columns.{field}", "names no column"
        for word in words:
            if profile.fixed is not None and word not in profile.fixed.columns:
                yield f"columns.{field}", f"[fixed] columns has no {word!r}"
    if "date" not in profile.columns:
        yield "columns.date", "an entry needs the day it was booked"
    ways = [way for way in _AMOUNTS if all(field in profile.columns for field in way)]
    if not ways:
        yield (
            "columns.amount",
            "an entry needs amount, or amount_in and amount_out, or debit and credit",
        )
    for field in profile.ref_fields:
        if field not in profile.columns:
            yield "source_ref", f"[columns] has no {field!r}"
    for start, width in profile.fixed.columns.values() if profile.fixed is not None else ():
        if start < 1 or width < 1:
            yield "fixed.columns", f"[{start}, {width}] is not [first position from 1, width]"


def _named_elsewhere(profile: Profile) -> frozenset[str]:
    """Return the fields that only rules and totals of this profile look at."""
    names: set[str] = set()
    if profile.rules is not None:
        for flow in profile.rules.flows:
            names.update(flow.when, (flow.amount,))
    for total in profile.totals:
        names.update(total.when)
    if profile.foot_table is not None:
        names.update(total.of for total in profile.foot_table.totals)
    if profile.fees is not None:
        names.update(profile.fees.payable, profile.fees.receivable, profile.fees.signed)
    return frozenset(names | set(profile.ref_fields))


def _did_you_mean(word: str) -> str:
    near = difflib.get_close_matches(word, sorted(_KNOWN), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; fields are {', '.join(FIELDS)}"


def _patterns(profile: Profile) -> Iterator[tuple[str, str]]:
    for field, pattern, groups in _all_patterns(profile):
        try:
            compiled = expression(pattern)
        except ValueError as error:
            yield field, f"{pattern!r} is no expression of RE2: {error}"
            continue
        if compiled.groups < groups:
            yield field, f"{pattern!r} needs {groups} group(s) in parentheses"
    for index, total in enumerate(profile.totals):
        if "(?P<count>" not in total.pattern and "(?P<sum>" not in total.pattern:
            yield f"totals[{index}]", "needs a group (?P<count>…) or (?P<sum>…)"


def _all_patterns(profile: Profile) -> Iterator[tuple[str, str, int]]:
    """Yield (field, expression, groups that it must have)."""
    plain = (
        ("account_pattern", 1),
        ("period_pattern", 2),
        ("party_pattern", 2),
        ("file_date_pattern", 1),
    )
    for field, groups in plain:
        pattern = getattr(profile, field)
        if pattern is not None:
            yield field, pattern, groups
    for index, total in enumerate(profile.totals):
        yield f"totals[{index}].pattern", total.pattern, 1
        for name, pattern in total.when.items():
            yield f"totals[{index}].when.{name}", pattern, 0
    if profile.foot_total is not None:
        yield "foot_total.first_cell", profile.foot_total.first_cell, 0
    if profile.rules is not None:
        yield from _rule_patterns(profile)
    if profile.fixed is not None:
        yield "fixed.recognise", profile.fixed.recognise, 0
        if profile.fixed.detail is not None:
            yield "fixed.detail", profile.fixed.detail, 0
        for fact in profile.fixed.facts:
            yield "fixed.facts.line", fact.line, 0
        for stated in profile.fixed.totals:
            yield "fixed.totals.line", stated.line, 0


def _rule_patterns(profile: Profile) -> Iterator[tuple[str, str, int]]:
    rules = profile.rules
    assert rules is not None
    yield "rules.own_funds", rules.own_funds, 0
    if rules.fee_pattern is not None:
        yield "rules.fee_pattern", rules.fee_pattern, 1
    for index, flow in enumerate(rules.flows):
        for name, pattern in flow.when.items():
            yield f"rules.flows[{index}].when.{name}", pattern, 0
    for index, state in enumerate(rules.states):
        yield f"rules.states[{index}].match", state.match, 0


def _values(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.currency is not None and digits_of(profile.currency) is None:
        yield "currency", f"{profile.currency!r} is no ISO 4217 code"
    if profile.date_format is not None and profile.date_format not in FORMATS:
        yield "date_format", f"{profile.date_format!r} is none of {', '.join(FORMATS)}"
    offset = profile.utc_offset_min
    if offset is not None and abs(offset) > MAX_OFFSET_MIN:
        yield "utc_offset_min", f"{offset} minutes is no time zone"
    for field, status in _statuses(profile):
        if status not in EntryStatus.__members__:
            yield field, f"{status!r} is none of {', '.join(EntryStatus.__members__)}"
    needs = profile.rules.flows if profile.rules is not None else ()
    for index, flow in enumerate(needs):
        for name in (*flow.when, flow.amount):
            if name not in profile.columns:
                yield f"rules.flows[{index}]", f"[columns] has no {name!r}"


def _statuses(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.rules is None:
        return
    for index, state in enumerate(profile.rules.states):
        yield f"rules.states[{index}].status", state.status
    for index, flow in enumerate(profile.rules.flows):
        if flow.status is not None:
            yield f"rules.flows[{index}].status", flow.status
