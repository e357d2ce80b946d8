"""Breaks: every entry that no group holds, under the first kind that holds (matching.md, "Breaks").

differences.py  what differs between two entries that belong together
onesided.py     what an entry without counterpart is, and what is known of it
keys.py         stable keys and merged ones (rule 5)
bare.py         identities that fail: BALANCE and STATEMENT_GAP
"""

from reconcile.breaks.classify import classify

__all__ = ["classify"]
