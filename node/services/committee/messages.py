"""A dealer's share on its way to one receiver, as JSON over mutual TLS."""

from __future__ import annotations

import msgspec

from node.crypto.oprf import group
from node.crypto.oprf.board import PrivateShare
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where


class ShareMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A dealer's share on its way to one receiver; bytes are hexadecimal."""

    run: str
    dealer: int
    receiver: int
    share: str
    mask: str


def message_of(share: PrivateShare) -> ShareMessage:
    """Return the message that carries a share."""
    return ShareMessage(
        share.session.hex(), share.dealer, share.receiver, share.share.hex(), share.mask.hex()
    )


def read_message(body: bytes) -> PrivateShare:
    """Read a message; raises `ProtocolError` SHARE_MALFORMED."""
    try:
        found = msgspec.json.decode(body, type=ShareMessage)
        return PrivateShare(
            as_hex(found.run, "run", 32),
            found.dealer,
            found.receiver,
            group.scalar(as_hex(found.share, "share", 32), "share"),
            group.scalar(as_hex(found.mask, "mask", 32), "mask"),
        )
    except (msgspec.DecodeError, KanheError):
        raise refuse("SHARE_MALFORMED", "the message is no share of a run") from None


def refuse(code: str, says: str) -> ProtocolError:
    """Return a refusal of what another node sent."""
    return ProtocolError(code, says, where=Where(field="share"), help="nothing was kept")
