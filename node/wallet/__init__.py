"""A person's wallet: one file of hers, what she signs with it, and what she makes of an answer.

keeping.py  the file, keys towards members, consents, requests
reading.py  a member's answer, verified part by part

Nothing here knows a node, a database or a network.
"""

from __future__ import annotations

from node.wallet.keeping import Consented, Wallet
from node.wallet.reading import ReadBack, read_back

__all__ = ["Consented", "ReadBack", "Wallet", "read_back"]
