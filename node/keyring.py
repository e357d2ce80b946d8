"""The epoch and sealing keys of this node: rows sealed by the key store's vault.

A stolen database opens nothing. A row's identity is its label, so two rows cannot be exchanged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from node.crypto.files import make_private_directory, write_private
from node.crypto.keys import SealingKey
from node.crypto.vault import Vault
from node.tables import Backup, LocalKey
from reconcile.model import ZERO32, ProtocolError

EPOCH: Final = "EPOCH"
SEALING: Final = "SEALING"
# A sealing key belongs to no side; the column takes part in a unique constraint.
NO_SIDE: Final = 2
GENERAL: Final = ZERO32
# No purpose of a key begins so: rows of other tables never stand in for keys.
_BYTES: Final = b"bytes/"


_FIND: Final = select(LocalKey).where(
    LocalKey.purpose == bindparam("purpose"),
    LocalKey.agreement == bindparam("agreement"),
    LocalKey.side == bindparam("side"),
    LocalKey.generation == bindparam("generation"),
)


class KeyRing:
    """Keeps and opens this node's own secrets."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def keep(
        self,
        session: Session,
        *,
        purpose: str,
        agreement: bytes,
        side: int,
        generation: int,
        public: bytes,
        secret: bytes,
        now_ms: int,
    ) -> LocalKey:
        """Store one secret; a row that stands already with the same public part is returned.

        Raises `ProtocolError` KEY_EXISTS when another one stands there.
        """
        found = self.find(session, purpose, agreement, side, generation)
        if found is not None:
            if found.public != public:
                raise ProtocolError(
                    "KEY_EXISTS",
                    f"another {purpose.lower()} key stands under generation {generation}",
                    help="keys are never overwritten; take the next generation",
                )
            return found
        row = LocalKey(
            purpose=purpose,
            agreement=agreement,
            side=side,
            generation=generation,
            public=public,
            secret=self._vault.seal(secret, _label(purpose, agreement, side, generation)),
            created_at_ms=now_ms,
        )
        session.add(row)
        session.flush()
        return row

    def seal_bytes(self, secret: bytes, label: bytes) -> bytes:
        """Return a secret sealed for a row of its own table; `label` says which row that is."""
        return self._vault.seal(secret, _BYTES + label)

    def open_bytes(self, sealed: bytes, label: bytes) -> bytes:
        """Return what `seal_bytes` sealed; `ProtocolError` VAULT_NOT_OPENED."""
        return self._vault.open(sealed, _BYTES + label)

    def fingerprint(self, data: bytes) -> bytes:
        """Return 32 bytes that tell equal data, and that nobody without the vault can try out."""
        return self._vault.fingerprint(data)

    def find(
        self, session: Session, purpose: str, agreement: bytes, side: int, generation: int
    ) -> LocalKey | None:
        """Return the row of a secret, or None."""
        asked = {
            "purpose": purpose,
            "agreement": agreement,
            "side": side,
            "generation": generation,
        }
        return session.scalars(_FIND, asked).one_or_none()

    def open(self, row: LocalKey) -> bytes:
        """Return a row's secret; `ProtocolError` KEY_DESTROYED or VAULT_NOT_OPENED."""
        if row.destroyed_at_ms is not None or not row.secret:
            raise ProtocolError(
                "KEY_DESTROYED",
                "the key was destroyed at the end of its retention",
                help="what it sealed stays sealed for ever",
            )
        label = _label(row.purpose, row.agreement, row.side, row.generation)
        return self._vault.open(row.secret, label)

    def epoch_key(self, session: Session, agreement: bytes, side: int, epoch: int) -> bytes | None:
        """Return an epoch key this node holds, or None."""
        row = self.find(session, EPOCH, agreement, side, epoch)
        return None if row is None else self.open(row)

    def sealing_keys(self, session: Session, agreement: bytes) -> dict[int, SealingKey]:
        """Return an agreement's private sealing keys (zeros: general ones) by generation."""
        rows = session.execute(
            select(LocalKey).where(
                LocalKey.purpose == SEALING,
                LocalKey.agreement == agreement,
                LocalKey.destroyed_at_ms.is_(None),
            )
        ).scalars()
        return {row.generation: SealingKey(self.open(row)) for row in rows}

    def back_up(
        self, session: Session, folder: Path, *, now_ms: int, everything: bool = False
    ) -> int:
        """Write every key no backup holds yet (or `everything`) to a file, then record it.

        The secrets stay under the vault's key; the file is on the disk before the record is.
        Returns how many keys it holds. Raises `OutsideError` DISK_WRITE.
        """
        query = select(LocalKey).where(LocalKey.destroyed_at_ms.is_(None)).order_by(LocalKey.id)
        if not everything:
            query = query.where(LocalKey.backed_up_at_ms.is_(None))
        new = list(session.execute(query).scalars())
        if not new:
            return 0
        body = [
            {
                "purpose": row.purpose,
                "agreement": row.agreement.hex(),
                "side": row.side,
                "generation": row.generation,
                "public": row.public.hex(),
                "sealed": row.secret.hex(),
            }
            for row in new
        ]
        data = json.dumps({"format": "kanhe/keys/1", "keys": body}).encode()
        digest = hashlib.sha256(data).digest()
        make_private_directory(folder)
        path = folder / f"keys-{new[0].id:06d}-{new[-1].id:06d}-{digest.hex()[:8]}.json"
        write_private(path, data)
        for row in new:
            row.backed_up_at_ms = now_ms
        session.add(
            Backup(
                path=str(path), sha256=digest, key_ids=[row.id for row in new], made_at_ms=now_ms
            )
        )
        session.flush()
        return len(new)

    def take_back(
        self, session: Session, items: Sequence[Mapping[str, Any]], *, now_ms: int
    ) -> int:
        """Keep secrets of a backup that are not here; return how many.

        Raises `ProtocolError` VAULT_NOT_OPENED for those of another node, KEY_EXISTS.
        """
        taken = 0
        for item in items:
            purpose, agreement = str(item["purpose"]), bytes.fromhex(item["agreement"])
            side, generation = int(item["side"]), int(item["generation"])
            sealed = bytes.fromhex(item["sealed"])
            secret = self._vault.open(sealed, _label(purpose, agreement, side, generation))
            if self.find(session, purpose, agreement, side, generation) is None:
                taken += 1
            row = self.keep(
                session,
                purpose=purpose,
                agreement=agreement,
                side=side,
                generation=generation,
                public=bytes.fromhex(item["public"]),
                secret=secret,
                now_ms=now_ms,
            )
            row.backed_up_at_ms = row.backed_up_at_ms or now_ms
        session.flush()
        return taken


def _label(purpose: str, agreement: bytes, side: int, generation: int) -> bytes:
    return b"\0".join((purpose.encode(), agreement, bytes([side]), generation.to_bytes(8, "big")))
