"""Backup and restore of a node's home: keys, settings and, on SQLite, the database.

A restored copy cannot fork a sequence: the relay signs nothing before it has read the final head,
marked what stands there as posted, and listed every call of its keys that the copy does not know,
which a person then takes over (`kanhe outbox adopt`). The ledger refuses a sequence number twice.

    DIR/node.toml      name, code, chain
    DIR/keystore/      key files, under the passphrase
    DIR/keys-….json    epoch and sealing keys, under the vault's key
    DIR/kanhe.db       the database, as of one moment
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from node.crypto.files import PRIVATE_FILE, disk_error, make_private_directory, write_private
from node.crypto.keystore import Keystore
from node.db import Database, open_database, translated
from node.home import CONFIG_FILE, open_keys
from node.identity import NodeKeys, system_clock
from node.outbox import note_restored
from node.tables.upgrading import upgrade
from reconcile.model import InputError, UsageError, Where

DATABASE_FILE: Final = "kanhe.db"
KEYS_FILES: Final = "keys-*.json"
KEYS_FORMAT: Final = "kanhe/keys/1"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds; `database` is False where a server keeps it (then use pg_dump too)."""

    key_files: int
    keys: int
    database: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back."""

    key_files: int
    keys: int
    database: bool


def back_up(home: Path, database: Database, keys: NodeKeys, out: Path) -> BackedUp:
    """Copy a home to a folder; a running node need not stop.

    The keys come last: whatever the database names is then in the backup. Raises `InputError`
    BACKUP_IN_PLACE, `OutsideError` DISK_WRITE or BACKUP_NOT_READABLE.
    """
    make_private_directory(out)
    if out.resolve() == home.resolve():
        raise InputError(
            "BACKUP_IN_PLACE",
            "the backup would lie in the home itself",
            where=Where(file=str(out)),
            help="name a directory on another disk",
        )
    copied = _copy_database(database, out / DATABASE_FILE)
    write_private(out / CONFIG_FILE, (home / CONFIG_FILE).read_bytes())
    record = Keystore(home / "keystore").back_up(out / "keystore", system_clock())
    with translated(), database.writing.begin() as session:
        kept = keys.ring.back_up(session, out, now_ms=system_clock(), everything=True)
    return BackedUp(len(record.files), kept, copied)


def _copy_database(database: Database, target: Path) -> bool:
    """Copy a SQLite database as of one moment, whoever writes to it; False for a server's."""
    if database.engine.dialect.name != "sqlite":
        return False
    aside = target.with_name(f".{target.name}.new")
    source = str(database.engine.url.database)
    try:
        aside.unlink(missing_ok=True)
        aside.touch(mode=PRIVATE_FILE)
        with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(aside)) as to:
            from_.backup(to)
        aside.replace(target)
    except (OSError, sqlite3.Error) as error:
        aside.unlink(missing_ok=True)
        raise disk_error(target, OSError(str(error))) from None
    return True


def restore(
    source: Path,
    home: Path,
    passphrase: str,
    *,
    more_keys: Sequence[Path] = (),
    database_url: str = "",
) -> Restored:
    """Make a home from a backup; all of it or nothing that counts as a home.

    `more_keys`: folders with later key files, e.g. the lost home's `backup`. Raises `UsageError`
    HOME_EXISTS or BACKUP_NOT_FOUND, `InputError` KEYSTORE_PASSPHRASE or BACKUP_MALFORMED.
    """
    _require_restorable(source, home)
    # A wrong passphrase is found before anything is written.
    open_keys(source, passphrase)
    make_private_directory(home)
    try:
        shutil.copytree(source / "keystore", home / "keystore", dirs_exist_ok=True)
        copied = (source / DATABASE_FILE).is_file() and not database_url
        if copied:
            shutil.copyfile(source / DATABASE_FILE, home / DATABASE_FILE)
            (home / DATABASE_FILE).chmod(PRIVATE_FILE)
    except OSError as error:
        raise disk_error(home, error) from None
    make_private_directory(home / "keystore")
    keys = open_keys(home, passphrase)
    taken = _take_keys(home, keys, [source, *more_keys], database_url)
    # What makes it a home comes last: an interrupted restore is none, and may be run again.
    write_private(home / CONFIG_FILE, (source / CONFIG_FILE).read_bytes())
    return Restored(len(Keystore(home / "keystore").keys()), taken, copied)


def _require_restorable(source: Path, home: Path) -> None:
    if (home / CONFIG_FILE).exists():
        raise UsageError(
            "HOME_EXISTS",
            f"{home} holds a node already",
            help="restore into another folder; nothing is ever overwritten",
        )
    if not (source / CONFIG_FILE).is_file() or not (source / "keystore").is_dir():
        raise UsageError(
            "BACKUP_NOT_FOUND",
            f"{source} is no backup of a node",
            where=Where(file=str(source)),
            help="name the folder that `kanhe backup` wrote",
        )


def _take_keys(home: Path, keys: NodeKeys, folders: Sequence[Path], database_url: str) -> int:
    database = open_database(database_url or f"sqlite:///{home / DATABASE_FILE}")
    taken = 0
    try:
        upgrade(database)
        with translated(), database.writing.begin() as session:
            note_restored(session)
        for path in sorted(path for folder in folders for path in folder.glob(KEYS_FILES)):
            with translated(), database.writing.begin() as session:
                taken += keys.ring.take_back(session, _read_keys(path), now_ms=system_clock())
    finally:
        database.close()
    return taken


def _read_keys(path: Path) -> list[dict[str, Any]]:
    try:
        body = json.loads(path.read_bytes())
    except ValueError:
        body = None
    if (
        not isinstance(body, dict)
        or body.get("format") != KEYS_FORMAT
        or not isinstance(body.get("keys"), list)
    ):
        raise InputError(
            "BACKUP_MALFORMED",
            "the file does not hold keys",
            where=Where(file=str(path)),
            help="take it out of the folder, or restore from another backup",
        )
    return list(body["keys"])
