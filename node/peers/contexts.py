"""TLS 1.3 contexts in which both sides show a pinned certificate.

Names are not checked: a certificate is bound to a member, not to a host, and the caller trusts the
one member's certificates alone, so nobody else can answer in its place.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from cryptography import x509

from node.peers.certificates import write_pem
from node.peers.own import OwnCertificate
from node.telemetry import logger
from reconcile.model import InputError, Where

_log = logger("peers")


class _SaysWhy(ssl.SSLObject):
    """Lets a refused caller read why: the alert leaves before the connection ends.

    asyncio drops what a failed handshake still has to send. Asked to wait for more, it sends the
    alert first; the caller hangs up, or the handshake's time runs out.
    """

    _refused: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake; a refusal is raised at the second call."""
        if self._refused is not None:
            raise self._refused
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            _log.warning("caller refused", says=error.reason or str(error))
            self._refused = error
            raise ssl.SSLWantReadError from None


def server_context(own: OwnCertificate, pinned: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """Return the context of a node that is called; callers show one of the pinned certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _SaysWhy
    _prepare(context, own, pinned)
    # A resumed session would skip the certificate, and with it a pin taken back meanwhile.
    context.num_tickets = 0
    return context


def client_context(own: OwnCertificate, pinned: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """Return the context of a node that calls the member whose certificates these are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _prepare(context, own, pinned)
    return context


def _prepare(
    context: ssl.SSLContext, own: OwnCertificate, pinned: Iterable[x509.Certificate]
) -> None:
    own.require_pair()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # A pinned certificate is trusted itself, whoever issued it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(own.certificate_file, own.key_file, own.passphrase)
    except (OSError, ssl.SSLError):
        raise InputError(
            "TLS_KEY_MALFORMED",
            "the TLS key and its certificate do not load",
            where=Where(file=str(own.key_file)),
            help="make new ones with `kanhe peer certify`",
        ) from None
    texts = "".join(write_pem(item) for item in pinned)
    if texts:
        context.load_verify_locations(cadata=texts)
