"""A node's own TLS key, its pins and the addresses in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from peer_town import Member

from node.peers.certificates import read_pem, write_pem
from node.peers.directory import PEERS_FILE, Peer, pin, read_peers, require_url, unpin
from node.peers.own import OwnCertificate
from reconcile.model import KanheError, UsageError


def test_the_key_lies_encrypted_beside_its_certificate(tmp_path: Path) -> None:
    """The file opens with the passphrase alone, and a pair that does not fit is refused."""
    member = Member(1, tmp_path)
    with pytest.raises(UsageError) as missing:
        member.own.certificate()
    assert missing.value.code == "TLS_NOT_SET"
    first = member.certify()
    assert b"ENCRYPTED" in member.own.key_file.read_bytes()
    assert member.own.key_file.stat().st_mode & 0o077 == 0
    member.own.require_pair()
    wrong = OwnCertificate(tmp_path / "keystore", "another phrase")
    with pytest.raises(KanheError) as caught:
        wrong.require_pair()
    assert caught.value.code == "TLS_KEY_MALFORMED"
    member.certify()
    member.own.certificate_file.write_text(write_pem(first))
    with pytest.raises(KanheError) as caught:
        member.own.require_pair()
    assert caught.value.code == "TLS_KEY_MALFORMED"


def test_pins_are_read_back_and_bad_ones_refused(tmp_path: Path) -> None:
    """What is pinned is read back; a file that somebody broke says where."""
    made = Member(3, tmp_path / "three").certify()
    pin(tmp_path, Peer(3, "https://10.0.0.3:8444", (made,)))
    assert read_peers(tmp_path) == {3: Peer(3, "https://10.0.0.3:8444", (made,))}
    assert read_pem(write_pem(made).encode()) == (made,)
    good = (tmp_path / PEERS_FILE).read_text()
    for text in [
        "peer = 3",
        good + good,
        good.replace("member = 3", "member = 0"),
        good.replace("https", "http"),
        good.replace("BEGIN", "BEGUN"),
        good + "\nextra",
        good.replace("[[peer]]", '[[peer]]\nname = "x"'),
    ]:
        (tmp_path / PEERS_FILE).write_text(text)
        with pytest.raises(UsageError) as caught:
            read_peers(tmp_path)
        assert caught.value.code == "PEERS_MALFORMED"
    with pytest.raises(UsageError):
        unpin(tmp_path / "nowhere", 3)


@pytest.mark.parametrize(
    "url", ["http://a:1", "https://a", "https://a:1/path", "https://a:x", "https://u@a:1", ""]
)
def test_an_address_without_tls_or_port_is_refused(url: str) -> None:
    """Only https://host:port is an address of a node."""
    with pytest.raises(UsageError) as caught:
        require_url(url)
    assert caught.value.code == "PEER_URL_WRONG"
