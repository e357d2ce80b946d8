"""Keys and what they do: sealing, wrapping, signing, and the files that hold them.

frame.py      the padded, compressed frame inside a payload
sealing.py    batch ↔ payload
judging.py    payload → verdict: open, then judge, in one fixed order
keys.py       epoch keys, sealing keys, HPKE wraps
keystore.py   keystore v3 files under a passphrase, backups, the vault for small secrets
signer.py     the Signer protocol and its local implementation
eip712.py     typed digests exactly as the contracts compute them, and recovery
bundle.py     report bundle and record proof, verified without node or network
oprf/         the blacklist's oblivious PRF: RFC 9497, threshold shares, key generation
"""
