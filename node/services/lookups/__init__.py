"""A reader's lookups: consent, ticket, evaluation by the committee, bucket, receipt.

acts.py        consents signed, recorded and revoked; tickets bought
consenting.py  own lookups: whom they concern, with whose consent
buying.py      numbered tickets for points
opening.py     own evaluations opened to the regulator
auditing.py    the regulator's audit of a day
accusing.py    what was not opened: on the ledger, asked for again, closed or fined
defending.py   audits of own evaluations: shown, told, answered
forgetting.py  whom a lookup concerned, destroyed once no audit reaches it
service.py     looking up, consents, revocations
"""

from node.services.lookups.audit_views import AuditsView, AuditView
from node.services.lookups.auditing import AuditingService, AuditReport
from node.services.lookups.consenting import Terms
from node.services.lookups.service import Found, LookupService, LookupView

__all__ = [
    "AuditReport",
    "AuditView",
    "AuditingService",
    "AuditsView",
    "Found",
    "LookupService",
    "LookupView",
    "Terms",
]
