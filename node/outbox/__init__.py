"""The door out: intents are written with their business rows; the relay alone sends.

intents.py    append an intent inside the caller's SQL transaction
glance.py     what waits, in one look
lanes.py      nonce lanes: one per key, checked against the chain, in-flight limits
signing.py    from an intent to signed bytes, persisted before anything is sent
tracking.py   what became of transactions: mined, final, reverted, vanished, replaced
settling.py   own batches on the ledger → payloads and records posted, or withdrawn
adoption.py   own transactions that this database did not know
relay.py      one step of all that, in order
"""

from node.outbox.adoption import GENERATION, catches_up, confirm_adoption, note_restored
from node.outbox.intents import append_intent, release
from node.outbox.relay import Relay, RelayStep

__all__ = [
    "GENERATION",
    "Relay",
    "RelayStep",
    "append_intent",
    "catches_up",
    "confirm_adoption",
    "note_restored",
    "release",
]
