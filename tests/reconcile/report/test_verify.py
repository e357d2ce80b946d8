from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from report_books import (
    PAIR,
    one_sided,
    run_of,
    worked_example,
)

from reconcile.report import (
    digest_of,
    reconcile,
    report_digest,
    section_digests,
    verify_report,
)


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Return the path of every leaf of a JSON value."""
    if isinstance(value, dict):
        return [p for name, item in value.items() for p in leaves_of(item, (*path, name))]
    if isinstance(value, list):
        return [p for place, item in enumerate(value) for p in leaves_of(item, (*path, place))]
    return [path]


def changed(value: Any) -> Any:  # noqa: ANN401 - a JSON leaf
    """Return another leaf of the same kind."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return "x"
    return str(int(value) + 1) if value.lstrip("-").isdigit() else value + "0"


def test_any_changed_leaf_is_found() -> None:
    """Changing any single value of a report fails its verification against the signed digest."""
    result = worked_example()
    for path in leaves_of(result.report):
        report = copy.deepcopy(result.report)
        place: Any = report
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = changed(place[path[-1]])
        checks = verify_report(report, result.groups, result.proposals, digest=result.digest)
        assert not all(check.ok for check in checks), path


FORGED = [
    ("proof", lambda r: r["totals"][0].update(proof_minor="1")),
    ("flow", lambda r: r["totals"][0]["servicer"].update(in_minor="10701")),
    ("explained", lambda r: r["totals"][0].update(breaks_minor="-331")),
    ("explained", lambda r: r["residuals"].append(
        {"subject": "00", "currency": "CNY", "minor": "5"})),
    ("breaks", lambda r: r["breaks"][0]["signed"][0].update(minor="7")),
    ("breaks", lambda r: r["carried"]["servicer"].pop()),
    ("breaks", lambda r: r["carried"]["servicer"][0]["entry"].update(amount_minor="1")),
    ("keys", lambda r: r["breaks"][0].update(key="ab" * 32)),
    ("once", lambda r: r["breaks"][0]["servicer"].append("s1")),
    ("groups", lambda r: r.update(groups_root="00" * 32)),
    ("groups", lambda r: r.update(group_count="4")),
    ("verdict", lambda r: r.update(complete=False)),
    ("verdict", lambda r: r.update(balance_proven=False)),
    ("verdict", lambda r: r["identities"][0].update(holds=False)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "forge"), FORGED)
def test_a_forged_report_fails_its_own_check(name: str, forge: Any) -> None:  # noqa: ANN401
    """Even without the signed digest a forgery contradicts something in the report itself."""
    result = worked_example()
    report = copy.deepcopy(result.report)
    forge(report)
    checks = verify_report(report, result.groups, result.proposals)
    assert name in {check.name for check in checks if not check.ok}


def test_changed_groups_are_found() -> None:
    """A group left out, changed or moved does not hash to groups_root."""
    result = worked_example()
    for groups in (
        result.groups[1:],
        result.groups[::-1],
        (msgspec.structs.replace(result.groups[0], pass_name="tx"), *result.groups[1:]),
    ):
        checks = verify_report(result.report, groups, digest=result.digest)
        assert "groups" in {check.name for check in checks if not check.ok}


def test_section_digests_show_where_reports_differ() -> None:
    """Two reports differ exactly in the sections whose digests differ."""
    run = run_of(one_sided(0, 500, PAIR[0]), one_sided(0, 500, PAIR[1]))
    first, second = reconcile(run), reconcile(run, owner_head=b"\x07" * 32)
    mine, theirs = dict(section_digests(first.report)), dict(section_digests(second.report))
    assert {name for name in mine if mine[name] != theirs[name]} == {"heads"}
    assert report_digest(first.report) == first.digest == digest_of(first.report)
