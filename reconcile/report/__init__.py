"""The report: totals, identities, canonical JSON, digest, and how to verify it.

totals.py       turnover, balances and the proof amount
settlement.py   the clearing table
chains.py       vouchers from branch to branch, and what is in transit
document.py     the digested JSON
carry.py        what the next run starts from, as JSON and back
groups.py       the groups beside the report and the root that pins them
compare.py      what another rule set would do to the same books
missing.py      which statement to ask for where an identity fails
run.py          from two books to a result
  proof.py        totals and identities, and the breaks of those that fail
ongoing.py      a provisional run that goes on: what is new, and what that touches
  figures.py      a run in figures, and what moved between two
  referring.py    what entries refer to beyond their blocks
  tallies.py      sums that one entry or break more or less changes
verify.py       re-deriving a report without node or network
adjustment.py   余额调节表, the bank reconciliation statement of a report
bookings.py     the vouchers that would settle what it leaves open
"""

from reconcile.canonical import canonical_json, digest_of
from reconcile.report.adjustment import (
    AdjustmentItem,
    AdjustmentSection,
    AdjustmentSheet,
    SectionName,
    adjustment_of_bundle,
    adjustment_sheets,
    open_subjects,
)
from reconcile.report.bookings import SuggestedBooking, suggested_bookings
from reconcile.report.carry import Carry, carry_of, entry_from_json, entry_json
from reconcile.report.chains import (
    BranchBook,
    Chain,
    ChainState,
    TransitLine,
    chains_of,
    roll_up,
    voucher_of,
)
from reconcile.report.compare import Comparison, Repaired, compare
from reconcile.report.document import break_json, proposal_json, totals_json
from reconcile.report.figures import Figures, Moved, figures_of
from reconcile.report.groups import group_from_json, group_json, groups_root
from reconcile.report.missing import MissingStatement, gap_words, missing_statements
from reconcile.report.ongoing import Ongoing, may_go_on
from reconcile.report.run import Result, match_json, reconcile
from reconcile.report.verify import (
    NOT_PROVED,
    Check,
    report_digest,
    section_digests,
    verify_report,
)

__all__ = [
    "NOT_PROVED",
    "AdjustmentItem",
    "AdjustmentSection",
    "AdjustmentSheet",
    "BranchBook",
    "Carry",
    "Chain",
    "ChainState",
    "Check",
    "Comparison",
    "Figures",
    "MissingStatement",
    "Moved",
    "Ongoing",
    "Repaired",
    "Result",
    "SectionName",
    "SuggestedBooking",
    "TransitLine",
    "adjustment_of_bundle",
    "adjustment_sheets",
    "break_json",
    "canonical_json",
    "carry_of",
    "chains_of",
    "compare",
    "digest_of",
    "entry_from_json",
    "entry_json",
    "figures_of",
    "gap_words",
    "group_from_json",
    "group_json",
    "groups_root",
    "match_json",
    "may_go_on",
    "missing_statements",
    "open_subjects",
    "proposal_json",
    "reconcile",
    "report_digest",
    "roll_up",
    "section_digests",
    "suggested_bookings",
    "totals_json",
    "verify_report",
    "voucher_of",
]
