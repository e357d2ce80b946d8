"""A person's wallet and her files, for the commands of `kanhe person`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from node.cli.output import require_file

if TYPE_CHECKING:
    from node.wallet import Wallet


def wallet_passphrase(*, confirm: bool = False) -> str:
    """Return the passphrase by the settings, or as it is asked for."""
    from node.cli.session import passphrase_of
    from node.settings import Settings

    return passphrase_of(Settings.of_environment("passphrase", "passphrase_file"), confirm=confirm)


def open_wallet(path: Path) -> Wallet:
    """Open her wallet."""
    from node.wallet import Wallet

    return Wallet.open(require_file(path), wallet_passphrase())


def read_file(path: Path) -> bytes:
    """Return a file's bytes."""
    return require_file(path).read_bytes()


def write_file(path: Path, data: bytes) -> None:
    """Write a file that only she can read."""
    from node.crypto.files import write_private

    write_private(path, data)
