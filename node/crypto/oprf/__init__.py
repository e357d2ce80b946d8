"""The oblivious PRF: nobody who evaluates it learns the input, nobody who asks learns the key.

group.py       ristretto255 elements and scalars by libsodium, hash to group (RFC 9380, RFC 9497)
dleq.py        batched proofs that two elements hold the same key (RFC 9497, 2.2)
modes.py       the three modes OPRF, VOPRF and POPRF (RFC 9497, 3.3)
shamir.py      polynomials, commitments to them, Lagrange coefficients
threshold.py   a committee's shares: evaluate with a proof, combine t of n, name a wrong share
board.py       what key generation and re-sharing have in common: deals, complaints, answers
generation.py  distributed key generation (Gennaro, Jarecki, Krawczyk, Rabin)
resharing.py   the same key for another committee
epochs.py      the sequence of keys
plan.py        what a run is about, and when its phases end
words.py       a run's words on the ledger
faults.py      which dealers of a run failed, and at what

Everything here is a pure function of bytes: no clock, no network, no database; randomness is an
argument.

Time. Secrets (key shares, blinds, polynomials, nonces of proofs) are touched by libsodium alone,
whose scalar and group operations take the same time for every value; no secret becomes a Python
integer, decides a branch, or is compared with `==`. What is public (challenges, indices, Lagrange
coefficients, commitments) may be. Two things are not hidden: how long an input is, and whether an
element was refused, which its sender knows. Python cannot wipe memory: a share lives as long as
the process, and production keys belong behind hardware.
"""
