"""What a listing rests on, in words: `blacklist trace`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from node.cli.output import say

SHOWN: Final = 16
_NOT_STANDING: Final[Mapping[str, str]] = {
    "WAITING": "its record waits for the ledger",
    "UNRECORDED": "named by the statement alone, not recorded on the ledger: it cannot be revoked",
    "UNREAD": "what it rests on is not known here: its statement was not read, or was destroyed",
}


def say_consent(consent: Mapping[str, Any], entry: str) -> None:
    """Say what an entry rests on, on the ledger and in whose word; `entry` is the one shown."""
    whose = "" if consent["entry"] == entry else f" of the corrected {consent['entry'][:SHOWN]}…"
    name = f" {consent['consent']}" if consent["consent"] else ""
    say(f"  consent{whose}{name}: {consent_words(consent)}")
    if consent["document"]:
        say(f"    of a document with sha256 {consent['document']}")
    if consent["tx"]:
        say(f"    tx {consent['tx']}")
    if consent["revoked_tx"]:
        say(f"    revoked in tx {consent['revoked_tx']}")


def consent_words(consent: Mapping[str, Any]) -> str:
    """Return what became of a listing's consent."""
    if consent["state"] in _NOT_STANDING:
        return _NOT_STANDING[consent["state"]]
    level = f"level {consent['level']}"
    if not consent["verified"]:
        level = f"recorded as {level} by member {consent['recorder']}, not verified here"
    words = f"{level}, recorded {consent['recorded_at']}, valid to {consent['valid_to']}"
    return f"{words}, REVOKED {consent['revoked_at']}" if consent["revoked_at"] else words
