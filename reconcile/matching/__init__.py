"""Matching: two books and a rule set in, groups, proposals and near misses out.

run_input.py   the values that come in and go out
opening.py     what is open: highest versions, amendments and repeats listed
decisions.py   verdicts that both sides posted, applied before all passes
booking.py     entries that book an open residual or write-off
core.py        the passes over what is left
  first.py       what whole columns settle by one aggregate
  table.py       one Arrow table of both sides, text normalised once (normalise.py)
  store.py       the tables in DuckDB
  engine.py      the order of passes, steps and rounds (rule 1)
  exact.py       rule 2: equal keys and amounts (walk.py)
  candidates.py  rule 3: sole candidates and components, counted, never listed (source.py)
  grouping.py    1:N and N:1 by signed sums
  residue.py     N:M over what is left (subset.py: the search itself)
  proposals.py   what nobody confirmed
  near.py        rule 8
groups.py      what they confirm, as columns (formed.py makes them)
standing.py    open entries kept between batches: a batch costs what it touches
  blocks.py      which entries share a block
  proposed.py    the proposals that stand
keys.py        the hashes that name groups, proposals, decisions and breaks
"""

from reconcile.matching.run import match
from reconcile.matching.run_input import Matched, RunInput

__all__ = ["Matched", "RunInput", "match"]
