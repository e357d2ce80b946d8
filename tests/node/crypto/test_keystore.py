from __future__ import annotations

import json
import stat
from pathlib import Path

import eth_keyfile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.crypto.files import write_private
from node.crypto.keyfile import KeyFacts, KeyRole, lock, read_facts, unlock
from node.crypto.keystore import Keystore, StoredKey
from node.crypto.signer import LocalSigner
from node.crypto.vault import Vault
from reconcile.model import InputError, KanheError, OutsideError, ProtocolError

PASSPHRASE = "correct horse 电池"
FAST = 4_096
FACTS = KeyFacts("6f3c8a52-0000-4000-8000-000000000000", KeyRole.VAULT, None, "库")
LOCKED = lock(bytes(32), FACTS, PASSPHRASE, scrypt_n=2)


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    """A key store with a derivation fast enough for tests."""
    return Keystore(tmp_path / "keys", scrypt_n=FAST)


def mode(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


# ------------------------------------------------------------------ the store
@pytest.mark.parametrize("role", list(KeyRole))
def test_a_key_is_kept_and_opened(store: Keystore, role: KeyRole) -> None:
    """Each role's key is written privately and opens with its passphrase."""
    key = store.create(role, PASSPHRASE, label="first")
    assert mode(key.path) == 0o600
    assert mode(store.directory) == 0o700
    assert store.only(role) == key
    secret = store.open(key, PASSPHRASE)
    assert len(secret) == (96 if role is KeyRole.SEALING else 32)
    assert secret.hex() not in key.path.read_text()
    assert [path.name for path in store.directory.iterdir()] == [key.path.name]


def test_signers_sealing_keys_and_vaults_come_from_their_files(store: Keystore) -> None:
    """What a file holds is used by its role."""
    poster = store.create(KeyRole.POSTER, PASSPHRASE)
    signer = store.signer(poster, PASSPHRASE)
    assert signer.address.lower() == poster.address
    sealing = store.create(KeyRole.SEALING, PASSPHRASE)
    assert store.sealing_key(sealing, PASSPHRASE).public.data
    vault = store.vault(store.create(KeyRole.VAULT, PASSPHRASE), PASSPHRASE)
    assert vault.open(vault.seal(b"secret", b"row 1"), b"row 1") == b"secret"


def test_other_software_opens_our_file_and_reads_the_same_key(store: Keystore) -> None:
    """The file is a version 3 key file as wallets know it."""
    key = store.create(KeyRole.ADMIN, PASSPHRASE)
    body = json.loads(key.path.read_text())
    secret = eth_keyfile.decode_keyfile_json(body, PASSPHRASE.encode())
    assert LocalSigner(bytes(secret)).address.lower() == key.address


def test_a_wrong_passphrase_has_its_code(store: Keystore) -> None:
    """The refusal says which file, and what to do."""
    key = store.create(KeyRole.POSTER, PASSPHRASE)
    with pytest.raises(InputError) as refused:
        store.signer(key, PASSPHRASE + "x")
    assert refused.value.code == "KEYSTORE_PASSPHRASE"
    assert refused.value.where.file == str(key.path)
    assert refused.value.help


def test_a_short_passphrase_is_refused(store: Keystore) -> None:
    """No key is written under a passphrase of a few characters."""
    with pytest.raises(InputError) as refused:
        store.create(KeyRole.POSTER, "kurz")
    assert refused.value.code == "KEYSTORE_PASSPHRASE_WEAK"
    assert store.keys() == ()


def test_one_key_of_a_role_is_asked_for_by_name(store: Keystore) -> None:
    """None and two keys of a role have different codes."""
    with pytest.raises(InputError) as missing:
        store.only(KeyRole.POSTER)
    store.create(KeyRole.POSTER, PASSPHRASE)
    store.create(KeyRole.POSTER, PASSPHRASE)
    with pytest.raises(InputError) as ambiguous:
        store.only(KeyRole.POSTER)
    assert missing.value.code == "KEYSTORE_KEY_MISSING"
    assert ambiguous.value.code == "KEYSTORE_KEY_AMBIGUOUS"


def test_a_file_that_others_may_read_is_refused(store: Keystore) -> None:
    """A key that another user of the machine may know is not used silently."""
    key = store.create(KeyRole.POSTER, PASSPHRASE)
    key.path.chmod(0o640)
    with pytest.raises(InputError) as refused:
        store.signer(key, PASSPHRASE)
    assert refused.value.code == "KEYSTORE_MODE"


def test_a_poster_s_file_cannot_be_made_an_approver_s(store: Keystore) -> None:
    """Role, address, label and IV are authenticated under the passphrase."""
    key = store.create(KeyRole.POSTER, PASSPHRASE, label="hot")
    text = key.path.read_text()
    iv = json.loads(text)["crypto"]["cipherparams"]["iv"]
    assert key.address is not None
    for old, new in [
        ('"POSTER"', '"APPROVER"'),
        ('"hot"', '"cold"'),
        (key.address[2:], "0" * 40),
        (iv, f"{int(iv, 16) ^ 1:032x}"),
    ]:
        write_private(key.path, text.replace(old, new).encode())
        with pytest.raises(InputError) as refused:
            store.open(store.keys()[0], PASSPHRASE)
        assert refused.value.code == "KEYSTORE_CHANGED", old


# ------------------------------------------------------------------ one file
@given(st.data())
@settings(max_examples=200)
def test_any_changed_byte_of_a_key_file_is_found(data: st.DataObject) -> None:
    """A changed file is refused with a stable code or still gives the same secret."""
    changed = bytearray(LOCKED)
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        secret = unlock(bytes(changed), PASSPHRASE, "k.json")
    except InputError as error:
        code = error.code
        assert code.startswith("KEYSTORE_")
    else:
        assert secret == bytes(32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 10_000,
        b'{"version": 3}',
        b'{"version": 4}',
        b"\xff",
        LOCKED.replace(b"scrypt", b"pbkdf2"),
        LOCKED.replace(b'"n": 2', b'"n": 3'),
        LOCKED.replace(b'"n": 2', b'"n": 1099511627776'),
        LOCKED.replace(b'"n": 2', b'"n": true'),
        LOCKED.replace(b'"p": 1', b'"p": 1000000'),
        LOCKED.replace(b'"r": 8', b'"r": 0'),
        LOCKED.replace(b'"dklen": 32', b'"dklen": 16'),
        LOCKED.replace(b'"crypto": {', b'"crypto": 1, "x": {'),
        LOCKED.replace(b"VAULT", b"OTHER"),
        LOCKED.replace(b"VAULT", b"POSTER"),
        LOCKED + b" " * 20_000,
    ],
)
def test_a_malformed_file_has_its_code(data: bytes) -> None:
    """No file makes the reader spend memory without bound or fail in a traceback."""
    with pytest.raises(InputError) as refused:
        unlock(data, PASSPHRASE, "k.json")
    assert refused.value.code == "KEYSTORE_MALFORMED"


def test_the_golden_key_file() -> None:
    """A file written by an earlier release opens."""
    golden = lock(
        bytes(range(32)), FACTS, PASSPHRASE, scrypt_n=2, randomness=lambda count: b"\x07" * count
    )
    body = json.loads(golden)
    assert (
        body["crypto"]["ciphertext"]
        == "d92f5cb634bbec332928c9617235ffe9ddc3bcf51bd7ca4270323861df86d60f"
    )
    assert (
        body["crypto"]["mac"] == "5d3f128c584ec09593d56cb26c12f45a665a40e0f29656d9fea0c350b02d925a"
    )
    assert (
        body["kanhe"]["mark"] == "4277b41701d4e6377d07130c1c1343da220d73b26b4463788b593a039d6e504e"
    )
    assert unlock(golden, PASSPHRASE, "k.json") == bytes(range(32))
    assert read_facts(golden, "k.json") == FACTS


# ------------------------------------------------------------------ backups
def test_a_key_is_published_only_after_a_backup(store: Keystore, tmp_path: Path) -> None:
    """A backup is recorded after its copies read back; a key made later is not in it."""
    key = store.create(KeyRole.SEALING, PASSPHRASE)
    with pytest.raises(ProtocolError) as refused:
        store.require_backed_up(key)
    assert refused.value.code == "KEY_NOT_BACKED_UP"
    record = store.back_up(tmp_path / "backup", 1_795_000_000_000)
    assert store.backups() == (record,)
    store.require_backed_up(key)
    copy = tmp_path / "backup" / key.path.name
    assert copy.read_bytes() == key.path.read_bytes()
    assert mode(copy) == 0o600
    later = store.create(KeyRole.POSTER, PASSPHRASE)
    assert not store.is_backed_up(later)
    assert store.is_backed_up(key)


def test_a_restored_backup_opens(store: Keystore, tmp_path: Path) -> None:
    """The copies are a key store themselves."""
    key = store.create(KeyRole.POSTER, PASSPHRASE)
    store.back_up(tmp_path / "backup", 1)
    restored = Keystore(tmp_path / "backup")
    address = restored.signer(restored.only(KeyRole.POSTER), PASSPHRASE).address
    assert address.lower() == key.address


def test_a_backup_into_the_store_is_refused(store: Keystore) -> None:
    """A copy beside the original is no backup."""
    store.create(KeyRole.POSTER, PASSPHRASE)
    with pytest.raises(InputError) as refused:
        store.back_up(store.directory, 1)
    assert refused.value.code == "BACKUP_IN_PLACE"


def test_a_changed_record_of_backups_is_refused(store: Keystore) -> None:
    """A record that does not read proves no backup."""
    key = store.create(KeyRole.POSTER, PASSPHRASE)
    for body in (b"{", b"[1]", b'[{"at_ms": 1}]', b"[" * 9_999):
        write_private(store.directory / "backups.json", body)
        with pytest.raises(InputError) as refused:
            store.is_backed_up(key)
        assert refused.value.code == "KEYSTORE_MALFORMED"


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    """A write that fails says so and leaves neither half a file nor a stray one."""
    target = tmp_path / "key.json"
    write_private(target, b"old")
    (tmp_path / "directory.json").mkdir()
    with pytest.raises(OutsideError) as refused:
        write_private(tmp_path / "directory.json", b"new")
    with pytest.raises(OutsideError):
        write_private(tmp_path / "missing" / "key.json", b"new")
    assert refused.value.code == "DISK_WRITE"
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory.json", "key.json"]


def test_a_file_that_vanished_is_said(store: Keystore, tmp_path: Path) -> None:
    """A key file that cannot be read is the disk's refusal."""
    with pytest.raises(OutsideError) as refused:
        store.open(StoredKey(tmp_path / "gone.json", FACTS), PASSPHRASE)
    assert refused.value.code == "DISK_READ"


# ------------------------------------------------------------------ the vault
@given(st.binary(max_size=200), st.binary(max_size=40), st.data())
@settings(suppress_health_check=[HealthCheck.differing_executors])
def test_the_vault_binds_secret_and_row(secret: bytes, label: bytes, data: st.DataObject) -> None:
    """A stored secret opens under its own label and unchanged alone."""
    vault = Vault(bytes(range(32)))
    sealed = vault.seal(secret, label)
    assert vault.open(sealed, label) == secret
    changed = bytearray(sealed)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    for bad_vault, bad, bad_label in [
        (vault, bytes(changed), label),
        (vault, sealed, label + b"\x00"),
        (Vault(bytes(32)), sealed, label),
        (vault, sealed[:20], label),
        (vault, b"", label),
    ]:
        with pytest.raises(KanheError) as refused:
            bad_vault.open(bad, bad_label)
        assert refused.value.code == "VAULT_NOT_OPENED"


def test_a_vault_with_repeating_randomness_repeats_no_key() -> None:
    """A clone that seals another secret, or the same for another row, has another salt."""
    vault = Vault(bytes(32))
    sealed = [
        vault.seal(secret, label, bytes)
        for secret, label in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]
    ]
    assert len({item[1:33] for item in sealed}) == 3
