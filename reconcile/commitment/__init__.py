"""Commitments: record bytes, salted leaves, the RFC 6962 tree, headers, heads and proofs.

    records.py    record ↔ canonical bytes; the bytes are the truth
    header.py     leaf 0 of a batch, and the plaintext that is sealed
    tree.py       RFC 6962: root, inclusion path, verification
    heads.py      the hash chain of a side's stream
    validity.py   whether a batch counts: a pure function of what both sides know
    proofs.py     a record's proof up to the closing head that a signed report names

Everything is SHA-256 over fixed widths, big-endian (ledger.md, "Bytes"). Nothing here encrypts:
`node.crypto` seals what this package commits to.
"""
