"""The blacklist's protocol as pure functions: what is listed, consented, looked up and proven.

identifiers.py  a person's or firm's identifier in its one form
derivation.py   from the PRF's output to bucket, leaf and label key; a person's own keys
profiles.py     what each jurisdiction allows, as data
states.py       what time does to an entry and a dispute
listings.py     the statement that lists somebody: fields, checks, bytes, commitment
envelope.py     typed, signed envelopes (DSSE)
records.py      a listing sealed into a record of fixed size
messages.py     what signed messages share: network, payload in its one form
releases.py     a detail asked for, released by HPKE, and the receipt of it; what a reader attests
index.py        padded buckets, their tree, inclusion and absence
consents.py     who may look up what, and for how long
asking.py       what a person and a member ask of each other; attesting.py  the member's checks
consent_files.py  a signed consent, and its revocation, as files
listing_consents.py  what a listing rests on, by the name that the ledger has of it
roots.py        what a replica says of a version, under its signature
auditing.py     evaluations opened to the regulator
evaluations.py  what is asked of a committee node, answered and logged
receipts.py     what a lookup leaves behind
verifying.py    a receipt verified offline, by repeating the lookup
explaining.py   what `kanhe verify` says of a receipt, in words
evidence.py     one entry's evidence bundle, one signed file
history.py      the ledger's changes of one entry, folded
consent_history.py  what they tell of what the entry rests on
weighing.py     an evidence bundle verified offline, in words: cases.py, weighing_consents.py
deletions.py    a certificate of deletion, in words
file_kinds.py   what a file is, and which command reads it
settlements.py  from confirmed hits to the rows that are paid
points.py       accuracy, settlement and penalties in integers

Nothing here touches a database, a chain, a network or a clock: whoever calls gives the day and the
block. The oblivious PRF is `node.crypto.oprf`, the contract is `contracts/src/Blacklist.sol`.
"""
