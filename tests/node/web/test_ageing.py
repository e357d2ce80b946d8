"""The ageing of open breaks: counts and amounts by kind and age, filtered, sorted, exported."""

from __future__ import annotations

import csv
import io
import re

from desk_town import Reader, Town
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from node.web.read.ageing import BUCKETS


@given(st.integers(0, 10_000))
def test_every_age_falls_into_exactly_one_span(age_days: int) -> None:
    """No age is counted twice or left out."""
    assert sum(bucket.holds(age_days) for bucket in BUCKETS) == 1


def lines(reader: Reader, query: str = "") -> list[dict[str, str]]:
    """Return the exported CSV's rows."""
    answer = reader.client.get(f"/firm/export/ageing.csv?lang=en{query}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_table_counts_what_the_list_of_breaks_shows(reader: Reader, town: Town) -> None:
    """A cell's number is the number of rows behind its link; all cells together are all breaks."""
    page = reader.get("/ageing")
    short = town.agreement.hex()[:16]
    cells = re.findall(
        rf'<a href="/firm/breaks\?agreement={short}&amp;kind=(\w+)&amp;age=([\d-]+)">(\d+)</a>',
        page,
    )
    assert cells
    found = town.firm.breaks.breaks(town.agreement, limit=1_000)
    assert sum(int(count) for _, _, count in cells) == len(found)
    kind, age, count = cells[0]
    listed = reader.get(f"/breaks?agreement={short}&kind={kind}&age={age}")
    assert len(re.findall(r'<tr data-href><td class="nowrap">', listed)) == int(count)
    exported = reader.client.get(f"/firm/export/breaks.csv?agreement={short}&kind={kind}&age={age}")
    keys = {line.rsplit(",", 1)[1] for line in exported.text.strip().splitlines()[1:]}
    assert len(keys) == int(count)


def test_amounts_are_absolute_sums_by_currency(reader: Reader, town: Town) -> None:
    """The export's sums are those of the breaks, minor units made major, signs apart."""
    wanted: dict[tuple[str, str], int] = {}
    for row in town.firm.breaks.breaks(town.agreement, limit=1_000):
        for currency, minor in row.signed:
            key = (row.kind, currency)
            wanted[key] = wanted.get(key, 0) + abs(minor)
    given_: dict[tuple[str, str], int] = {}
    for line in lines(reader, f"&agreement={town.agreement.hex()[:16]}"):
        if line["Currency"]:
            key = (line["Kind"], line["Currency"])
            minor = int(line["Amount"].replace(".", ""))
            given_[key] = given_.get(key, 0) + minor
    assert given_ == wanted


def test_filter_and_order_reach_the_export(reader: Reader, town: Town) -> None:
    """One kind alone; the most first; the workbook has the same rows."""
    short = town.agreement.hex()[:16]
    assert {line["Kind"] for line in lines(reader, "&kind=AMOUNT")} == {"AMOUNT"}
    counts: dict[str, int] = {}
    for line in lines(reader, f"&agreement={short}&sort=count"):
        counts.setdefault(line["Kind"], 0)
    oldest = [int(line["Oldest"]) for line in lines(reader, f"&agreement={short}&sort=oldest")]
    assert oldest == sorted(oldest, reverse=True)
    answer = reader.client.get(f"/firm/export/ageing.xlsx?agreement={short}&lang=en")
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    assert len(book.get_sheet_by_index(0).to_python()) == len(lines(reader)) + 1
    assert set(counts) == {line["Kind"] for line in lines(reader, f"&agreement={short}")}


def test_wrong_filters_are_refused_by_name(reader: Reader) -> None:
    """An unknown span, order or kind is said, not ignored."""
    for path, code in (
        ("/breaks?age=7", "AGE_UNKNOWN"),
        ("/ageing?sort=colour", "SORT_UNKNOWN"),
        ("/ageing?kind=NONE", "KIND_UNKNOWN"),
    ):
        assert code in reader.get(path, 422)


def test_rest_gives_the_same_counts(reader: Reader, town: Town) -> None:
    """By kind and age, decimal strings."""
    body = reader.client.get(f"/firm/api/v1/agreements/{town.agreement.hex()}/ageing").json()
    total = sum(int(row["count"]) for row in body["ageing"])
    assert total == len(town.firm.breaks.breaks(town.agreement, limit=1_000))
    for row in body["ageing"]:
        assert sum(int(cell["count"]) for cell in row["ages"]) == int(row["count"])
