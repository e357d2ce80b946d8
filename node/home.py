"""A node's home folder: name, keys, their backup, and which chain it belongs to.

node.toml     name, code, [chain] url, chain_id, registry, ledger, profile, from_block; where the
              network has a blacklist: blacklist, lookups, points
keystore/     one file a key, under the passphrase
backup/       copies of keys; what is published is here first
kanhe.db      unless KANHE_DATABASE_URL names another database
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from eth_utils.address import to_checksum_address

from node.chain.codec import Contracts
from node.crypto.keyfile import SCRYPT_N, KeyRole
from node.crypto.keystore import Keystore
from node.crypto.secretfiles import SecretFiles
from node.crypto.signer import Signer
from node.crypto.vault import VAULT_KEY_BYTES, Vault
from node.identity import NodeKeys, Place, system_clock
from node.keyring import KeyRing
from node.settings import Settings
from reconcile.model import OutsideError, UsageError, Where

CONFIG_FILE: Final = "node.toml"
LOCK_FILE: Final = "node.lock"
ADDRESS_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class ChainTarget:
    """Which chain and which contracts; addresses are 0x-hex.

    `blacklist`, `lookups` and `points` are empty on a network without a blacklist.
    """

    url: str
    chain_id: int
    registry: str
    ledger: str
    profile: str
    from_block: int = 0
    more_urls: tuple[str, ...] = ()
    blacklist: str = ""
    lookups: str = ""
    points: str = ""

    @property
    def place(self) -> Place:
        """Return the same as services are given it."""
        known = self.contracts
        return Place(
            known.chain_id,
            known.registry,
            known.ledger,
            blacklist=known.blacklist,
            lookups=known.lookups,
            points=known.points,
        )

    @property
    def contracts(self) -> Contracts:
        """Return the chain id and the addresses as bytes.

        Raises `UsageError` ADDRESS_MALFORMED, BLACKLIST_INCOMPLETE.
        """
        own = (_address(self.registry), _address(self.ledger))
        screening = (self.blacklist, self.lookups, self.points)
        if not any(screening):
            return Contracts(self.chain_id, *own)
        if not all(screening):
            raise UsageError(
                "BLACKLIST_INCOMPLETE",
                "a blacklist is named by the addresses of Blacklist, Lookups and Points",
                help="give --blacklist, --lookups and --points together, or none of them",
            )
        return Contracts(self.chain_id, *own, *map(_address, screening))


@dataclass(frozen=True, slots=True)
class HomeInfo:
    """A home folder's name, code and the addresses of its signing keys by role."""

    home: Path
    name: str
    code: str | None
    addresses: Mapping[str, str]


def init_home(
    home: Path,
    *,
    name: str,
    passphrase: str,
    code: str | None = None,
    target: ChainTarget | None = None,
    scrypt_n: int = SCRYPT_N,
) -> HomeInfo:
    """Make a home: one key a role, their backup, node.toml.

    Raises `UsageError` HOME_EXISTS, `InputError` KEYSTORE_PASSPHRASE_WEAK.
    """
    if (home / CONFIG_FILE).exists():
        raise UsageError(
            "HOME_EXISTS",
            f"{home} holds a node already",
            help="name another folder; keys are never overwritten",
        )
    store = Keystore(home / "keystore", scrypt_n=scrypt_n)
    if not store.keys():
        for role in (KeyRole.ADMIN, KeyRole.POSTER, KeyRole.APPROVER, KeyRole.VAULT):
            store.create(role, passphrase, label=name)
    store.back_up(home / "backup" / "keystore", system_clock())
    _write_config(home, name, code, target)
    return home_info(home)


def write_target(home: Path, target: ChainTarget) -> None:
    """Note which chain and contracts this home belongs to."""
    body = _read_config(home)
    _write_config(home, str(body["name"]), body.get("code"), target)


def home_info(home: Path) -> HomeInfo:
    """Return what is known without the passphrase; `UsageError` HOME_NOT_FOUND."""
    body = _read_config(home)
    keys = Keystore(home / "keystore").keys()
    addresses = {str(key.role): key.address for key in keys if key.address is not None}
    return HomeInfo(home, str(body["name"]), body.get("code"), addresses)


def _read_config(home: Path) -> dict[str, Any]:
    path = home / CONFIG_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            "HOME_NOT_FOUND",
            f"{home} is no node's home",
            where=Where(file=str(path)),
            help="make one with `kanhe init`, or name it with --home or KANHE_HOME",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            "CONFIG_MALFORMED",
            f"node.toml does not read: {error}",
            where=Where(file=str(path)),
            help="mend the line it names",
        ) from None


def _write_config(home: Path, name: str, code: str | None, target: ChainTarget | None) -> None:
    lines = [f"name = {_toml(name)}"]
    if code is not None:
        lines.append(f"code = {_toml(code)}")
    if target is not None:
        lines += [
            "",
            "[chain]",
            f"url = {_toml(target.url)}",
            f"more_urls = [{', '.join(_toml(item) for item in target.more_urls)}]",
            f"chain_id = {target.chain_id}",
            f"registry = {_toml(target.registry)}",
            f"ledger = {_toml(target.ledger)}",
            f"profile = {_toml(target.profile)}",
            f"from_block = {target.from_block}",
        ]
        if target.blacklist:
            lines += [
                f"{name} = {_toml(getattr(target, name))}"
                for name in ("blacklist", "lookups", "points")
            ]
    home.mkdir(parents=True, exist_ok=True)
    aside = home / (CONFIG_FILE + ".new")
    aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    aside.replace(home / CONFIG_FILE)


def _toml(text: str) -> str:
    """Return a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _address(text: str) -> bytes:
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != ADDRESS_BYTES:
        raise UsageError("ADDRESS_MALFORMED", f"{text!r} is no address", help="0x and 40 digits")
    return data


def target_of(home: Path, settings: Settings) -> ChainTarget:
    """Return the chain a home belongs to, settings first; `UsageError` CHAIN_NOT_SET."""
    body = _read_config(home).get("chain")
    if body is None:
        raise UsageError(
            "CHAIN_NOT_SET",
            f"{home} does not say which chain it belongs to",
            where=Where(file=str(home / CONFIG_FILE), field="chain"),
            help="set it with `kanhe init --chain-url … --chain-id … --registry … --ledger …`",
        )
    urls = settings.chain_urls or (body["url"], *body.get("more_urls", ()))
    return ChainTarget(
        url=urls[0],
        more_urls=tuple(urls[1:]),
        chain_id=int(body["chain_id"]),
        registry=str(body["registry"]),
        ledger=str(body["ledger"]),
        profile=settings.chain_profile or str(body["profile"]),
        from_block=int(body.get("from_block", 0)),
        blacklist=str(body.get("blacklist", "")),
        lookups=str(body.get("lookups", "")),
        points=str(body.get("points", "")),
    )


class LockedSigner:
    """A key whose passphrase was not given: it has an address and signs nothing."""

    def __init__(self, address: str) -> None:
        self.address = to_checksum_address(address)

    def sign_digest(self, _digest: bytes) -> bytes:
        """Refuse: `UsageError` PASSPHRASE_NEEDED."""
        raise _passphrase_needed()


class LockedVault(Vault):
    """A vault whose passphrase was not given."""

    def __init__(self) -> None:
        super().__init__(bytes(VAULT_KEY_BYTES))

    def seal(
        self, secret: bytes, label: bytes, randomness: Callable[[int], bytes] = secrets.token_bytes
    ) -> bytes:
        """Refuse: `UsageError` PASSPHRASE_NEEDED."""
        del secret, label, randomness
        raise _passphrase_needed()

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """Refuse: `UsageError` PASSPHRASE_NEEDED."""
        del sealed, label
        raise _passphrase_needed()

    def fingerprint(self, data: bytes) -> bytes:
        """Refuse: `UsageError` PASSPHRASE_NEEDED."""
        del data
        raise _passphrase_needed()


def _passphrase_needed() -> UsageError:
    return UsageError(
        "PASSPHRASE_NEEDED",
        "this needs the key store, and no passphrase was given",
        help="set KANHE_PASSPHRASE_FILE or KANHE_PASSPHRASE, or answer at the terminal",
    )


def locked_keys(home: Path) -> NodeKeys:
    """Return the keys of a home by address alone: enough to read, nothing is signed or opened."""
    addresses = home_info(home).addresses
    admin, poster, approver = (
        LockedSigner(addresses[role]) for role in ("ADMIN", "POSTER", "APPROVER")
    )
    return NodeKeys(admin, poster, approver, KeyRing(LockedVault()))


def open_keys(home: Path, passphrase: str) -> NodeKeys:
    """Open the key store; `InputError` KEYSTORE_PASSPHRASE for a wrong passphrase."""
    store = Keystore(home / "keystore")

    def signer(role: KeyRole) -> Signer:
        return store.signer(store.only(role), passphrase)

    return NodeKeys(
        admin=signer(KeyRole.ADMIN),
        poster=signer(KeyRole.POSTER),
        approver=signer(KeyRole.APPROVER),
        ring=KeyRing(store.vault(store.only(KeyRole.VAULT), passphrase)),
        files=SecretFiles(home / "keystore", passphrase),
    )


def locked(home: Path) -> TextIO:
    """Hold the home for one process: two relays would fight for one nonce lane.

    The lock lives as long as the returned file is open. Raises `OutsideError` HOME_IN_USE.
    """
    file = (home / LOCK_FILE).open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise OutsideError(
            "HOME_IN_USE",
            f"the node in {home} is running already ({holder})",
            help="stop that one first, or leave the work to it",
        ) from None
    file.seek(0)
    file.truncate()
    file.write(f"process {os.getpid()}")
    file.flush()
    return file
