"""Shamir's sharing over the group's scalars: polynomials, commitments, Lagrange coefficients.

A secret is f(0) of a polynomial of degree t − 1, a share is f(index), index from 1. The secret's
arithmetic is libsodium's; indices are public, so coefficients are plain integers.
"""

from __future__ import annotations

import functools
import math
import secrets
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from node.crypto.oprf import group
from node.crypto.oprf.group import Element, Randomness, Scalar
from reconcile.model import ProtocolError, Where

#: Committees are a handful; the bound keeps one message's work bounded.
MAX_NODES: Final = 64
Polynomial = tuple[Scalar, ...]


def require_shape(threshold: int, nodes: int) -> None:
    """Refuse a committee unless 1 ≤ t ≤ n ≤ `MAX_NODES` and 2t > n: OPRF_COMMITTEE_SHAPE.

    2t > n: two disjoint quorums cannot exist, so no two parts of a committee answer apart.
    """
    if not 1 <= threshold <= nodes <= MAX_NODES or 2 * threshold <= nodes:
        raise ProtocolError(
            "OPRF_COMMITTEE_SHAPE",
            f"{threshold} of {nodes} is no committee",
            where=Where(field="threshold"),
            help=f"Choose t of n with t <= n <= {MAX_NODES} and 2t > n, such as 2 of 3 or 3 of 5.",
        )


def random_polynomial(
    degree: int, *, constant: Scalar | None = None, randomness: Randomness = secrets.token_bytes
) -> Polynomial:
    """Return degree + 1 random coefficients, the constant first; it may be given."""
    first = group.random_scalar(randomness) if constant is None else constant
    return (first, *(group.random_scalar(randomness) for _ in range(degree)))


def share_of(polynomial: Polynomial, index: int) -> Scalar:
    """Return f(index), by Horner."""
    assert 1 <= index <= MAX_NODES, "shares are numbered from 1; f(0) is the secret"
    x = group.public_scalar(index)
    total = polynomial[-1]
    for coefficient in reversed(polynomial[:-1]):
        total = group.add(group.multiply(total, x), coefficient)
    return total


def commit(polynomial: Polynomial) -> tuple[Element, ...]:
    """Return Feldman's commitments, coefficient · G."""
    return tuple(group.scale_base(coefficient) for coefficient in polynomial)


def committed_share(commitments: Sequence[Element], index: int) -> Element:
    """Return f(index) · G from the commitments, by Horner in the exponent."""
    x = group.public_scalar(index)
    total = commitments[-1]
    for commitment in reversed(commitments[:-1]):
        total = group.plus(group.scale(x, total), commitment)
    return total


@functools.lru_cache(maxsize=1024)
def lagrange(indices: tuple[int, ...], at: int = 0) -> tuple[Scalar, ...]:
    """Return the coefficients that carry shares at `indices` to f(at); indices are distinct."""
    assert len(set(indices)) == len(indices) > 0, "indices are distinct"
    out = []
    for own in indices:
        above, below = 1, 1
        for other in indices:
            if other != own:
                above = above * (at - other) % group.ORDER
                below = below * (own - other) % group.ORDER
        out.append(group.public_scalar(above * pow(below, -1, group.ORDER)))
    return tuple(out)


@functools.lru_cache(maxsize=1024)
def whole_lagrange(indices: tuple[int, ...]) -> tuple[tuple[int, ...], Scalar]:
    """Return integers and one scalar whose products are the coefficients for f(0).

    Node numbers are small, so these integers mostly are (2 and −1 for the nodes 1 and 2), and a few
    additions are cheaper than a multiplication.
    """
    fractions = []
    for own in indices:
        value = Fraction(1)
        for other in indices:
            if other != own:
                value *= Fraction(other, other - own)
        fractions.append(value)
    common = math.lcm(*(value.denominator for value in fractions))
    whole = tuple(int(value * common) for value in fractions)
    return whole, group.public_scalar(pow(common, -1, group.ORDER))


def recover(shares: Mapping[int, Scalar]) -> Scalar:
    """Return f(0) from exactly enough shares."""
    indices = tuple(sorted(shares))
    total = group.ZERO
    for weight, index in zip(lagrange(indices), indices, strict=True):
        total = group.add(total, group.multiply(weight, shares[index]))
    return total
