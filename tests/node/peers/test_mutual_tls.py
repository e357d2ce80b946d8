"""Mutual TLS between nodes: whose certificate counts, and what is said where one does not."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import socket
import ssl
import threading
import time

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from peer_town import DAY_S, NETWORK, NOW_S, Member, Town

from node.crypto.signer import LocalSigner
from node.peers import client as peer_client
from node.peers.certificates import (
    STATEMENT_OID,
    Network,
    make_certificate,
    read_statement,
    require_member,
)
from node.peers.client import MAX_WORDS, PeerRefusal
from node.peers.contexts import server_context
from node.peers.directory import Peer, pin, read_peers, unpin
from reconcile.model import OutsideError, ProtocolError, UsageError


def test_both_know_whom_they_speak_to(town: Town) -> None:
    """A call over mutual TLS reaches the handler with the member of the caller's certificate."""
    client = town.client()
    assert client.call(1, "/peer/v1/echo", b"{}") == b'{"member":2,"bytes":2}'
    client.close()


def test_what_a_node_refuses_keeps_its_code_and_names_it(town: Town) -> None:
    """A refusal of the other node comes through with its code, words, help and number."""
    client = town.client()
    with pytest.raises(PeerRefusal) as caught:
        client.call(1, "/peer/v1/refuse", b"123")
    assert (caught.value.code, caught.value.member) == ("NOT_TODAY", 1)
    assert caught.value.message == "member 1: 3 bytes of 2"
    assert caught.value.help == "come tomorrow"
    for word, body, code in [
        ("nothing", b"", "PEER_CALL_UNKNOWN"),
        ("echo", b"x" * 1_001, "BODY_TOO_LARGE"),
    ]:
        with pytest.raises(PeerRefusal) as caught:
            client.call(1, f"/peer/v1/{word}", body)
        assert caught.value.code == code
    client.close()


def test_a_refusal_is_a_code_and_a_few_words_whatever_the_other_node_says(town: Town) -> None:
    """What is kept of it, printed and logged is short, on one line, and no other code than one."""
    client = town.client()
    with pytest.raises(PeerRefusal) as caught:
        client.call(1, "/peer/v1/rant", b"AUDIT_TEST_IDENTIFIER")
    assert caught.value.code == "AUDIT_TEST_IDENTIFIER"
    assert len(caught.value.message) < MAX_WORDS + 20
    assert (caught.value.message + (caught.value.help or "")).isprintable()
    for code in (b"", b"no code", b"NO\x00", b"A" * 41, b"NO\n"):
        with pytest.raises(OutsideError) as unread:
            client.call(1, "/peer/v1/rant", code)
        assert unread.value.code == "PEER_ANSWER"
    client.close()


def test_nobody_without_a_certificate_gets_as_far_as_a_request(town: Town) -> None:
    """A client that shows none is ended in the handshake."""
    bare = httpx.Client(verify=False, trust_env=False)  # noqa: S501 - the server's check is at test
    with pytest.raises(httpx.HTTPError, match=r"(?i)certificate required|alert"):
        bare.post(f"{town.url}/peer/v1/echo", content=b"{}")


def test_a_certificate_that_is_not_pinned_is_refused_in_words(town: Town) -> None:
    """Another certificate of the same member, made by a thief of its name, is let in nowhere."""
    town.caller.certify()
    assert town.refused().code == "PEER_REFUSES_US"


def test_an_expired_certificate_is_refused_on_either_side(town: Town) -> None:
    """The caller says so of the server's, and understands the server's refusal of its own."""
    old = town.caller.certify(now_s=NOW_S - 400 * DAY_S)
    pin(town.server.home, Peer(2, "", (old,)))
    deadline = time.monotonic() + 30
    while "expired" not in town.refused().message:
        assert time.monotonic() < deadline
    error = town.refused()
    assert error.code == "PEER_REFUSES_US"
    pin(town.caller.home, Peer(1, town.url, (town.server.certify(now_s=NOW_S - 400 * DAY_S),)))
    error = town.refused()
    assert error.code == "PEER_CERTIFICATE_EXPIRED"


def test_another_node_at_the_address_gets_nothing(town: Town) -> None:
    """Whoever listens there without the member's key is found before a byte of the call is sent."""
    pin(
        town.caller.home,
        Peer(1, town.url, (Member(1, town.server.home / "x", town.server.signer).certify(),)),
    )
    error = town.refused()
    assert error.code == "PEER_CERTIFICATE_WRONG"
    assert "nothing was sent" in error.help


def test_a_certificate_falls_with_the_key_that_signed_for_it(town: Town) -> None:
    """Once the registry ends the key, the certificate counts on neither side."""
    town.keys[2].clear()
    error = town.refused()
    assert error.code == "PEER_CERTIFICATE_UNSIGNED"
    assert isinstance(error, PeerRefusal)
    town.keys[1].clear()
    assert not isinstance(town.refused(), PeerRefusal)


def test_a_pin_taken_back_ends_connections_that_stand(town: Town) -> None:
    """A kept-alive connection is asked for its pin at each call."""
    client = town.client()
    client.call(1, "/peer/v1/echo", b"{}")
    unpin(town.server.home, 2)
    with pytest.raises(PeerRefusal) as caught:
        client.call(1, "/peer/v1/echo", b"{}")
    assert caught.value.code == "PEER_CERTIFICATE_WRONG"
    client.close()


def test_a_member_pinned_later_is_let_in_without_a_restart(town: Town) -> None:
    """A renewed certificate serves within a second of its pinning."""
    old = read_peers(town.server.home)[2].certificates
    new = town.caller.certify()
    pin(town.server.home, Peer(2, "", (*old, new)))
    deadline = time.monotonic() + 30
    client = town.client()
    answer = b""
    while not answer and time.monotonic() < deadline:
        with contextlib.suppress(ProtocolError):  # until the server has looked again
            answer = client.call(1, "/peer/v1/echo", b"{}")
    assert answer
    client.close()


def test_nobody_is_called_without_a_pin_or_an_address(town: Town) -> None:
    """Each has its own words, and so has a node that does not answer."""
    client = town.client()
    with pytest.raises(UsageError) as caught:
        client.call(9, "/peer/v1/echo", b"{}")
    assert caught.value.code == "PEER_UNKNOWN"
    pinned = read_peers(town.caller.home)[1]
    pin(town.caller.home, Peer(1, "", pinned.certificates))
    with pytest.raises(UsageError) as caught:
        client.call(1, "/peer/v1/echo", b"{}")
    assert caught.value.code == "PEER_NO_ADDRESS"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pin(town.caller.home, Peer(1, f"https://127.0.0.1:{port}", pinned.certificates))
    with pytest.raises(OutsideError) as outside:
        client.call(1, "/peer/v1/echo", b"{}")
    assert outside.value.code == "PEER_UNREACHABLE"
    client.close()


@pytest.mark.parametrize(
    ("head", "parts", "code"),
    [
        (b"", [b" "] * 400, "PEER_UNREACHABLE"),
        (b"", [b" " * 10_000] * 6, "PEER_ANSWER"),
        (b"content-encoding: gzip\r\n", [gzip.compress(b" " * 5_000_000)], ""),
    ],
    ids=["trickle", "flood", "bomb"],
)
def test_an_answer_that_never_ends_or_never_fits_is_given_up(
    town: Town,
    monkeypatch: pytest.MonkeyPatch,
    head: bytes,
    parts: list[bytes],
    code: str,
) -> None:
    """A pinned node that trickles, floods or packs its answer costs a caller bounded time and room.

    What is packed stays packed: it is no answer that anybody reads.
    """
    monkeypatch.setattr(peer_client, "MAX_ANSWER_BYTES", 40_000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=_answer, args=(town, listener, head, parts))
        serving.start()
        port = listener.getsockname()[1]
        pinned = read_peers(town.caller.home)[1].certificates
        pin(town.caller.home, Peer(1, f"https://127.0.0.1:{port}", pinned))
        client = town.client()
        if code:
            with pytest.raises(OutsideError) as caught:
                client.call(1, "/peer/v1/echo", b"{}", timeout_s=0.3)
            assert caught.value.code == code
        else:
            assert client.call(1, "/peer/v1/echo", b"{}") == parts[0]
        client.close()
        serving.join(30)


def _answer(town: Town, listener: socket.socket, head: bytes, parts: list[bytes]) -> None:
    """Take one call as member 1's node and answer it piece by piece, until the caller hangs up."""
    context = server_context(town.server.own, read_peers(town.server.home)[2].certificates)
    context.sslobject_class = ssl.SSLObject
    raw, _ = listener.accept()
    with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
        asked = b""
        while not asked.endswith(b"\r\n\r\n{}"):
            asked += connection.recv(65_536)
        length = sum(map(len, parts))
        connection.sendall(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n" % (head, length))
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02)


def _plain_certificate(
    key: ec.EllipticCurvePrivateKey, statement: bytes | None
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kanhe member 1")])
    now = dt.datetime.fromtimestamp(NOW_S, dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
    )
    if statement is not None:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(STATEMENT_OID, statement), critical=False
        )
    return builder.sign(key, SHA256())


def test_a_statement_counts_for_its_key_and_network_alone() -> None:
    """A statement copied into another certificate, or from another network, is foreign."""
    signer, key = LocalSigner.generate(), ec.generate_private_key(ec.SECP256R1())
    made = make_certificate(key, member=1, network=NETWORK, signer=signer, now_s=NOW_S)
    assert read_statement(made, NETWORK).signer == signer.address
    extension = made.extensions.get_extension_for_oid(STATEMENT_OID).value
    assert isinstance(extension, x509.UnrecognizedExtension)
    stolen = _plain_certificate(ec.generate_private_key(ec.SECP256R1()), extension.value)
    bare = _plain_certificate(key, None)
    noise = _plain_certificate(key, b"{}")
    for certificate, network, code in [
        (stolen, NETWORK, "PEER_CERTIFICATE_FOREIGN"),
        (made, Network(1, NETWORK.registry), "PEER_CERTIFICATE_FOREIGN"),
        (made, Network(1337, b"\x12" * 20), "PEER_CERTIFICATE_FOREIGN"),
        (bare, NETWORK, "PEER_CERTIFICATE_MALFORMED"),
        (noise, NETWORK, "PEER_CERTIFICATE_MALFORMED"),
    ]:
        with pytest.raises(ProtocolError) as caught:
            read_statement(certificate, network)
        assert caught.value.code == code


def test_a_member_cannot_speak_as_another() -> None:
    """A statement naming member 1 and signed by member 2's key counts for nobody."""
    first, second = LocalSigner.generate(), LocalSigner.generate()
    keys = {1: first.address, 2: second.address}
    key = ec.generate_private_key(ec.SECP256R1())
    made = make_certificate(key, member=1, network=NETWORK, signer=second, now_s=NOW_S)
    with pytest.raises(ProtocolError) as caught:
        require_member(made, NETWORK, lambda number, who: keys.get(number) == who, NOW_S)
    assert caught.value.code == "PEER_CERTIFICATE_UNSIGNED"


def test_older_tls_is_not_spoken(town: Town) -> None:
    """A peer that offers TLS 1.2 at most is not answered."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    own = town.caller.own
    context.load_cert_chain(own.certificate_file, own.key_file, own.passphrase)
    client = httpx.Client(verify=context, trust_env=False)
    with pytest.raises(httpx.HTTPError):
        client.post(f"{town.url}/peer/v1/echo", content=b"{}")
