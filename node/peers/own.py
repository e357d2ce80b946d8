"""This node's TLS key and certificate: two files in the key store, the key under its passphrase."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from node.crypto.files import make_private_directory, write_private
from node.crypto.signer import Signer
from node.peers.certificates import Network, make_certificate, read_pem, write_pem
from reconcile.model import InputError, OutsideError, UsageError, Where

KEY_FILE: Final = "tls.key.pem"
CERTIFICATE_FILE: Final = "tls.pem"


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """The files of this node's certificate and key, and the passphrase that opens the key."""

    folder: Path
    passphrase: str = field(repr=False)

    @property
    def key_file(self) -> Path:
        """Return the encrypted key, PKCS #8 in PEM."""
        return self.folder / KEY_FILE

    @property
    def certificate_file(self) -> Path:
        """Return the certificate in PEM."""
        return self.folder / CERTIFICATE_FILE

    def certificate(self) -> x509.Certificate:
        """Return the certificate; raises `UsageError` TLS_NOT_SET, `OutsideError` DISK_READ."""
        try:
            return read_pem(self.certificate_file.read_bytes())[0]
        except FileNotFoundError:
            raise UsageError(
                "TLS_NOT_SET",
                "this node has no TLS key yet",
                where=Where(file=str(self.certificate_file)),
                help="make one with `kanhe peer certify`, and give its certificate to the others",
            ) from None
        except OSError as error:
            raise OutsideError(
                "DISK_READ", f"{CERTIFICATE_FILE} could not be read: {error.strerror}"
            ) from None

    def require_pair(self) -> None:
        """Refuse a key file that does not open or is not the certificate's."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        certificate = self.certificate()
        try:
            key = load_pem_private_key(self.key_file.read_bytes(), self.passphrase.encode())
        except (OSError, ValueError, TypeError):
            raise self._broken("does not open with this passphrase") from None
        if key.public_key() != certificate.public_key():
            raise self._broken("is not the key of the certificate beside it")

    def _broken(self, says: str) -> InputError:
        return InputError(
            "TLS_KEY_MALFORMED",
            f"the TLS key {says}",
            where=Where(file=str(self.key_file)),
            help="restore both files from a backup, or make new ones with `kanhe peer certify`",
        )


def certify(
    folder: Path,
    passphrase: str,
    *,
    member: int,
    network: Network,
    signer: Signer,
    now_s: int,
) -> x509.Certificate:
    """Make a key and its certificate and write both; an older pair is replaced.

    The key is written first: a crash between leaves a pair that does not fit, which every start
    refuses in words, never a certificate whose key is nowhere. Raises `OutsideError` DISK_WRITE.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    made = make_certificate(key, member=member, network=network, signer=signer, now_s=now_s)
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    make_private_directory(folder)
    write_private(folder / KEY_FILE, locked)
    write_private(folder / CERTIFICATE_FILE, write_pem(made).encode("ascii"))
    return made
