"""The key store: one directory, one file a key, mode 0600, and the record of its backups.

    ADMIN, POSTER, APPROVER   secp256k1, 32 bytes
    SEALING                   ML-KEM-768 seed ‖ X25519, 96 bytes
    VAULT                     32 bytes, under which the database keeps what comes and goes
    PERSON                    a person's wallet: her seed and identifier, never a node's
    SHARE                     a node's index, 1 byte ‖ its share of a committee's key, 32 bytes

A key is published on the ledger only after a backup that holds it is recorded: a member that loses
a sealing key loses what others sealed to it, for ever.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import stat
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from node.crypto.files import make_private_directory, write_private
from node.crypto.keyfile import (
    SCRYPT_N,
    SIGNING_ROLES,
    KeyFacts,
    KeyRole,
    lock,
    read_facts,
    unlock,
)
from node.crypto.keys import SEALING_SECRET_BYTES, SealingKey
from node.crypto.signer import LocalSigner
from node.crypto.vault import VAULT_KEY_BYTES, Vault
from reconcile.model import InputError, OutsideError, ProtocolError, Where

BACKUPS_FILE: Final = "backups.json"
MAX_KEY_FILES: Final = 4_096
MAX_BACKUPS_KEPT: Final = 256
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key file: where it lies and what it says it holds."""

    path: Path
    facts: KeyFacts

    @property
    def role(self) -> KeyRole:
        """Return what the key is for."""
        return self.facts.role

    @property
    def address(self) -> str | None:
        """Return the address of a signing key, lower case; None for the other roles."""
        return self.facts.address


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """One backup: when (ms), where to, and SHA-256 of each key file by key id."""

    at_ms: int
    target: str
    files: dict[str, str] = field(default_factory=dict)


class Keystore:
    """Creates, opens and backs up the key files of one node."""

    def __init__(self, directory: Path, *, scrypt_n: int = SCRYPT_N) -> None:
        """Take the directory; it is made, private, with the first key."""
        self.directory = directory
        self._scrypt_n = scrypt_n

    def create(
        self,
        role: KeyRole,
        passphrase: str,
        *,
        label: str = "",
        secret: bytes | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> StoredKey:
        """Make a key (or take `secret`) and write its file.

        Raises `InputError` KEYSTORE_PASSPHRASE_WEAK or KEY_MALFORMED, `OutsideError` DISK_WRITE.
        """
        secret = _new_secret(role, randomness) if secret is None else secret
        address = LocalSigner(secret).address.lower() if role in SIGNING_ROLES else None
        if role is KeyRole.SEALING:
            SealingKey(secret)
        facts = KeyFacts(str(uuid.UUID(bytes=randomness(16), version=4)), role, address, label)
        data = lock(secret, facts, passphrase, scrypt_n=self._scrypt_n, randomness=randomness)
        make_private_directory(self.directory)
        path = self.directory / f"{role.lower()}-{facts.key_id}.json"
        write_private(path, data)
        return StoredKey(path, facts)

    def keys(self, role: KeyRole | None = None) -> tuple[StoredKey, ...]:
        """Return the keys in order of file name.

        Raises `InputError` KEYSTORE_MALFORMED, KEYSTORE_MODE or KEYSTORE_TOO_LARGE.
        """
        paths = sorted(self.directory.glob("*-*.json")) if self.directory.is_dir() else []
        if len(paths) > MAX_KEY_FILES:
            raise InputError(
                "KEYSTORE_TOO_LARGE",
                f"the key store holds {len(paths)} files, at most {MAX_KEY_FILES} are read",
                where=Where(file=str(self.directory)),
                help="Move ended keys elsewhere.",
            )
        found = [StoredKey(path, read_facts(_read(path), str(path))) for path in paths]
        return tuple(key for key in found if role in {None, key.role})

    def only(self, role: KeyRole) -> StoredKey:
        """Return the one key of a role; raises `InputError` KEYSTORE_KEY_MISSING or _AMBIGUOUS."""
        found = self.keys(role)
        if len(found) == 1:
            return found[0]
        code = "KEYSTORE_KEY_AMBIGUOUS" if found else "KEYSTORE_KEY_MISSING"
        raise InputError(
            code,
            f"the key store holds {len(found)} keys of role {role}, one is needed",
            where=Where(file=str(self.directory)),
            help="Run `kanhe init`, or name the key.",
        )

    def open(self, key: StoredKey, passphrase: str) -> bytes:
        """Return a key's secret; raises `InputError` KEYSTORE_PASSPHRASE and the like."""
        return unlock(_read(key.path), passphrase, str(key.path))

    def signer(self, key: StoredKey, passphrase: str) -> LocalSigner:
        """Return the signer of a signing key's file."""
        assert key.role in SIGNING_ROLES, f"a {key.role} key signs nothing"
        signer = LocalSigner(self.open(key, passphrase))
        if signer.address.lower() != key.address:
            raise InputError(
                "KEYSTORE_CHANGED",
                "the key file names another address than its key has",
                where=Where(file=str(key.path)),
                help="Restore the file from a backup.",
            )
        return signer

    def sealing_key(self, key: StoredKey, passphrase: str) -> SealingKey:
        """Return the sealing key of a SEALING file."""
        assert key.role is KeyRole.SEALING, f"a {key.role} key seals nothing"
        return SealingKey(self.open(key, passphrase))

    def vault(self, key: StoredKey, passphrase: str) -> Vault:
        """Return the vault of a VAULT file."""
        assert key.role is KeyRole.VAULT, f"a {key.role} key opens no vault"
        return Vault(self.open(key, passphrase))

    # ------------------------------------------------------------------ backups
    def back_up(self, target: Path, at_ms: int) -> BackupRecord:
        """Copy every key file, read the copies back, and only then record the backup.

        The copies stay under their passphrase. Raises `InputError` BACKUP_IN_PLACE, `OutsideError`
        DISK_WRITE, or BACKUP_NOT_READABLE when a copy does not read back equal.
        """
        make_private_directory(target)
        if target.resolve() == self.directory.resolve():
            raise InputError(
                "BACKUP_IN_PLACE",
                "the backup would lie in the key store itself",
                where=Where(file=str(target)),
                help="Name a directory on another disk.",
            )
        files: dict[str, str] = {}
        for key in self.keys():
            data = _read(key.path)
            copy = target / key.path.name
            write_private(copy, data)
            if _read(copy) != data:
                raise OutsideError(
                    "BACKUP_NOT_READABLE",
                    "a copied key file does not read back as it was written",
                    where=Where(file=str(copy)),
                    help="Choose another place for the backup.",
                )
            files[key.facts.key_id] = hashlib.sha256(data).hexdigest()
        record = BackupRecord(at_ms, str(target), files)
        kept = [*self.backups(), record][-MAX_BACKUPS_KEPT:]
        body = json.dumps([asdict(item) for item in kept], indent=1).encode()
        write_private(self.directory / BACKUPS_FILE, body)
        return record

    def backups(self) -> tuple[BackupRecord, ...]:
        """Return the recorded backups, oldest first; raises `InputError` KEYSTORE_MALFORMED."""
        path = self.directory / BACKUPS_FILE
        if not path.exists():
            return ()
        try:
            return tuple(_backup(item) for item in json.loads(_read(path)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InputError(
                "KEYSTORE_MALFORMED",
                f"the record of backups does not read: {error}",
                where=Where(file=str(path)),
                help="Move it away and back up again.",
            ) from None

    def is_backed_up(self, key: StoredKey) -> bool:
        """Say whether a recorded backup holds this very file."""
        digest = hashlib.sha256(_read(key.path)).hexdigest()
        return any(item.files.get(key.facts.key_id) == digest for item in self.backups())

    def require_backed_up(self, key: StoredKey) -> None:
        """Raise `ProtocolError` KEY_NOT_BACKED_UP unless a recorded backup holds the key."""
        if not self.is_backed_up(key):
            raise ProtocolError(
                "KEY_NOT_BACKED_UP",
                f"no recorded backup holds the {key.role} key",
                where=Where(file=str(key.path)),
                help="Run `kanhe backup DIR`; a key is published only after that.",
            )


def _new_secret(role: KeyRole, randomness: Callable[[int], bytes]) -> bytes:
    if role in SIGNING_ROLES:
        return LocalSigner.generate(randomness).secret
    return randomness(SEALING_SECRET_BYTES if role is KeyRole.SEALING else VAULT_KEY_BYTES)


def _backup(item: dict[str, object]) -> BackupRecord:
    at_ms, target, files = item["at_ms"], item["target"], item["files"]
    if not (isinstance(at_ms, int) and isinstance(target, str) and isinstance(files, dict)):
        raise TypeError("a backup has a time, a target and files")
    return BackupRecord(at_ms, target, {str(key): str(value) for key, value in files.items()})


def _read(path: Path) -> bytes:
    """Read a key file that only its user can read.

    Raises `InputError` KEYSTORE_MODE or `OutsideError` DISK_READ.
    """
    try:
        if path.stat().st_mode & OTHERS:
            raise InputError(
                "KEYSTORE_MODE",
                "other users of this machine may read the key file",
                where=Where(file=str(path)),
                help=f"chmod 600 {path.name}, and consider the key known to them.",
            )
        return path.read_bytes()
    except OSError as error:
        raise OutsideError(
            "DISK_READ",
            f"{path.name} could not be read: {error.strerror or error}",
            where=Where(file=str(path)),
            help="Mend the permissions, or restore the file from a backup.",
        ) from None
