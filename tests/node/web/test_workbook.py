"""Decisions in bulk: the workbook goes out, is filled in, and comes back."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from desk_town import Reader, Town, invite, reader_of
from python_calamine import CalamineWorkbook

from node.cli import main
from node.web.workbook.layout import BREAKS, GROUPS, PROPOSALS, SHEETS, Layout

LETTERS = "ABCDEFGHIJKLM"
DECISION, REASON = BREAKS.decision, BREAKS.reason


def rows_of(data: bytes, layout: Layout = BREAKS) -> list[list[object]]:
    """Return a sheet's rows."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    return book.get_sheet_by_index(SHEETS.index(layout)).to_python()


def filled(data: bytes, cells: dict[tuple[int, int], str], layout: Layout = BREAKS) -> bytes:
    """Return the workbook with texts typed into (row, column), both from 0, as Excel saves it."""
    sheet = f"xl/worksheets/sheet{SHEETS.index(layout) + 1}.xml"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name == sheet:
                text = body.decode()
                for (row, column), said in cells.items():
                    place = f"{LETTERS[column]}{row + 1}"
                    typed = rf'<c r="{place}"\1 t="inlineStr"><is><t>{escape(said)}</t></is></c>'
                    pattern = rf'<c r="{place}"( s="\d+")?(?: t="\w+")?(?:/>|>.*?</c>)'
                    text, count = re.subn(pattern, typed, text)
                    assert count == 1, place
                body = text.encode()
            new.writestr(name, body)
    return out.getvalue()


@pytest.fixture
def maker(town: Town) -> Iterator[Reader]:
    """Somebody of the firm who makes decisions; what is left over is rejected afterwards."""
    with reader_of(town.firm, "maker", login=f"bulk{time.monotonic_ns()}") as found:
        yield found
    for item in town.firm.breaks.waiting_decisions(town.agreement):
        town.firm.breaks.reject_decision(item.decision_id, actor="tidy", reason="end of test")


def address(town: Town, ending: str = "") -> str:
    """Return the address of the agreement's decisions."""
    return f"/firm/agreements/{town.agreement.hex()[:16]}/decisions{ending}"


def sheet(maker: Reader, town: Town) -> bytes:
    """Download the workbook of the open window."""
    answer = maker.client.get(address(town, ".xlsx"), params={"window": town.open, "lang": "zh"})
    assert answer.status_code == 200, answer.text
    return answer.content


def bring(maker: Reader, town: Town, data: bytes, status: int = 200) -> str:
    """Upload a workbook; return the page."""
    answer = maker.client.post(
        address(town, "/import"),
        data={"csrf": maker.csrf},
        files={"file": ("breaks.xlsx", data)},
    )
    assert answer.status_code == status, answer.text[:3000]
    return answer.text


def row_with(rows: list[list[object]], word: str) -> int:
    """Return the number of the first row of a kind."""
    return next(number for number, row in enumerate(rows) if row[3] == word)


def test_the_workbook_locks_all_but_verdict_and_reason(maker: Reader, town: Town) -> None:
    """Hidden key columns, protected sheet, a list of verdicts a row, the run's digest inside."""
    data = sheet(maker, town)
    rows = rows_of(data)
    assert len(rows[0]) == len(BREAKS.head)
    assert all(re.fullmatch("[0-9a-f]{64}", str(row[0])) for row in rows[1:])
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml").decode()
        book = parts.read("xl/workbook.xml").decode()
        styles = parts.read("xl/styles.xml").decode()
    assert "<sheetProtection" in page
    assert 'hidden="1"' in page
    assert 'state="veryHidden"' in book
    assert 'locked="0"' in styles
    listed = re.findall(r'<dataValidation type="list"[^>]* sqref="L(\d+)(?::L(\d+))?"', page)
    assert sum(int(last or first) - int(first) + 1 for first, last in listed) == len(rows) - 1
    assert "确认：同一笔" in page
    stamp = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name("kanhe").to_python()
    run = town.firm.breaks.breaks(town.agreement, town.open)
    assert len(run) == len(rows) - 1
    assert ["agreement", town.agreement.hex()] in stamp


def test_filled_rows_wait_for_a_checker_who_sees_them_and_approves_all(
    maker: Reader, town: Town
) -> None:
    """Two rows in two languages are taken; the checker sees amounts and reasons, approves both."""
    data = sheet(maker, town)
    rows = rows_of(data)
    fee, amount = row_with(rows, "手续费差"), row_with(rows, "金额不符")
    typed = filled(
        data,
        {
            (fee, DECISION): "核销",
            (fee, REASON): "bank's fee, seen on the voucher",
            (amount, DECISION): "Write off",
            (amount, REASON): "尾差核销",
        },
    )
    page = bring(maker, town, typed)
    assert page.count("waiting for a checker") >= 2
    waiting = town.firm.breaks.waiting_decisions(town.agreement)
    assert {item.reason for item in waiting} == {"bank's fee, seen on the voucher", "尾差核销"}
    assert all(item.seen["break"]["kind"] in {"FEE", "AMOUNT"} for item in waiting)
    assert "Approve the" not in page, "the maker checks nothing"
    checker = Reader(maker.base)
    checker.enter(invite(town.firm, "checker", login=f"seconds{time.monotonic_ns()}"))
    shown = checker.get(address(town).removeprefix("/firm"))
    assert "bank&#39;s fee, seen on the voucher" in shown
    for item in waiting:
        for entry in (*item.seen["entries"]["servicer"], *item.seen["entries"]["owner"]):
            assert str(entry["voucher"]) in shown
        detail = checker.get(f"/drafts/{item.decision_id}")
        assert "What the maker saw" in detail
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', shown)
    assert digest
    ids = [str(item.decision_id) for item in waiting]
    where = address(town, "/approve").removeprefix("/firm")
    form = {"csrf": checker.csrf, "digest": digest.group(1), "ids": ids}
    answer = checker.client.post(f"/firm{where}", data=form)
    assert answer.status_code == 200, answer.text[:2000]
    assert "all taken" in answer.text
    assert town.firm.breaks.waiting_decisions(town.agreement) == ()
    again = checker.client.post(f"/firm{where}", data=form)
    assert "DRAFTS_CHANGED" in again.text


def test_a_workbook_speaks_one_language(maker: Reader, town: Town) -> None:
    """Direction and reference stand in the workbook's language too, not only head and kinds."""
    said = {}
    for language in ("zh", "en"):
        params = {"window": town.open, "lang": language}
        book = maker.client.get(address(town, ".xlsx"), params=params).content
        rows = [row for layout in SHEETS for row in rows_of(book, layout)[1:]]
        said[language] = "\n".join(str(cell) for row in rows for cell in row)
    for chinese, english in (
        ("收（入账）", " into the account "),
        ("付（出账）", " out of the account "),
        ("端到端标识 ", "End-to-end id "),
    ):
        assert chinese in said["zh"]
        assert chinese not in said["en"]
        assert english in said["en"]
        assert english not in said["zh"]
    assert not re.search(r"\b(IN|OUT)\b", said["zh"] + said["en"])


def test_each_bad_row_is_refused_alone_with_its_reason(maker: Reader, town: Town) -> None:
    """A changed cell, an odd verdict, a missing reason: each names its code; the good row stays."""
    data = sheet(maker, town)
    rows = rows_of(data)
    good = row_with(rows, "起息日不符")
    two_sided = [n for n, row in enumerate(rows) if n and row[8] and row[9] and n != good]
    changed, odd, silent, bare = two_sided[:4]
    one_sided = next(n for n, row in enumerate(rows) if n and not row[8] and not row[10])
    typed = filled(
        data,
        {
            (changed, 7): "0.01",
            (changed, DECISION): "write_off",
            (changed, REASON): "a smaller amount",
            (odd, DECISION): "maybe",
            (odd, REASON): "who knows",
            (silent, DECISION): "write_off",
            (bare, REASON): "only a reason",
            (good, DECISION): "reject",
            (good, REASON): "two payments",
            (one_sided, DECISION): "confirm",
            (one_sided, REASON): "there is no counterpart",
        },
    )
    page = bring(maker, town, typed)
    for code, row, column in (
        ("ROW_CHANGED", changed, 7),
        ("REASON_LENGTH", silent, REASON),
        ("VERDICT_MISSING", bare, DECISION),
    ):
        assert page.count(code) == 1, code
        assert f"差异!{LETTERS[column]}{row + 1}<" in page
    assert page.count("VERDICT_UNKNOWN") == 2
    # Column and verdict are named as the Chinese workbook names them.
    assert "under &#39;差额&#39; is not what was written" in page
    assert "确认：同一笔, 驳回：不是同一笔, 核销" in page
    assert "write_off" not in page
    (taken,) = town.firm.breaks.waiting_decisions(town.agreement)
    assert (taken.verdict, taken.reason) == ("reject", "two payments")
    assert "DECISION_WAITING" in bring(maker, town, typed), "brought twice, taken once"
    assert len(town.firm.breaks.waiting_decisions(town.agreement)) == 1


def test_proposals_and_groups_are_decided_in_their_sheets(maker: Reader, town: Town) -> None:
    """A proposal is confirmed or rejected as a whole, a group taken apart; each by its own key."""
    data = sheet(maker, town)
    proposals, groups = rows_of(data, PROPOSALS), rows_of(data, GROUPS)
    standing = town.firm.breaks.groups(town.agreement, town.open)
    assert len(groups) - 1 == len(standing) > 2
    assert len(proposals) > 1
    word, why = PROPOSALS.decision, PROPOSALS.reason
    typed = filled(data, {(1, word): "驳回：不是同一笔", (1, why): "two payments"}, PROPOSALS)
    word, why = GROUPS.decision, GROUPS.reason
    cells = {(row, column): text for row in (1, 2, 3) for column, text in
             ((word, "unmatch"), (why, "the bank says they are two"))}  # fmt: skip
    typed = filled(typed, {**cells, (2, word): "confirm", (3, GROUPS.head.index("#")): "1"}, GROUPS)
    page = bring(maker, town, typed)
    assert page.count("VERDICT_UNKNOWN") == 1
    assert f"勾对组!{LETTERS[word]}3<" in page
    assert page.count("ROW_TWICE") + page.count("ROW_CHANGED") + page.count("GROUP_UNKNOWN") == 1
    made = {item.verdict: item for item in town.firm.breaks.waiting_decisions(town.agreement)}
    assert set(made) == {"reject", "unmatch"}
    first = standing[0]
    assert (made["unmatch"].servicer, made["unmatch"].owner) == (first.servicer, first.owner)
    assert made["unmatch"].window == town.open
    assert made["unmatch"].seen["entries"]["servicer"], "the checker sees the entries"
    assert made["reject"].servicer
    assert made["reject"].owner


def test_a_sheet_of_groups_is_searched_or_says_that_it_is_too_long(
    maker: Reader, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search keeps the groups of a reference; more than a sheet holds are not cut silently."""
    ref = town.firm.breaks.groups(town.agreement, town.open)[1].servicer[0]
    answer = maker.client.get(address(town, ".xlsx"), params={"window": town.open, "search": ref})
    (found,) = rows_of(answer.content, GROUPS)[1:]
    number = town.firm.breaks.groups(town.agreement, town.open)[1].number
    assert found[GROUPS.head.index("#")] == number + 1
    monkeypatch.setattr("node.web.workbook.lines.MAX_GROUPS", 5)
    rows = rows_of(sheet(maker, town), GROUPS)
    assert len(rows) == 2
    assert "请在下载时" in str(rows[1])


def test_a_file_that_is_no_workbook_of_this_run_is_refused_whole(maker: Reader, town: Town) -> None:
    """Garbage, a foreign workbook, another agreement, a stale digest: nothing is taken."""
    data = sheet(maker, town)
    rows = rows_of(data)
    number = row_with(rows, "手续费差")
    good = filled(data, {(number, DECISION): "write_off", (number, REASON): "because"})

    def stamped(old: str, new: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(out, "w") as target:
            for name in source.namelist():
                target.writestr(name, source.read(name).replace(old.encode(), new.encode()))
        return out.getvalue()

    (run,) = {row.window for row in town.firm.breaks.breaks(town.agreement, town.open)}
    stamp = CalamineWorkbook.from_filelike(io.BytesIO(good)).get_sheet_by_name("kanhe").to_python()
    digest = str(dict(tuple(row[:2]) for row in stamp)["digest"])
    assert run == town.open
    for body, code in (
        (b"no workbook", "TRUNCATED"),
        (good[: len(good) // 2], "TRUNCATED"),
        (stamped("kanhe-decisions/2", "something-else/1"), "WORKBOOK_INVALID"),
        (stamped(f">{town.open}<", f">{'9' * 20}<"), "WORKBOOK_INVALID"),
        (stamped(town.agreement.hex(), "ab" * 32), "WORKBOOK_OTHER"),
        (stamped(digest, "cd" * 32), "WORKBOOK_STALE"),
    ):
        answer = maker.client.post(
            address(town, "/import"),
            data={"csrf": maker.csrf},
            files={"file": ("breaks.xlsx", body)},
        )
        assert answer.status_code >= 400, code
        assert code in answer.text
    assert town.firm.breaks.waiting_decisions(town.agreement) == ()


def test_an_untouched_workbook_takes_nothing(maker: Reader, town: Town) -> None:
    """Rows without decision and reason are left alone."""
    assert "No row says anything" in bring(maker, town, sheet(maker, town))


@pytest.mark.usefixtures("maker")
def test_the_command_line_goes_the_same_way(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """export, import as one person, list, show, approve as another; exit 1 where a row fails."""
    home = ["--home", str(town.firm.home)]
    invite(town.firm, "maker", "checker", login="one")
    invite(town.firm, "checker", login="two")
    target = tmp_path / "breaks.xlsx"
    words = ["decision", "export", str(target), "-a", town.agreement.hex()]
    assert main([*words, "--window", str(town.open), "--lang", "en", *home]) == 0
    data = target.read_bytes()
    rows = rows_of(data)
    number, other = row_with(rows, "Rounding difference"), row_with(rows, "Value date differs")
    typed = {
        (number, DECISION): "write off",
        (number, REASON): "rounding",
        (other, DECISION): "confirm: one payment",
        (other, REASON): "x",
    }
    target.write_bytes(filled(data, typed))
    capsys.readouterr()
    assert main(["decision", "import", str(target), "--as", "nobody", *home, "--json", "-"]) == 2
    assert "LOGIN_UNKNOWN" in capsys.readouterr().out
    assert main(["decision", "import", str(target), "--as", "one", *home, "--json", "-"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["taken"], answer["refused"]) == ("1", "1")
    (made,) = [row["id"] for row in answer["rows"] if row["id"]]
    assert main(["decision", "show", made, *home]) == 0
    assert "rounding" in capsys.readouterr().out
    own = ["decision", "approve", made, "--as", "one", *home, "--json", "-"]
    assert main(own) == 1
    assert "SAME_PERSON" in capsys.readouterr().out
    chosen = ["-a", town.agreement.hex(), "--workbook", answer["workbook"][:12]]
    assert main(["decision", "approve", *chosen, "--as", "two", *home, "--json", "-"]) == 0
    capsys.readouterr()
    assert main(["decision", "list", "-a", town.agreement.hex(), *home, "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)["decisions"]
    assert {"id": made, "state": "DONE", "checker": "two"}.items() <= listed[0].items()
    assert main(["decision", "approve", *home]) == 2
    assert main(["decision", "reject", made, "--reason", "late", "--as", "two", *home]) == 2


def test_rest_takes_and_approves_a_workbook(maker: Reader, town: Town) -> None:
    """A session with its CSRF header brings the workbook; the maker's own approval is refused."""
    base = f"/firm/api/v1/agreements/{town.agreement.hex()}/decisions"
    answer = maker.client.get(f"{base}.xlsx", params={"window": town.open, "lang": "en"})
    rows = rows_of(answer.content)
    number = row_with(rows, "Value date differs")
    typed = {(number, DECISION): "confirm", (number, REASON): "same payment"}
    headers = {"x-csrf-token": maker.csrf}
    body = filled(answer.content, typed)
    taken = maker.client.post(f"{base}/import", files={"file": ("b.xlsx", body)}, headers=headers)
    assert (taken.status_code, taken.json()["taken"]) == (202, "1")
    listed = maker.client.get(base).json()
    assert listed["waiting"] == [taken.json()["rows"][0]["id"]]
    approval = {"ids": listed["waiting"], "digest": listed["waiting_digest"]}
    refused = maker.client.post(f"{base}/approve", json=approval, headers=headers)
    assert refused.status_code == 403
    rejected = maker.client.post(
        f"{base}/{listed['waiting'][0]}/reject", json={"reason": "not me"}, headers=headers
    )
    assert rejected.status_code == 403


def test_unmatch_is_proposed_on_a_group_and_stands_in_the_breaks_history(
    maker: Reader, town: Town
) -> None:
    """The window's group row proposes it with a reason; the timeline of a break names its acts."""
    here = f"/agreements/{town.agreement.hex()[:16]}"
    group = town.firm.breaks.groups(town.agreement, town.agreed)[0]
    path = f"{here}/windows/{town.agreed}/groups/{group.number}/unmatch"
    assert "/decisions" in maker.post(path, reason="the bank says they are two")
    (made,) = town.firm.breaks.waiting_decisions(town.agreement)
    assert (made.verdict, made.servicer) == ("unmatch", group.servicer)
    assert "GROUP_UNKNOWN" in maker.post(
        path.replace("/unmatch", "99999/unmatch"), 404, reason="no"
    )
    row = town.firm.breaks.breaks(town.agreement, town.open, kind="TIMING")[0]
    maker.post(
        f"{here}/breaks/{row.key.hex()[:16]}/propose", verdict="write_off", reason="too small"
    )
    assert "proposed: write off (too small)" in maker.get(f"{here}/breaks/{row.key.hex()[:16]}")
