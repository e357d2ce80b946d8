"""A person's wallet: one file of hers, what she signs with it, and what she makes of an answer.

keeping.py  the file, keys towards members, consents, requests
reading.py  a member's answer, verified part by part
facts.py    what an answer says of her: entries, lookups; an entry by its beginning

Nothing here knows a node, a database or a network.
"""

from __future__ import annotations

from node.wallet.facts import ConsentFact, EntryFact, LookupFact, entry_named
from node.wallet.keeping import Consented, Wallet
from node.wallet.reading import ReadBack, entries_in, read_back

__all__ = [
    "ConsentFact",
    "Consented",
    "EntryFact",
    "LookupFact",
    "ReadBack",
    "Wallet",
    "entries_in",
    "entry_named",
    "read_back",
]
