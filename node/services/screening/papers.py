"""Grounds and reasons: kept here, sealed; on the ledger stands a salted hash of each."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.crypto.oprf.group import framed
from node.keyring import KeyRing
from node.tables import Dispute, OwnPaper
from reconcile.model import InputError, Where

GROUNDS: Final = "GROUNDS"
ANSWER: Final = "ANSWER"
MAX_CHARACTERS: Final = 4_000
SALT_BYTES: Final = 32


class _Paper(msgspec.Struct, array_like=True):
    salt: bytes
    text: str


def paper_hash(kind: str, salt: bytes, text: str) -> bytes:
    """Return what stands on the ledger: who is given text and salt can open it."""
    tag = b"kanhe/paper/1" + framed(kind.encode("ascii"))
    return hashlib.sha256(tag + salt + framed(text.encode())).digest()


def write_paper(
    session: Session,
    ring: KeyRing,
    *,
    kind: str,
    entry: bytes,
    text: str,
    staked: bool = False,
    now_ms: int,
) -> bytes:
    """Keep a paper and return its hash; the same words for the same purpose are the same paper.

    Raises `InputError` PAPER_EMPTY, PAPER_TOO_LONG.
    """
    text = text.strip()
    if not text:
        raise _refuse("PAPER_EMPTY", "says nothing")
    if len(text) > MAX_CHARACTERS:
        raise _refuse("PAPER_TOO_LONG", f"has more than {MAX_CHARACTERS:,} characters")
    # A command that is repeated after a crash finds its own words and asks for the same effect.
    raised = select(Dispute.dispute).where(Dispute.grounds == OwnPaper.hash)
    standing = select(OwnPaper).where(OwnPaper.entry == entry, ~raised.exists())
    for row in session.scalars(standing):
        if row.kind == kind and row.staked == staked and read_paper(ring, row) == text:
            return row.hash
    salt = secrets.token_bytes(SALT_BYTES)
    digest = paper_hash(kind, salt, text)
    sealed = ring.seal_bytes(msgspec.msgpack.encode(_Paper(salt, text)), _label(digest))
    session.add(
        OwnPaper(
            kind=kind, entry=entry, hash=digest, secret=sealed, staked=staked, written_at_ms=now_ms
        )
    )
    session.flush()
    return digest


def read_paper(ring: KeyRing, row: OwnPaper) -> str:
    """Return a paper's words."""
    return _open(ring, row).text


def paper_json(ring: KeyRing, row: OwnPaper) -> dict[str, str]:
    """Return a paper with what opens its hash, to be shown to the other party or the panel."""
    paper = _open(ring, row)
    return {
        "kind": row.kind,
        "entry": row.entry.hex(),
        "hash": row.hash.hex(),
        "salt": paper.salt.hex(),
        "text": paper.text,
    }


def _open(ring: KeyRing, row: OwnPaper) -> _Paper:
    return msgspec.msgpack.decode(ring.open_bytes(row.secret, _label(row.hash)), type=_Paper)


def _label(digest: bytes) -> bytes:
    return b"paper/" + digest


def _refuse(code: str, says: str) -> InputError:
    return InputError(
        code,
        f"the statement of reasons {says}",
        where=Where(field="reasons"),
        help="say in a few sentences why; it stays in this node, its salted hash is posted",
    )
