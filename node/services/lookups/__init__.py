"""A reader's lookups: consent, ticket, evaluation by the committee, bucket, receipt.

acts.py        consents signed, recorded and revoked; tickets bought
consenting.py  own lookups: whom they concern, with whose consent
buying.py      numbered tickets for points
auditing.py    evaluations opened to the regulator, and its audit of a day
forgetting.py  whom a lookup concerned, destroyed once no audit reaches it
service.py     looking up, consents, revocations
"""

from node.services.lookups.auditing import AuditingService, AuditReport
from node.services.lookups.consenting import Terms
from node.services.lookups.service import Found, LookupService, LookupView

__all__ = ["AuditReport", "AuditingService", "Found", "LookupService", "LookupView", "Terms"]
