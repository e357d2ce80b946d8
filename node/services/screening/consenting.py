"""What a request for evidence does with the consent that it rests on."""

from __future__ import annotations

from sqlalchemy.orm import Session

from node.crypto.eip712 import Domain
from node.screening.consents import Scope, Use, consent_key
from node.screening.custody_messages import CustodyRequest
from node.screening.identifiers import Identifier
from node.screening.releases import DetailRequest
from node.tables import RecordedConsent
from reconcile.model import ProtocolError, Where


def evidence_use(
    session: Session,
    domain: Domain,
    request: DetailRequest | CustodyRequest,
    *,
    at_s: int,
    who: Identifier | None,
) -> Use:
    """Return the use, for `check_consent`, or without `who` for `check_blind_consent`.

    `domain` is that of `Lookups`, where consents are recorded; `at_s` when it is asked for. Raises
    `ProtocolError` CONSENT_UNRECORDED.
    """
    consent = request.consent.consent
    row = session.get(RecordedConsent, consent_key(request.reader, consent.digest(domain)))
    if row is None:
        raise ProtocolError(
            "CONSENT_UNRECORDED",
            "the consent does not stand on the ledger under its reader",
            where=Where(field="consent"),
            help="record it first: `kanhe blacklist consent`",
        )
    return Use(
        request.reader,
        consent.purpose,
        Scope.EVIDENCE,
        at_s,
        who,
        request.element,
        revoked=row.revoked_at_s is not None,
    )
