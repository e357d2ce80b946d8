"""Text normalisation: once, in Python, on ASCII alone (matching.md, "Rules of every pass", 9).

A chain is a tuple of steps such as `("nfkc_ascii", "trim", "upper")`, applied in order. A chain
that leaves fewer characters than the pass asks for, or a placeholder, gives no key at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import re2

from reconcile.model import InputError, Where

Step = Callable[[str], str]

_FOLD: Final = ("nfkc_ascii", "trim", "upper")
PLACEHOLDERS: Final = frozenset({"", "NOTPROVIDED", "NONREF"})
_PLACEHOLDER_ARRAY: Final = pa.array(sorted(PLACEHOLDERS), pa.string())
# Lengths are compared sooner than texts, and mostly nothing is left to compare.
_PLACEHOLDER_LENGTHS: Final = pa.array(sorted({len(text) for text in PLACEHOLDERS}), pa.int32())
_NOTHING: Final = pa.scalar(None, pa.string())
MAX_CUT: Final = 1_024

# Full-width ASCII is U+FF01..U+FF5E, in the order of U+0021..U+007E; U+3000 is its space.
_HALF_WIDTH: Final = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)} | {"\u3000": " "}
_WIDE: Final = re.compile("[\uff01-\uff5e\u3000]")
_SMALL: Final = re.compile("[a-z]+")
_NOT_ALNUM: Final = re.compile(r"[^0-9A-Za-z]+")
_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
_WITH_ARGUMENT: Final = re.compile(r"(first|last|extract)\((.*)\)", re.DOTALL)


def _nfkc_ascii(text: str) -> str:
    return text if text.isascii() else _WIDE.sub(lambda wide: _HALF_WIDTH[wide.group()], text)


def _trim(text: str) -> str:
    return text.strip(" \t")


def _upper(text: str) -> str:
    # On ASCII text str.upper touches a-z only; elsewhere it would reach beyond the rule.
    return text.upper() if text.isascii() else _SMALL.sub(lambda small: small.group().upper(), text)


def _alnum(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text
    return _NOT_ALNUM.sub("", text)


def _digits(text: str) -> str:
    if text.isascii() and text.isdigit():
        return text
    return _NOT_DIGITS.sub("", text)


def _strip_zeros(text: str) -> str:
    return text.lstrip("0")


_PLAIN: Final[dict[str, Step]] = {
    "nfkc_ascii": _nfkc_ascii,
    "trim": _trim,
    "upper": _upper,
    "alnum": _alnum,
    "digits": _digits,
    "strip_zeros": _strip_zeros,
}


def _refuse(step: str, why: str) -> InputError:
    return InputError(
        "TERMS_NORMALISATION",
        f"normalisation {step!r} {why}",
        where=Where(field="normalise"),
        help="use nfkc_ascii, trim, upper, alnum, digits, strip_zeros, first(n), last(n) "
        "or extract(RE2)",
    )


def _cutter(word: str, argument: str, step: str) -> Step:
    if not argument.isascii() or not argument.isdigit() or not 1 <= int(argument) <= MAX_CUT:
        raise _refuse(step, f"needs a count from 1 to {MAX_CUT}")
    count = int(argument)
    if word == "first":
        return lambda text: text[:count]
    return lambda text: text[-count:]


def _extractor(pattern: str, step: str) -> Step:
    try:
        compiled = re2.compile(pattern)
    except re2.error as error:
        raise _refuse(step, f"is no RE2 pattern: {error}") from error

    def extract(text: str) -> str:
        found = compiled.search(text)
        if found is None:
            return ""
        return (found.group(1) if compiled.groups else found.group(0)) or ""

    return extract


def compile_step(step: str) -> Step:
    """Return the function of one step; raise InputError TERMS_NORMALISATION for an unknown one."""
    plain = _PLAIN.get(step)
    if plain is not None:
        return plain
    found = _WITH_ARGUMENT.fullmatch(step)
    if found is None:
        raise _refuse(step, "is unknown")
    word, argument = found.groups()
    return _extractor(argument, step) if word == "extract" else _cutter(word, argument, step)


@lru_cache(maxsize=256)
def compile_chain(steps: tuple[str, ...], min_length: int) -> Callable[[str | None], str | None]:
    """Return the function from a carrier's text to a key, None where it never matches.

    A placeholder is recognised in the source text and in the result, whatever its case.
    """
    chain = [compile_step(step) for step in steps]
    shortest = max(min_length, 1)

    def key(text: str | None) -> str | None:
        if text is None:
            return None
        value = text
        for step in chain:
            value = step(value)
        if len(value) < shortest or _is_placeholder(value) or _is_placeholder(text):
            return None
        return value

    return key


def normalise_column(texts: pa.Array, steps: Sequence[str], min_length: int) -> pa.Array:
    """Return the keys of a whole column: what `compile_chain` says of each text, at once."""
    if texts.null_count == len(texts):
        return texts
    values = all_steps(texts, steps)
    placeholder = _placeholders(values, steps)
    if not set(steps) <= _ON_COLUMN.keys():
        # A cut or an extract may hide what was a placeholder; the other steps cannot.
        placeholder = pc.or_(placeholder, _placeholders(texts, ()))
    long_enough = pc.greater_equal(
        pc.utf8_length(values), pa.scalar(max(min_length, 1), pa.int32())
    )
    keep = pc.and_not(long_enough, placeholder)
    return values if pc.all(keep).as_py() else pc.if_else(keep, values, _NOTHING)


# The steps as Arrow kernels: they touch ASCII alone, as the functions above do. What has no entry
# here (`extract`, and full-width text) goes through those functions, text by text.
_ON_COLUMN: Final[dict[str, Callable[[pa.Array], pa.Array]]] = {
    "nfkc_ascii": lambda texts: _half_width(texts),  # noqa: PLW0108 - it is defined below
    "trim": lambda texts: pc.ascii_trim(texts, characters=" \t"),
    "upper": pc.ascii_upper,
    "alnum": lambda texts: pc.replace_substring_regex(texts, "[^0-9A-Za-z]+", ""),
    "digits": lambda texts: pc.replace_substring_regex(texts, "[^0-9]+", ""),
    "strip_zeros": lambda texts: pc.ascii_ltrim(texts, characters="0"),
}


def all_steps(texts: pa.Array, steps: Sequence[str]) -> pa.Array:
    """Return what the steps make of each text; null stays null."""
    values = texts
    for name in steps:
        kernel = _ON_COLUMN.get(name)
        values = kernel(values) if kernel else _text_by_text(values, name)
    return values


def _text_by_text(texts: pa.Array, name: str) -> pa.Array:
    step = compile_step(name)
    made = [None if text is None else step(text) for text in texts.to_pylist()]
    return pa.array(made, pa.string())


def _half_width(texts: pa.Array) -> pa.Array:
    if pc.all(pc.string_is_ascii(texts)).as_py():
        return texts
    wide = pc.match_substring_regex(texts, "[\uff01-\uff5e\u3000]")
    return _text_by_text(texts, "nfkc_ascii") if pc.any(wide).as_py() else texts


def _placeholders(texts: pa.Array, done: Sequence[str]) -> pa.Array:
    """Say which texts are placeholders, whatever their case; `done` steps are not done again."""
    # Only a last `upper` after a `trim` after `nfkc_ascii` leaves nothing to fold.
    folded = texts if tuple(done) == _FOLD else all_steps(texts, _FOLD)
    lengths = pc.is_in(pc.binary_length(folded), value_set=_PLACEHOLDER_LENGTHS)
    if not pc.any(lengths).as_py():
        return lengths
    return pc.is_in(folded, value_set=_PLACEHOLDER_ARRAY)


def _is_placeholder(text: str) -> bool:
    return _upper(_trim(_nfkc_ascii(text))) in PLACEHOLDERS
