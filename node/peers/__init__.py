"""Nodes that speak to each other directly: mutual TLS, each certificate bound to a member.

certificates.py  a self-signed certificate whose key a member's registry key signed for
own.py           this node's TLS key and certificate, in its key store
directory.py     which members' certificates are pinned here, and where their nodes listen
contexts.py      TLS 1.3 contexts that demand the peer's certificate
client.py        calls to another node, its refusals and failures in words

What travels this way: shares of key generation, evaluations, sealed records, buckets. What binds
anybody stands on the ledger.
"""
