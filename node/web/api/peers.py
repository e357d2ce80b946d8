"""REST: members' nodes that this one lets in and calls, and its own TLS certificate."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.peers.certificates import certificate_facts, read_pem, write_pem
from node.web.api.calls import By, Key
from node.web.numbers import Number

router = APIRouter(prefix="/peers", tags=["peers"])
MAX_PEM = 65_536


class CertificateFacts(BaseModel):
    """By what a certificate is told: SHA-256 of it, and until when it counts."""

    fingerprint: str
    ends: str = Field(examples=["2027-11-20 08:00 UTC"])


class PeerOut(BaseModel):
    """A member's node; an empty address: it only calls."""

    member: str
    url: str
    certificates: list[CertificateFacts]


class OwnOut(CertificateFacts):
    """This node's certificate in PEM, for others to pin; it holds no secret."""

    certificate: str


class RenewIn(BaseModel):
    """Whether a new key takes the place of the present one."""

    renew: bool = False


class PinIn(BaseModel):
    """A member's certificate in PEM, its node's address, and whether older ones stay pinned."""

    certificate: str = Field(max_length=MAX_PEM)
    url: str = Field(default="", max_length=300, examples=["https://10.0.0.3:8444"])
    keep_old: bool = False


class PingOut(BaseModel):
    """Who answered, and whom it takes us for."""

    member: str
    takes_us_for: str


@router.get("")
def peers(by: By) -> list[PeerOut]:
    """The nodes that are pinned."""
    by.who.require("view")
    return [
        PeerOut(
            member=str(member),
            url=peer.url,
            certificates=[CertificateFacts(**certificate_facts(c)) for c in peer.certificates],
        )
        for member, peer in sorted(by.node.peers.book.peers().items())
    ]


@router.get("/own")
def own(by: By) -> OwnOut:
    """This node's certificate, to be given to the members that it speaks to."""
    by.who.require("view")
    found = by.node.peers.own.certificate()
    return OwnOut(certificate=write_pem(found), **certificate_facts(found))


@router.post("/own", response_model=OwnOut)
def certify(by: By, wish: RenewIn, key: Key = None) -> JSONResponse:
    """Make this node's TLS key and certificate; a running node serves a new one once restarted."""
    by.who.require("operate")

    def act() -> dict[str, Any]:
        made = by.node.peers.certify(renew=wish.renew, actor=by.who.login)
        return {"certificate": write_pem(made), **certificate_facts(made)}

    return by.once("peer-certify", key, wish.model_dump_json().encode(), act, status=200)


@router.post("", response_model=PeerOut)
def pin(by: By, wish: PinIn, key: Key = None) -> JSONResponse:
    """Let a member's node in; its certificate must be signed for by a registry key of it."""
    by.who.require("operate")
    (certificate, *_) = read_pem(wish.certificate.encode("ascii", "replace"))

    def act() -> dict[str, Any]:
        peer = by.node.peers.pin(
            certificate, url=wish.url, keep_old=wish.keep_old, actor=by.who.login
        )
        return {
            "member": str(peer.member),
            "url": peer.url,
            "certificates": [certificate_facts(item) for item in peer.certificates],
        }

    return by.once("peer-pin", key, wish.model_dump_json().encode(), act, status=200)


@router.post("/{member}/unpin")
def unpin(by: By, member: Number, key: Key = None) -> JSONResponse:
    """Let a member's node in no longer; connections that stand end at their next call."""
    by.who.require("operate")

    def act() -> dict[str, Any]:
        by.node.peers.unpin(member, actor=by.who.login)
        return {"member": str(member)}

    return by.once("peer-unpin", key, str(member).encode(), act, status=200)


@router.post("/{member}/ping")
def ping(by: By, member: Number) -> PingOut:
    """Ask a member's node who it takes us for."""
    by.who.require("operate")
    return PingOut(member=str(member), takes_us_for=str(by.node.peers.ping(member)))
