"""A replica of the index: records on disk, versions built in bounded memory, buckets with proofs.

rows.py      a row: where it belongs, the record, whose entry it is and when it came
segments.py  batches of rows as they come, durable before they are acknowledged
building.py  all rows of a key epoch merged into a version
serving.py   a version that is served: buckets with their paths
store.py     the folder: which versions there are, which one is served

A replica knows neither T nor identifiers. It is told where an entry's record belongs; that it
serves all of them, and no other, is what the root on the ledger shows.
"""

from __future__ import annotations

from node.replica.building import Built, Cut
from node.replica.rows import Removal, Sent
from node.replica.serving import Version
from node.replica.store import Replica

__all__ = ["Built", "Cut", "Removal", "Replica", "Sent", "Version"]
