"""The groups of a run and where each entry went in it, kept as blocks and not as a row each.

A run of a whole day names every entry; a row for each would cost more than matching them. A block
is one row of `GROUPS_A_BLOCK` groups in canonical order, or of `REFS_A_BLOCK` references in the
order of their bytes, so that a page, a number or a reference is found by one look into an index.

A provisional run goes on: blocks of groups change where groups do, and where entries went since
stands in parts, each of its own blocks, of which the newest that knows an entry counts
(`next_ref_part`).
"""

from node.runs.groups import (
    GROUPS_A_BLOCK,
    changed_group_blocks,
    group_blocks,
    groups_from,
    groups_numbered,
)
from node.runs.refs import (
    REFS_A_BLOCK,
    Went,
    last_went,
    next_ref_part,
    ref_blocks,
    went_beginning,
    where_went,
)

__all__ = [
    "GROUPS_A_BLOCK",
    "REFS_A_BLOCK",
    "Went",
    "changed_group_blocks",
    "group_blocks",
    "groups_from",
    "groups_numbered",
    "last_went",
    "next_ref_part",
    "ref_blocks",
    "went_beginning",
    "where_went",
]
