"""Who puts the root of a day's log on the ledger."""

from __future__ import annotations

from committee_town import OUTSIDER, Town
from sqlalchemy import select

from node.tables import KeyEpoch

NODE = 2


def test_who_left_the_committee_anchors_its_last_day(keyed: Town) -> None:
    """That day is over only when others sit there already; who never sat anchors nothing."""
    service = keyed.node(NODE).parts.answering
    with keyed.node(NODE).sessions() as session:
        epoch = session.scalars(select(KeyEpoch).order_by(KeyEpoch.key_epoch.desc())).first()
        assert epoch is not None
        mapped = {column.key: getattr(epoch, column.key) for column in KeyEpoch.__table__.columns}
        others = [member for member in epoch.members if member != NODE]
        session.add(KeyEpoch(**{**mapped, "sharing": epoch.sharing + 50, "members": others}))
        session.flush()
        assert service._may_anchor(session, NODE)
        assert not service._may_anchor(session, OUTSIDER)
        session.rollback()
