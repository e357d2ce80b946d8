"""Secrets that come and go while a node runs, each in an encrypted file of its key store.

A committee's key share lies in such a file and nowhere else: in the database it would be as old as
every backup of it, and destroying it there would leave it there.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.crypto.files import disk_error
from node.crypto.keyfile import KeyRole, cost_of
from node.crypto.keystore import Keystore, StoredKey
from reconcile.model import ProtocolError, Where

INDEX_BYTES: Final = 1


@dataclass(frozen=True, slots=True)
class KeptShare:
    """A share of a key: which node of its committee holds it (index from 1), and the scalar."""

    index: int
    secret: bytes

    def __repr__(self) -> str:
        """Show whose it is, never the share."""
        return f"KeptShare(index={self.index})"


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """The key store's folder and its passphrase."""

    folder: Path
    passphrase: str = field(repr=False)

    def keep_share(self, session: bytes, share: KeptShare) -> StoredKey:
        """Write the share that a session gave this node; the same share again changes nothing.

        Raises `ProtocolError` SHARE_EXISTS where another one stands there, `OutsideError`
        DISK_WRITE.
        """
        standing = self.share(session)
        if standing is not None and standing != share:
            raise ProtocolError(
                "SHARE_EXISTS",
                "another share of this session lies in the key store",
                where=Where(file=str(self.folder)),
                help="Shares are never overwritten; start a new session.",
            )
        found = self._file(session)
        if found is not None:
            return found
        secret = bytes([share.index]) + share.secret
        return self._store.create(
            KeyRole.SHARE, self.passphrase, label=_label(session), secret=secret
        )

    def share(self, session: bytes) -> KeptShare | None:
        """Return the share of a session, or None; raises the key file's own errors."""
        found = self._file(session)
        if found is None:
            return None
        data = self._store.open(found, self.passphrase)
        return KeptShare(data[0], data[INDEX_BYTES:])

    def sessions(self) -> tuple[bytes, ...]:
        """Return the sessions whose share lies here."""
        stored = self._store.keys(KeyRole.SHARE)
        return tuple(bytes.fromhex(key.facts.label) for key in stored)

    def back_up(self, target: Path, at_ms: int) -> None:
        """Copy every key file and record the backup; what is published is there first."""
        self._store.back_up(target, at_ms)

    def destroy_share(self, session: bytes, *more: Path) -> int:
        """Overwrite and remove a session's share, here and in these folders; return how many.

        A disk may keep what was overwritten: the passphrase still locks it. Raises `OutsideError`
        DISK_WRITE.
        """
        found = self._file(session)
        name = None if found is None else found.path.name
        paths = [folder / name for folder in (self.folder, *more) if name is not None]
        gone = 0
        for path in reversed(paths):
            # The key store's own file goes last, so that a crash leaves something to go on from.
            if not path.exists():
                continue
            try:
                path.write_bytes(secrets.token_bytes(path.stat().st_size))
                path.unlink()
            except OSError as error:
                raise disk_error(path, error) from None
            gone += 1
        return gone

    @property
    def _store(self) -> Keystore:
        """Return the store; what is new is stretched as its vault's key is."""
        store = Keystore(self.folder)
        vault = store.only(KeyRole.VAULT)
        return Keystore(self.folder, scrypt_n=cost_of(vault.path.read_bytes(), str(vault.path)))

    def _file(self, session: bytes) -> StoredKey | None:
        label = _label(session)
        for key in self._store.keys(KeyRole.SHARE):
            if key.facts.label == label:
                return key
        return None


def _label(session: bytes) -> str:
    return session.hex()
