"""Text normalisation: once, in Python, on ASCII alone (matching.md, "Rules of every pass", 9).

A chain is a tuple of steps such as `("nfkc_ascii", "trim", "upper")`, applied in order. A chain
that leaves fewer characters than the pass asks for, or a placeholder, gives no key at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import re2

from reconcile.model import InputError, Where

Step = Callable[[str], str]

# The form in which a placeholder is recognised.
_FOLD: Final = ("nfkc_ascii", "trim", "upper")
PLACEHOLDERS: Final = frozenset({"", "NOTPROVIDED", "NONREF"})
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


def normalise_column(
    texts: Sequence[str | None], steps: Sequence[str], min_length: int
) -> list[str | None]:
    """Return the keys of a whole column: what `compile_chain` says of each text, at once."""
    present = [text for text in texts if text is not None]
    if not present:
        return [None] * len(texts)
    values = all_steps(present, steps)
    shortest = max(min_length, 1)
    # What is a placeholder stays one under these steps; a cut or an extract may hide it.
    told = values if set(steps) <= _LINES.keys() else present
    plain = values if set(steps) >= set(_FOLD) and told is values else all_steps(told, _FOLD)
    kept = [
        value if len(value) >= shortest and text not in PLACEHOLDERS else None
        for value, text in zip(values, plain, strict=True)
    ]
    if told is not values:
        folded = all_steps(values, _FOLD)
        kept = [
            None if text in PLACEHOLDERS else value
            for value, text in zip(kept, folded, strict=True)
        ]
    if len(present) == len(texts):
        return kept
    following = iter(kept)
    return [None if text is None else next(following) for text in texts]


_LINE_EDGES: Final = re.compile(r"^[ \t]+|[ \t]+$", re.MULTILINE)
_LINE_NOT_ALNUM: Final = re.compile(r"[^0-9A-Za-z\n]+")
_LINE_NOT_DIGITS: Final = re.compile(r"[^0-9\n]+")
_LINE_ZEROS: Final = re.compile(r"^0+", re.MULTILINE)

# Each step on a whole column, one text a line: the same result, far fewer calls.
_LINES: Final[dict[str, Step]] = {
    "nfkc_ascii": _nfkc_ascii,
    "trim": lambda lines: _LINE_EDGES.sub("", lines) if _has_blank(lines) else lines,
    "upper": _upper,
    "alnum": lambda lines: _LINE_NOT_ALNUM.sub("", lines),
    "digits": lambda lines: _LINE_NOT_DIGITS.sub("", lines),
    "strip_zeros": lambda lines: _LINE_ZEROS.sub("", lines),
}


def _has_blank(lines: str) -> bool:
    return " " in lines or "\t" in lines


def all_steps(texts: list[str], steps: Sequence[str]) -> list[str]:
    """Return what the steps make of each text."""
    values = texts
    for name in steps:
        on_lines = _LINES.get(name)
        joined = "\n".join(values) if on_lines else ""
        if on_lines is None or joined.count("\n") != len(values) - 1:
            step = compile_step(name)
            values = [step(value) for value in values]
        else:
            changed = on_lines(joined)
            values = values if changed is joined else changed.split("\n")
    return values


def _is_placeholder(text: str) -> bool:
    return _upper(_trim(_nfkc_ascii(text))) in PLACEHOLDERS
