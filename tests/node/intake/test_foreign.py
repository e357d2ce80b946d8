from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from listed_people import number_of
from people_files import FOREIGN, STATED, provenance, run, write

from node.intake.kinds import Kind
from node.screening.identifiers import IdType
from node.screening.listings import Reason
from reconcile.model import InputError

EVENT = "5a0d5a0d-0000-4000-8000-000000000001"
ORG = {"name": "A bank's fraud desk", "uuid": "5a0d5a0d-0000-4000-8000-00000000000a"}


def attribute(relation: str, value: str, **changes: object) -> dict[str, object]:
    """Return an attribute of an object, as MISP exports it."""
    return {
        "uuid": f"5a0d5a0d-0000-4000-8000-{abs(hash(relation)) % 10**12:012d}",
        "type": relation if relation != "social-security-number" else "text",
        "object_relation": relation,
        "value": value,
        "timestamp": "1767225600",
        "deleted": False,
        **changes,
    }


def person(*attributes: dict[str, object]) -> dict[str, object]:
    """Return a person object."""
    return {"name": "person", "uuid": "5a0d5a0d-0000-4000-8000-0000000000ff",
            "Attribute": list(attributes)}  # fmt: skip


def event(*objects: dict[str, object], **changes: object) -> dict[str, object]:
    """Return an event."""
    body = {"uuid": EVENT, "date": "2026-09-30", "info": "a case", "Orgc": ORG,
            "Object": list(objects), "Attribute": []}  # fmt: skip
    return {"Event": {**body, **changes}}


def misp_file(tmp_path: Path, body: object, *, indent: int | None = None) -> Path:
    """Write MISP JSON."""
    return write(tmp_path / "event.json", json.dumps(body, indent=indent))


CARD = attribute("identity-card-number", number_of(1))
CHINESE = attribute("nationality", "China")


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e], lambda e: {"response": [e]}])
def test_a_misp_event_becomes_listings_with_its_origin(
    tmp_path: Path, indent: int | None, wrap: object
) -> None:
    """Event, organisation, attribute and times are kept; that nobody signed it is said."""
    passport = attribute("passport-number", "L8988901C", first_seen="2026-09-01T00:00:00Z")
    body = event(person(CARD, CHINESE, passport, attribute("passport-country", "UTO")))
    assert callable(wrap)
    path = misp_file(tmp_path, wrap(body), indent=indent)
    summary, refused, drafts = run(path, FOREIGN)
    assert not refused
    assert summary.kind is Kind.MISP
    assert [draft.identifier.type for draft in drafts] == [IdType.CN_RID, IdType.PASSPORT]
    said = provenance(drafts[1])
    assert (said["event"], said["organisation"]) == (EVENT, ORG["name"])
    assert (said["attribute"], said["first_seen"]) == (passport["uuid"], "2026-09-01T00:00:00Z")
    assert said["attribute_time"] == "2026-01-01T00:00:00+00:00"
    assert str(said["signed_at_source"]).startswith("not signed")
    assert drafts[0].listing.event_month == "2026-09"
    assert number_of(1).encode() not in drafts[0].provenance


def test_a_protected_event_is_said_to_be_unverified(tmp_path: Path) -> None:
    """Instances sign it for each other; its JSON holds the keys and no signature."""
    keys = [{"type": "pgp", "fingerprint": "ABCD"}]
    body = event(person(CARD, CHINESE), protected=True, CryptographicKey=keys)
    summary, _, (draft,) = run(misp_file(tmp_path, body), FOREIGN)
    assert str(provenance(draft)["signed_at_source"]).startswith("not verified")
    assert provenance(draft)["signing_keys"] == "pgp ABCD"
    assert [signed for _, signed in summary.sources] == [provenance(draft)["signed_at_source"]]


def test_victims_and_witnesses_are_not_listed(tmp_path: Path) -> None:
    """The event's own word spares them, whatever the import states."""
    body = event(person(CARD, CHINESE, attribute("role", "Victim")))
    _, (refused,), _ = run(misp_file(tmp_path, body), FOREIGN)
    assert refused.code == "MISP_ROLE_SPARED"


def test_what_is_passed_over_is_counted_with_its_reason(tmp_path: Path) -> None:
    """Deleted, of another country, without one, or without any identifier."""
    body = event(
        person({**CARD, "deleted": "1"}, CHINESE),
        person(CARD, attribute("nationality", "DE")),
        person(attribute("social-security-number", "987-65-4321")),
        person(attribute("first-name", "x")),
    )
    summary, refused, drafts = run(misp_file(tmp_path, body), FOREIGN)
    assert (refused, drafts, sum(summary.passed_over.values())) == ([], [], 4)
    assert len(summary.passed_over) == 4


def test_a_tag_names_the_reason_where_the_map_knows_it(tmp_path: Path) -> None:
    """Otherwise the import's own reason holds."""
    body = event(person(CARD, CHINESE), Tag=[{"name": "money-mule"}, {"name": "tlp:red"}])
    _, _, (draft,) = run(misp_file(tmp_path, body), FOREIGN)
    assert draft.listing.reason is Reason.APPLICATION_FRAUD
    from node.intake import read_map

    text = 'name="m"\n[columns]\nidentifier=["x"]\n[words.reason]\n"money-mule"="MULE_ACCOUNT"\n'
    _, _, (draft,) = run(
        misp_file(tmp_path, body), FOREIGN, column_map=read_map(text.encode(), "m")
    )
    assert draft.listing.reason is Reason.MULE_ACCOUNT


@pytest.mark.parametrize(
    "body",
    ['{"Event": 1}', '{"Event": {"Object": [{"Attribute": [1]}]}}', '{"response": {"x": 1}}',
     '[{"Event": {"date": 7}}]', '{"Event": {'],
)  # fmt: skip
def test_a_broken_event_is_refused_whole(tmp_path: Path, body: str) -> None:
    """Nothing of it is shown."""
    with pytest.raises(InputError) as caught:
        run(write(tmp_path / "event.json", body), FOREIGN)
    assert caught.value.code in {"MISP_MALFORMED", "FORMAT_UNKNOWN"}


def test_foreign_lists_know_neither_notice_nor_action(tmp_path: Path) -> None:
    """Without them nobody is listed: the uploader states what it did, or the row is refused."""
    _, (refused,), _ = run(misp_file(tmp_path, event(person(CARD, CHINESE))), STATED)
    assert refused.code == "ROW_NO_REASON"


ENTITY = {
    "id": "NK-1",
    "caption": "x",
    "schema": "Person",
    "properties": {
        "name": ["x"],
        "nationality": ["cn"],
        "idNumber": [number_of(1)],
        "topics": ["crime.fraud"],
    },
    "datasets": ["cn_list", "us_list"],
    "first_seen": "2026-03-01T00:00:00",
    "last_seen": "2026-11-01T00:00:00",
}
PASSPORT = {
    "id": "pass-1",
    "schema": "Passport",
    "properties": {"holder": ["NK-1"], "number": ["L8988901C"], "country": ["uto"]},
    "datasets": ["cn_list"],
    "first_seen": "2026-04-01T00:00:00",
}


def jsonl(*lines: object) -> str:
    """Return a JSON object a line."""
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_entities_become_listings_with_dataset_and_times(tmp_path: Path) -> None:
    """A passport is an entity of its own; names, addresses and sanctions are passed over."""
    others = [
        {"id": "a", "schema": "Address", "properties": {"full": ["x"]}},
        {"id": "b", "schema": "Person", "properties": {"name": ["x"]}},
        {"id": "c", "schema": "Person", "properties": {"idNumber": ["1"], "country": ["de"]}},
    ]
    path = write(tmp_path / "entities.ftm.json", jsonl(ENTITY, PASSPORT, *others))
    summary, refused, drafts = run(path, FOREIGN)
    assert not refused
    assert [draft.identifier.type for draft in drafts] == [IdType.CN_RID, IdType.PASSPORT]
    assert [draft.listing.event_month for draft in drafts] == ["2026-03", "2026-04"]
    said = provenance(drafts[0])
    assert (said["entity"], said["property"]) == ("NK-1", "idNumber")
    assert said["statements"] == [
        {
            "datasets": "cn_list, us_list",
            "first_seen": "2026-03-01T00:00:00",
            "last_seen": "2026-11-01T00:00:00",
        }
    ]
    assert str(said["signed_at_source"]).startswith("not signed")
    assert len(summary.passed_over) == 3


STATEMENTS = [
    {"canonical_id": "NK-1", "entity_id": entity, "prop": prop, "schema": "Person",
     "value": value, "dataset": dataset, "first_seen": seen, "last_seen": "2026-11-01",
     "id": f"id-{number}", "origin": "crawl"}
    for number, (entity, prop, value, dataset, seen) in enumerate(
        [
            ("cn-1", "id", "cn-1", "cn_list", "2026-03-01"),
            ("cn-1", "nationality", "cn", "cn_list", "2026-03-01"),
            ("cn-1", "idNumber", number_of(1), "cn_list", "2026-03-01"),
            ("us-7", "idNumber", number_of(1), "us_list", "2026-02-01"),
            ("us-7", "name", "x", "us_list", "2026-02-01"),
        ]
    )
]  # fmt: skip


def as_csv(rows: list[dict[str, str]]) -> str:
    """Return statements as OpenSanctions' statements.csv."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [*rows[0], "lang"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("form", ["csv", "json"])
def test_statements_keep_who_said_it_and_since_when(tmp_path: Path, form: str) -> None:
    """Two datasets that say one number of one entity are one draft with both statements."""
    text = as_csv(STATEMENTS) if form == "csv" else jsonl(*STATEMENTS)
    summary, refused, (draft,) = run(write(tmp_path / f"statements.{form}", text), FOREIGN)
    assert not refused
    assert summary.kind == f"ftm-statements-{form}"
    said = provenance(draft)
    statements = said["statements"]
    assert isinstance(statements, list)
    assert [(one["statement"], one["dataset"]) for one in statements] == [
        ("id-2", "cn_list"),
        ("id-3", "us_list"),
    ]
    assert draft.listing.event_month == "2026-02"


def test_statements_out_of_order_are_refused(tmp_path: Path) -> None:
    """Half an entity would lose its country or half of its sources."""
    other = {**STATEMENTS[0], "canonical_id": "NK-2"}
    path = write(tmp_path / "s.csv", as_csv([*STATEMENTS[:2], other, *STATEMENTS[2:]]))
    _, (refused,), _ = run(path, FOREIGN)
    assert (refused.code, refused.line) == ("STATEMENTS_UNSORTED", 5)


@pytest.mark.usefixtures("node_stack")
def test_files_nested_beyond_any_decoder_are_refused(tmp_path: Path) -> None:
    """A hostile depth is bad input, in each form, and no crash."""
    deep = "[" * 100_000
    for text in (deep, f'{{"Event": {{"x": {deep}', f'{{"Event": {{"date": {deep}'):
        with pytest.raises(InputError) as caught:
            run(write(tmp_path / "deep.json", text), FOREIGN)
        assert caught.value.code in {"MISP_MALFORMED", "FORMAT_UNKNOWN"}
    text = jsonl(ENTITY) + f'{{"id": "x", "schema": "Person", "properties": {{"a": {deep}\n'
    _, (refused,), _ = run(write(tmp_path / "deep.json", text), FOREIGN)
    assert refused.code == "FTM_MALFORMED"


def test_a_broken_line_is_refused_and_shows_nothing(tmp_path: Path) -> None:
    """The other lines are still judged; none is kept."""
    text = jsonl(ENTITY) + f'{{"id": "{number_of(2)}\n' + jsonl(PASSPORT)
    summary, (refused,), drafts = run(write(tmp_path / "e.json", text), FOREIGN)
    assert (refused.line, refused.code, drafts) == (2, "FTM_MALFORMED", [])
    assert number_of(2) not in str(refused)
    assert summary.drafts == 2
