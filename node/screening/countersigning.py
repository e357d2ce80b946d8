"""Countersignatures: a committee node's word that it evaluated for a ticket, by its member's key.

The proof of an evaluation (DLEQ) says that a share was used on B, not for whom or for which ticket.
A node therefore signs beside each evaluation for a ticket what the reader had signed to ask for it.
t of them show to who saw neither request nor person that the ticket was used: a settlement pays no
other, and a receipt cannot name another ticket. A node that countersigned what its anchored log
does not hold is proven to have left it out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from node.crypto.eip712 import Domain, Fields
from node.crypto.oprf.shamir import MAX_NODES
from node.crypto.signer import recover_address
from reconcile.model import KanheError, ProtocolError, Where

COUNTERSIGNED_FIELDS: Final[Fields] = (
    ("uint32", "reader"),
    ("uint64", "ticket"),
    ("uint32", "keyEpoch"),
    ("bytes32", "request"),
)
#: Members with the addresses that their signatures lead to.
Signers = tuple[tuple[int, str], ...]
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_DIGEST_BYTES: Final = 32


class Countersigned(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A ticket that was used in a key epoch: the reader's request (digest), and who signs to it.

    `signatures`: (member, signature), each member once.
    """

    ticket: int
    key_epoch: int
    request: bytes
    signatures: tuple[tuple[int, bytes], ...]


def countersigned_digest(
    domain: Domain, *, reader: int, ticket: int, key_epoch: int, request: bytes
) -> bytes:
    """Return what a node signs; `request` is the digest that the reader signed (Evaluation)."""
    values = (reader, ticket, key_epoch, request)
    return domain.digest_of("Countersignature", COUNTERSIGNED_FIELDS, values)


def write_countersigned(found: Countersigned) -> bytes:
    """Return the bytes in which a reader keeps it."""
    return msgspec.msgpack.encode(found)


def read_countersigned(data: bytes) -> Countersigned:
    """Read what `write_countersigned` wrote."""
    return msgspec.msgpack.decode(data, type=Countersigned)


def countersigners(domain: Domain, reader: int, found: Countersigned) -> Signers:
    """Return who countersigned by what the signatures say: members with their addresses.

    A signature that is none is passed over. Raises `ProtocolError` COUNTERSIGNATURE_MALFORMED for
    numbers out of bounds.
    """
    bounds = (
        0 < found.ticket <= _MAX64
        and 0 < found.key_epoch <= _MAX32
        and len(found.request) == _DIGEST_BYTES
        and len(found.signatures) <= MAX_NODES
    )
    if not bounds:
        raise ProtocolError(
            "COUNTERSIGNATURE_MALFORMED",
            "a countersignature's ticket, key epoch or request is out of bounds",
            where=Where(field="countersigned"),
            help="Nothing of it was taken as evaluated.",
        )
    digest = countersigned_digest(
        domain,
        reader=reader,
        ticket=found.ticket,
        key_epoch=found.key_epoch,
        request=found.request,
    )
    signers: dict[int, str] = {}
    for member, signature in found.signatures:
        try:
            signers[member] = recover_address(digest, signature)
        except KanheError:
            continue
    return tuple(signers.items())


def used_tickets(
    shown: Iterable[tuple[Countersigned, Signers]],
    *,
    was_key_of: Callable[[int, str], bool],
    reaches: Callable[[int, frozenset[int]], bool],
) -> frozenset[int]:
    """Return the tickets that a reader used, by what it shows and who signed to it.

    `was_key_of` says whether an address ever was a member's key, `reaches` whether members are as
    many of one committee of a key epoch as evaluate together; each is asked once.
    """
    is_key, reach = functools.cache(was_key_of), functools.cache(reaches)
    used = set()
    for found, signers in shown:
        members = frozenset(member for member, key in signers if is_key(member, key))
        if reach(found.key_epoch, members):
            used.add(found.ticket)
    return frozenset(used)
