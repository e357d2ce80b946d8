"""A regulator whose own files do not read cannot weigh an opening: that accuses nobody."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from audit_court import Court
from committee_town import OUTSIDER

from node.lookup_parts import _authorities
from node.screening.states import AUDIT_S, DAY_S


def test_a_regulator_whose_own_authorities_do_not_read_fines_nobody(
    court: Court, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accused opens rightly from the first day on; once the file is right, it is closed."""
    (lost, _) = court.tickets
    rows = court.lose([lost])
    before = court.points()
    court.audit()
    assert court.state(lost) == "PENDING"
    (tmp_path / "a.pem").write_bytes(b"no certificate")
    service = court.town.node(OUTSIDER).parts.audits
    right = service._authorities
    broken = functools.partial(right.func, functools.partial(_authorities, tmp_path))
    monkeypatch.setattr(service, "_authorities", broken)
    court.bring_back(rows)
    court.pass_s(AUDIT_S + 60)
    court.pass_s(2 * DAY_S)
    assert (court.state(lost), court.points() - before) == ("DUE", 0)
    monkeypatch.undo()
    court.pass_s(DAY_S)
    assert court.points() - before >= 0
    assert court.state(lost) not in {"DUE", "FINED"}
