"""What a replica answers readers: a version's header under its signature, whole buckets.

Hit and miss ask alike and are answered alike: a number in, a bucket of the version's one length
out. What this replica sees of a reader is the number of a bucket.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import msgspec

from node.crypto.eip712 import Domain
from node.crypto.signer import Signer
from node.replica import Replica, Version
from node.screening.roots import SignedHeader, root_digest, write_bucket, write_header
from reconcile.model import ProtocolError, Where

HEADER: Final = "index/header"
BUCKET: Final = "index/bucket"
KEPT_OPEN: Final = 4
KeyEpochOf = Callable[[int], tuple[int, int] | None]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    bucket: int | None = None


class Shelf:
    """The versions that are open for readers, the last few of them."""

    def __init__(
        self, replica: Callable[[], Replica], place_of: KeyEpochOf, domain: Domain, signer: Signer
    ) -> None:
        """`place_of` gives a version's key epoch and the revision of its root on the ledger."""
        self._replica = replica
        self._place_of = place_of
        self._domain = domain
        self._signer = signer
        self._lock = threading.Lock()
        self._open: dict[int, Version] = {}

    def header(self, body: bytes) -> bytes:
        """Return a version's header and this replica's signature over its root.

        Raises `ProtocolError` REQUEST_MALFORMED, INDEX_NONE.
        """
        asked = _read(body)
        version, revision = self._version(asked.version)
        digest = root_digest(self._domain, version.header, revision)
        signed = SignedHeader(version.header, revision, self._signer.sign_digest(digest))
        return write_header(signed)

    def bucket(self, body: bytes) -> bytes:
        """Return a bucket with its path; raises BUCKET_UNKNOWN beside `header`'s errors."""
        asked = _read(body)
        if asked.bucket is None:
            raise _refuse("REQUEST_MALFORMED", "no bucket is named")
        version, _ = self._version(asked.version)
        return write_bucket(version.prove(asked.bucket))

    def close(self) -> None:
        """Close every version."""
        with self._lock:
            for version in self._open.values():
                version.close()
            self._open.clear()

    def _version(self, number: int) -> tuple[Version, int]:
        place = self._place_of(number)
        if place is None:
            raise _refuse("INDEX_NONE", f"version {number} has no root on the ledger")
        key_epoch, revision = place
        with self._lock:
            found = self._open.get(number)
            if found is None:
                replica = self._replica()
                if number not in replica.versions(key_epoch):
                    raise _refuse("INDEX_NONE", f"version {number} is not here")
                found = self._open[number] = replica.open(key_epoch, number)
                for older in sorted(self._open)[:-KEPT_OPEN]:
                    # Readers of it may be at work: the file closes when the last of them is done.
                    del self._open[older]
            return found, revision

    def drop(self, number: int) -> None:
        """Forget a version that was built anew."""
        with self._lock:
            self._open.pop(number, None)


def _read(body: bytes) -> _Asked:
    try:
        return msgspec.json.decode(body, type=_Asked)
    except msgspec.DecodeError:
        raise _refuse("REQUEST_MALFORMED", "a version is asked for by its number") from None


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="index"), help="another replica is asked")
