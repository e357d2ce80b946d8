"""The groups beside a report, and the root that pins them.

`groups_root` is the RFC 6962 root over blocks of 1,024 groups in canonical order. A block's bytes
are one MessagePack array of [pass, servicer's refs, owner's refs, currency, residual as decimal
string] for each group, so that a single block can be disclosed and proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.matching.groups import Groups
from reconcile.model import InputError, MatchGroup, Where

GROUPS_PER_BLOCK: Final = 1_024
# Whole blocks, so many that columns are read in long stretches.
GROUPS_AT_ONCE: Final = 16 * GROUPS_PER_BLOCK


def groups_root(groups: Sequence[MatchGroup]) -> bytes:
    """Return the 32-byte root over groups that stand in canonical order."""
    leaves: list[bytes] = []
    for start in range(0, len(groups), GROUPS_AT_ONCE):
        rows = _said(groups, start, min(start + GROUPS_AT_ONCE, len(groups)))
        blocks = (rows[at : at + GROUPS_PER_BLOCK] for at in range(0, len(rows), GROUPS_PER_BLOCK))
        leaves += [leaf_hash(msgspec.msgpack.encode(block)) for block in blocks]
    return merkle_root(leaves)


def _said(groups: Sequence[MatchGroup], start: int, stop: int) -> list[tuple[object, ...]]:
    """Return some groups as a block holds them."""
    if isinstance(groups, Groups):
        found = groups.rows(start, stop)
    else:
        found = map(msgspec.structs.astuple, groups[start:stop])
    return [(name, mine, theirs, code, str(minor)) for name, mine, theirs, code, minor in found]


def group_json(group: MatchGroup) -> dict[str, Any]:
    """Return a group as `interfaces.md` names it, with its currency."""
    return {
        "pass": group.pass_name,
        "servicer": list(group.servicer),
        "owner": list(group.owner),
        "currency": group.currency,
        "residual_minor": str(group.residual_minor),
    }


def group_from_json(body: Mapping[str, Any]) -> MatchGroup:
    """Read a group back; raises InputError REPORT_MALFORMED."""
    try:
        return MatchGroup(
            pass_name=_text(body["pass"]),
            servicer=tuple(_text(item) for item in body["servicer"]),
            owner=tuple(_text(item) for item in body["owner"]),
            currency=_text(body["currency"]),
            residual_minor=int(_text(body["residual_minor"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "REPORT_MALFORMED",
            f"a group does not read: {error}",
            where=Where(field="groups"),
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
