"""Shares in the key store: kept encrypted, never overwritten, destroyed with their backups."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.crypto.keyfile import KeyRole
from node.crypto.keystore import Keystore
from node.crypto.secretfiles import KeptShare, SecretFiles
from reconcile.model import InputError, ProtocolError

PHRASE = "a phrase for tests"
SESSION = b"\x07" * 32
SHARE = KeptShare(2, bytes(range(32)))


@pytest.fixture
def files(tmp_path: Path) -> SecretFiles:
    """A key store with a vault, lightly stretched."""
    folder = tmp_path / "keystore"
    Keystore(folder, scrypt_n=1_024).create(KeyRole.VAULT, PHRASE)
    return SecretFiles(folder, PHRASE)


def test_a_share_is_kept_under_the_passphrase(files: SecretFiles) -> None:
    """What is kept is read back by its session; the file holds no byte of it in the clear."""
    assert files.share(SESSION) is None
    kept = files.keep_share(SESSION, SHARE)
    assert files.share(SESSION) == SHARE
    assert files.sessions() == (SESSION,)
    text = kept.path.read_bytes()
    assert SHARE.secret not in text
    assert SHARE.secret.hex().encode() not in text
    assert b'"n": 1024' in text
    with pytest.raises(InputError):
        SecretFiles(files.folder, "another phrase").share(SESSION)
    assert SHARE.secret.hex() not in repr(SHARE) + repr(files)
    assert PHRASE not in repr(files)


def test_a_share_is_written_once(files: SecretFiles) -> None:
    """The same share again, after a crash, changes nothing; another one is refused."""
    first = files.keep_share(SESSION, SHARE)
    assert files.keep_share(SESSION, SHARE) == first
    with pytest.raises(ProtocolError) as caught:
        files.keep_share(SESSION, KeptShare(2, bytes(32)))
    assert caught.value.code == "SHARE_EXISTS"
    assert files.share(SESSION) == SHARE


def test_a_destroyed_share_is_gone_from_backups_too(files: SecretFiles, tmp_path: Path) -> None:
    """Nothing of it is left in the folders that are named; a second call finds nothing."""
    files.keep_share(SESSION, SHARE)
    files.keep_share(b"\x08" * 32, SHARE)
    backup = tmp_path / "backup"
    files.back_up(backup, 1)
    assert files.destroy_share(SESSION, backup) == 2
    assert files.share(SESSION) is None
    assert files.destroy_share(SESSION, backup) == 0
    assert files.share(b"\x08" * 32) == SHARE
    assert len(list(backup.glob("share-*.json"))) == 1
