"""Strict reading of the passes: keys, amounts, fees, shapes, and what they must not let happen."""

from __future__ import annotations

from typing import Final

import re2

from reconcile.model import CARRIER_BY_WORD
from reconcile.terms.contradictions import (
    require_consistent,
    require_guard,
    require_matchable,
    require_tolerance,
)
from reconcile.terms.default import default_passes
from reconcile.terms.reader import Reader, as_integer, refuse
from reconcile.terms.rules import (
    PPM,
    AmountRule,
    FeeSchedule,
    KeyPair,
    MatchPass,
    SubsetRule,
)

MAX_PASSES: Final = 32
MAX_KEYS: Final = 4
MAX_STEPS: Final = 8
MAX_NAME: Final = 32
MAX_PATTERN: Final = 256
MAX_CUT: Final = 1_024
MAX_DAYS: Final = 366
MAX_LENGTH: Final = 1_024
MAX_MINOR: Final = 2**63 - 1
# A tolerance of more than a tenth of the amount is no rounding, it is another amount.
MAX_TOLERANCE_PPM: Final = PPM // 10

CARRIER_WORDS: Final = (
    *CARRIER_BY_WORD,
    "group_ref",
    "remittance",
    "counterparty_name",
    "counterparty_account",
)
PLAIN_STEPS: Final = ("nfkc_ascii", "trim", "upper", "alnum", "digits", "strip_zeros")
SUBSET: Final = "N:M"
SHAPES: Final = ("1:1", "1:N", "N:1", SUBSET)
# A state is about a microsecond and a hundred bytes while its block is searched.
MAX_STATES: Final = 2_000_000
MAX_PARTS: Final = 12
MAX_SOLUTIONS: Final = 16
CONFIRMS: Final = ("always", "unique", "never")
ROUNDINGS: Final = ("floor", "ceiling", "half_up", "half_even")
# What the engine itself writes where no pass confirmed a group.
RESERVED_NAMES: Final = ("decision", "booking", "write_off")
_NAME_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_PASS_FIELDS: Final = (
    "name",
    "keys",
    "amount",
    "fee",
    "value_date_days",
    "shape",
    "confirm",
    "subset",
    "guards",
)
_KEY_FIELDS: Final = ("servicer", "owner", "normalise", "min_length")


def read_passes(top: Reader) -> tuple[MatchPass, ...]:
    """Return the passes in their order; a file without the field takes the default ones."""
    if not top.has("passes"):
        return default_passes()
    items = top.array("passes", MAX_PASSES)
    if not items:
        raise refuse("TERMS_CONTRADICTION", "without a pass nothing ever matches", "passes")
    found: list[MatchPass] = []
    for index, item in enumerate(items):
        rule = _pass(Reader(item, f"passes[{index}]", _PASS_FIELDS))
        if any(rule.name == earlier.name for earlier in found):
            raise refuse(
                "TERMS_NAME", f"two passes are named {rule.name!r}", f"passes[{index}].name"
            )
        found.append(rule)
    require_consistent(found)
    return tuple(found)


def _pass(reader: Reader) -> MatchPass:
    rule = MatchPass(
        name=_name(reader),
        keys=tuple(
            _key(Reader(item, f"{reader.at('keys')}[{index}]", _KEY_FIELDS))
            for index, item in enumerate(reader.array("keys", MAX_KEYS))
        ),
        amount=_amount(reader),
        fee=_fee(reader),
        value_date_days=reader.integer("value_date_days", 0, MAX_DAYS),
        shape=_shape(reader),
        confirm=reader.word("confirm", CONFIRMS),
        subset=_subset(reader),
        guards=reader.flag("guards"),
    )
    _require_meaning(rule, reader)
    if rule.guards:
        require_guard(rule, reader.at("guards"))
    if SUBSET in rule.shape:
        _require_bounds(rule, reader)
    return rule


def _require_bounds(rule: MatchPass, reader: Reader) -> None:
    """Refuse a subset search that would find what nobody meant: it is exact, alone and asked."""
    if rule.shape != (SUBSET,):
        raise refuse(
            "TERMS_CONTRADICTION",
            "a subset search already finds 1:1, 1:N and N:1",
            reader.at("shape"),
            "give N:M a pass of its own",
        )
    if rule.confirm == "always":
        raise refuse(
            "TERMS_CONTRADICTION",
            "sums that fit by chance would always be confirmed",
            reader.at("confirm"),
            "confirm unique or never",
        )
    if not rule.amount.exact or rule.fee is not None:
        raise refuse(
            "TERMS_CONTRADICTION",
            "with a tolerance or fee nearly every sum fits some other",
            reader.at("amount"),
            "let the amount of an N:M pass be exact",
        )


def _require_meaning(rule: MatchPass, reader: Reader) -> None:
    """Refuse a pass that would join what nobody meant to join."""
    if rule.keys:
        return
    if rule.confirm == "always":
        raise refuse(
            "TERMS_CONTRADICTION",
            "a pass without keys that always confirms joins strangers",
            reader.at("confirm"),
            "give keys, or confirm unique or never",
        )
    if rule.shape != ("1:1",):
        raise refuse(
            "TERMS_CONTRADICTION",
            "sums need a key that says which entries belong together",
            reader.at("shape"),
        )
    if not rule.amount.exact or rule.fee is not None:
        raise refuse(
            "TERMS_CONTRADICTION",
            "without keys a tolerance or fee lets everything match",
            reader.at("amount"),
            "give keys, or let the amount be exact",
        )


def _name(reader: Reader) -> str:
    name = reader.need("name")
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= MAX_NAME
        or not _NAME_LETTERS.issuperset(name)
    ):
        raise refuse(
            "TERMS_NAME",
            f"{name!r} is no pass name",
            reader.at("name"),
            f"use 1 to {MAX_NAME} of a-z, 0-9, _ and -",
        )
    if name in RESERVED_NAMES:
        raise refuse("TERMS_NAME", f"{name!r} is the engine's own word", reader.at("name"))
    return name


def _key(reader: Reader) -> KeyPair:
    servicer, owner = _carrier(reader, "servicer"), _carrier(reader, "owner")
    steps = tuple(
        _step(item, f"{reader.at('normalise')}[{index}]")
        for index, item in enumerate(reader.array("normalise", MAX_STEPS))
    )
    pair = KeyPair(servicer, owner, steps, reader.integer("min_length", 1, MAX_LENGTH))
    require_matchable(pair, reader.at("min_length"))
    return pair


def _carrier(reader: Reader, side: str) -> str:
    word = reader.need(side)
    if word not in CARRIER_WORDS:
        raise refuse(
            "TERMS_CARRIER",
            f"{word!r} carries no reference",
            reader.at(side),
            "use " + ", ".join(CARRIER_WORDS),
        )
    return str(word)


def _step(value: object, path: str) -> str:
    if value in PLAIN_STEPS:
        return str(value)
    word, bracket, rest = str(value).partition("(")
    argument = rest.removesuffix(")")
    closed = isinstance(value, str) and bracket and rest.endswith(")")
    if closed and word in {"first", "last"}:
        as_integer(argument, path, 1, MAX_CUT)
        return str(value)
    if closed and word == "extract":
        _require_pattern(argument, path)
        return str(value)
    raise refuse(
        "TERMS_NORMALISATION",
        f"{value!r} is no normalisation",
        path,
        "use " + ", ".join(PLAIN_STEPS) + ", first(n), last(n) or extract(RE2)",
    )


def _require_pattern(pattern: str, path: str) -> None:
    if not 0 < len(pattern) <= MAX_PATTERN:
        raise refuse("TERMS_NORMALISATION", f"a pattern has 1 to {MAX_PATTERN} characters", path)
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise refuse(
            "TERMS_NORMALISATION",
            f"{pattern!r} is no RE2 pattern: {_words(error)}",
            path,
            "RE2 has no look-around and no back-references",
        ) from error
    if compiled.groups > 1:
        raise refuse(
            "TERMS_NORMALISATION",
            f"{pattern!r} has {compiled.groups} groups",
            path,
            "keep one group, or none for the whole match; (?:...) does not count",
        )


def _words(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _amount(reader: Reader) -> AmountRule:
    if not reader.has("amount"):
        return AmountRule()
    amount = Reader(
        reader.value["amount"], reader.at("amount"), ("tolerance_minor", "tolerance_ppm")
    )
    ppm = amount.integer("tolerance_ppm", 0, MAX_MINOR, 0)
    if ppm > MAX_TOLERANCE_PPM:
        raise refuse(
            "TERMS_CONTRADICTION",
            f"{ppm} millionths let nearly everything match",
            amount.at("tolerance_ppm"),
            f"at most {MAX_TOLERANCE_PPM}",
        )
    minor = amount.integer("tolerance_minor", 0, MAX_MINOR, 0)
    require_tolerance(minor, amount.at("tolerance_minor"))
    return AmountRule(minor, ppm)


def _fee(reader: Reader) -> FeeSchedule | None:
    if not reader.has("fee"):
        return None
    fee = Reader(
        reader.value["fee"], reader.at("fee"), ("rate_ppm", "fixed_minor", "cap_minor", "rounding")
    )
    schedule = FeeSchedule(
        rate_ppm=fee.integer("rate_ppm", 0, PPM - 1, 0),
        fixed_minor=fee.integer("fixed_minor", 0, MAX_MINOR, 0),
        cap_minor=fee.integer("cap_minor", 0, MAX_MINOR) if fee.has("cap_minor") else None,
        rounding=fee.word("rounding", ROUNDINGS, "half_up"),
    )
    if (schedule.rate_ppm == 0 and schedule.fixed_minor == 0) or schedule.cap_minor == 0:
        raise refuse(
            "TERMS_CONTRADICTION",
            "a fee without rate and fixed part, or capped at 0, is none",
            fee.path,
            "write null",
        )
    if schedule.cap_minor is not None and schedule.cap_minor < schedule.fixed_minor:
        raise refuse(
            "TERMS_CONTRADICTION",
            f"the cap of {schedule.cap_minor} is below the fixed part of {schedule.fixed_minor}: "
            "neither it nor the rate ever counts",
            fee.at("cap_minor"),
            "raise the cap, or write what the fee is as its fixed part",
        )
    return schedule


def _shape(reader: Reader) -> tuple[str, ...]:
    items = reader.array("shape", len(SHAPES)) if reader.has("shape") else ["1:1"]
    for item in items:
        if item not in SHAPES:
            raise refuse(
                "TERMS_WORD_UNKNOWN",
                f"{item!r} is not among {', '.join(SHAPES)}",
                reader.at("shape"),
            )
    if not items or len(set(items)) != len(items):
        raise refuse("TERMS_CONTRADICTION", "name each shape once", reader.at("shape"))
    return tuple(item for item in SHAPES if item in items)


def _subset(reader: Reader) -> SubsetRule | None:
    """Return the limits of a search, their defaults where left out; None without N:M."""
    searched = SUBSET in _shape(reader)
    if not reader.has("subset"):
        return SubsetRule() if searched else None
    if not searched:
        raise refuse(
            "TERMS_CONTRADICTION",
            "limits of a search that the pass does not make",
            reader.at("subset"),
            'write "shape": ["N:M"], or leave subset out',
        )
    least = SubsetRule()
    subset = Reader(
        reader.value["subset"],
        reader.at("subset"),
        ("max_states", "max_parts", "max_solutions"),
    )
    return SubsetRule(
        subset.integer("max_states", 1, MAX_STATES, least.max_states),
        subset.integer("max_parts", 1, MAX_PARTS, least.max_parts),
        subset.integer("max_solutions", 1, MAX_SOLUTIONS, least.max_solutions),
    )
