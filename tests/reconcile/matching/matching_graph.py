"""Connected components, the slow way."""

from __future__ import annotations


def components(edges: set[tuple[str, str]]) -> list[tuple[set[str], set[str]]]:
    """Return the connected components of a two-sided graph."""
    left = [({a}, {b}) for a, b in edges]
    found: list[tuple[set[str], set[str]]] = []
    while left:
        s, o = left.pop()
        grown = True
        while grown:
            grown = False
            for other in list(left):
                if other[0] & s or other[1] & o:
                    left.remove(other)
                    s, o = s | other[0], o | other[1]
                    grown = True
        found.append((s, o))
    return found
