"""What one member sends again and again leaves few rows at the nodes of others."""

from __future__ import annotations

import pytest
from committee_town import OUTSIDER, Town
from sqlalchemy import select

from node.crypto.oprf import group
from node.crypto.signer import recover_address
from node.screening.consents import evaluation_digest
from node.screening.evaluations import Asked, read_answer, write_request
from node.screening.states import DAY_S
from node.tables import Incident

NODE, ITEMS = 1, 200


@pytest.fixture
def entry(indexed: Town) -> bytes:
    """An entry of the outsider's, whose element is known to the nodes that were asked."""
    indexed.pass_s(DAY_S)
    return indexed.list(OUTSIDER, 81)


def test_many_elements_for_one_entry_are_one_incident(indexed: Town, entry: bytes) -> None:
    """Two signatures prove the double use; a third element proves no more, and adds no row."""
    uploader = indexed.node(OUTSIDER)
    domain = uploader.identity.place.lookups_domain

    def signed(element: bytes) -> Asked:
        digest = evaluation_digest(domain, ticket=0, blinded=element, consent=entry, key_epoch=1)
        return Asked(element, uploader.keys.approver.sign_digest(digest), entry=entry)

    items = [signed(group.scale_base(group.random_scalar())) for _ in range(ITEMS)]
    for _ in range(2):
        body = indexed.node(NODE).parts.answering.answer(OUTSIDER, write_request(1, items))
        codes = {one.code for one in read_answer(body).refused}
        assert codes == {"TICKET_OTHER_ELEMENT"}
    with indexed.node(NODE).sessions() as session:
        twice = select(Incident).where(Incident.kind == "TICKET_TWICE")
        (incident,) = [row for row in session.scalars(twice) if entry.hex() in row.fingerprint]
    first, second = incident.evidence["uses"]
    assert first["blinded"] != second["blinded"]
    # Where this node was not among those that were asked, the first of them is the known one.
    signatures = [item.signature.hex() for item in items]
    shown = items[int(first["signature"] == signatures[0])]
    assert second["signature"] == shown.signature.hex()
    for use in (first, second):
        assert len(bytes.fromhex(use["signature"])) == 65
    digest = evaluation_digest(domain, ticket=0, blinded=shown.blinded, consent=entry, key_epoch=1)
    signer = recover_address(digest, bytes.fromhex(second["signature"]))
    assert signer == uploader.keys.approver.address
