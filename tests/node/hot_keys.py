"""A member whose posting key is in other hands: whatever its node signs, that key signs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from node.bootstrap import Node


@contextlib.contextmanager
def signing_by(node: Node, role: str = "POSTER") -> Iterator[None]:
    """Let a node sign all that an approver signs with its key of another role."""
    keys = node.keys
    other = replace(keys, approver=keys.of_role(role))
    try:
        for holder in (node, node.identity):
            object.__setattr__(holder, "keys", other)
        yield
    finally:
        for holder in (node, node.identity):
            object.__setattr__(holder, "keys", keys)
