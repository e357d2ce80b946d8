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
from reconcile.model import InputError, MatchGroup, Where

GROUPS_PER_BLOCK: Final = 1_024


def group_block(groups: Sequence[MatchGroup]) -> bytes:
    """Return the bytes of one block of at most 1,024 groups."""
    assert len(groups) <= GROUPS_PER_BLOCK, "a block is bounded"
    return msgspec.msgpack.encode(
        [
            (item.pass_name, item.servicer, item.owner, item.currency, str(item.residual_minor))
            for item in groups
        ]
    )


def groups_root(groups: Sequence[MatchGroup]) -> bytes:
    """Return the 32-byte root over groups that stand in canonical order."""
    starts = range(0, len(groups), GROUPS_PER_BLOCK)
    blocks = (group_block(groups[start : start + GROUPS_PER_BLOCK]) for start in starts)
    return merkle_root([leaf_hash(block) for block in blocks])


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
