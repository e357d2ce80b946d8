"""The files of admission: an invitation, and the answer that a key consents with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from node.services.network import KeyGrant

INVITATION: Final = "kanhe/invitation/1"
ANSWER: Final = "kanhe/answer/1"


def read_answer(path: Path, kind: str) -> dict[str, Any]:
    """Return a file's content; `InputError` FILE_MALFORMED for a file of another kind."""
    from reconcile.model import InputError, Where

    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict) or body.get("kanhe") != kind:
        raise InputError(
            "FILE_MALFORMED",
            f"the file is no {kind}",
            where=Where(file=str(path)),
            help="take the file that `kanhe invite` or `kanhe join` wrote",
        )
    return body


def write_answer(path: Path, body: dict[str, Any]) -> None:
    """Write one of the files, for people to read too."""
    path.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def field_of(body: dict[str, Any], name: str) -> str:
    """Return a text field; `InputError` ANSWER_OTHER_KIND where the answer is for another act."""
    from reconcile.model import InputError, Where

    if not isinstance(body.get(name), str):
        raise InputError(
            "ANSWER_OTHER_KIND",
            f"the answer has no {name}: it was made for another act",
            where=Where(field=name),
            help="a full member answers with `kanhe join --full`, a participant without it",
        )
    return str(body[name])


def grant_of(body: dict[str, Any]) -> KeyGrant:
    """Return the consent that an answer carries."""
    from node.services.network import KeyGrant

    return KeyGrant(
        body["address"],
        "ADMIN",
        int(body["valid_from"]),
        int(body["valid_to"]),
        bytes.fromhex(body["signature"]),
    )


def require_replaces(path: Path, body: dict[str, Any], member: int) -> None:
    """Refuse what the registry would only revert: consent that is not to this member's role."""
    from reconcile.model import InputError, Where

    if body.get("replaces") == str(member):
        return
    raise InputError(
        "ANSWER_NOT_FOR_MEMBER",
        f"the new key did not consent to be the admin of member {member}",
        where=Where(file=str(path), field="replaces"),
        help=f"let that institution answer with `kanhe join --replaces {member}`",
    )
