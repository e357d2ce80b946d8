"""Digested JSON (ledger.md, "Bytes"): RFC 8785 bytes and their SHA-256.

Digested values hold objects, arrays, strings, booleans and null only: every integer is a decimal
string. For these, RFC 8785 is `json.dumps` with sorted ASCII names and no blanks, which is many
times faster than a general implementation; a test compares the two.
"""

from __future__ import annotations

import hashlib
import json

from reconcile.model import InputError, Where


def canonical_json(value: object) -> bytes:
    """Return the RFC 8785 bytes of a value without numbers.

    Raises InputError REPORT_NOT_CANONICAL for a number, a non-ASCII name or a lone surrogate.
    """
    if not _is_plain(value):
        _require_digestable(value, "")
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _refuse("a lone surrogate is no text", "") from error


def digest_of(value: object) -> bytes:
    """Return SHA-256 of the canonical bytes, 32 bytes."""
    return hashlib.sha256(canonical_json(value)).digest()


def _is_plain(value: object) -> bool:
    """Say whether a value is certainly digestable: one walk without names of places."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is dict:
            names = list(item)  # type: ignore[call-overload]
            if not all(type(name) is str for name in names) or not "".join(names).isascii():
                return False
            waiting += item.values()  # type: ignore[attr-defined]
        elif kind is list:
            waiting += item  # type: ignore[arg-type]
        elif kind is not str and kind is not bool and item is not None:
            return False
    return True


def _require_digestable(value: object, path: str) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise _refuse(f"{name!r} is no name", path)
            _require_digestable(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            _require_digestable(item, path)
    else:
        raise _refuse(f"{type(value).__name__} is not digested JSON", path)


def _refuse(why: str, path: str) -> InputError:
    return InputError(
        "REPORT_NOT_CANONICAL",
        why,
        where=Where(field=path or None),
        help="every integer is a decimal string; there are no floats",
    )
