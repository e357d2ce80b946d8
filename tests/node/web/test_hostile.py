"""What a person with few rights, a counterparty or a stranger tries at the desk."""

from __future__ import annotations

import io
import socket
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from desk_town import Reader, Replica, Town, served
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from node.web.access import AccessError, Who
from node.web.app import create_app
from node.web.auth import check_csrf
from node.web.export import xlsx_answer
from node.web.numbers import MAX_WINDOW
from node.web.server import serve
from node.web.sheets import safe_cell
from node.web.uploads import MAX_NAME, MAX_SUFFIX, Shelf, upload_name
from reconcile.model import KanheError

HERE, ELSEWHERE = bytes([1]) * 32, bytes([2]) * 32
MAX_FILE_NAME_BYTES = 255


def _who(*roles: tuple[str, bytes | None], csrf: str = "") -> Who:
    return Who(1, "wei", "Wei", "en", frozenset(roles), csrf)


def test_acting_alone_holds_for_its_own_agreement_only() -> None:
    """Who is alone on one agreement still needs a second person on another."""
    who = _who(("single", HERE), ("maker", ELSEWHERE), ("checker", ELSEWHERE))
    assert who.single(HERE)
    assert not who.single(ELSEWHERE)
    assert _who(("single", None)).single(ELSEWHERE)


def test_a_bookkeeper_of_every_account_reconciles_none() -> None:
    """A bookkeeper without a named agreement keeps all books, and so reconciles none of them."""
    who = _who(("bookkeeper", None), ("maker", None), ("checker", None))
    assert not any(who.may(act, HERE) for act in ("propose", "check", "attest"))
    assert who.may("import", HERE)
    one = _who(("bookkeeper", HERE), ("checker", None))
    assert (one.may("attest", HERE), one.may("attest", ELSEWHERE)) == (False, True)


def test_a_token_of_odd_characters_is_refused_not_a_failure() -> None:
    """A form token that is no ASCII is a wrong token."""
    with pytest.raises(AccessError) as caught:
        check_csrf(_who(csrf="00" * 32), "é勘")
    assert caught.value.code == "CSRF"


def test_a_stranger_with_an_odd_door_token_is_refused(replica: Replica) -> None:
    """The log-in form of a stranger answers a refusal whatever its hidden field holds."""
    with served({"firm": replica}) as base, httpx.Client(base_url=base, timeout=30) as client:
        client.get("/firm/login")
        form = {"door": "é勘", "login": "wei", "password": "a long enough password"}
        assert client.post("/firm/login", data=form).status_code == 403


@given(st.text(max_size=400))
def test_any_file_name_becomes_one_that_a_disk_takes(given_name: str) -> None:
    """Whatever a client calls its file, the name stays in its folder and fits."""
    name = upload_name(given_name)
    assert name not in {"", ".", ".."}
    assert not {"/", "\\", "\x00"} & set(name)
    assert len(name.encode()) <= MAX_NAME + 4 * MAX_SUFFIX < MAX_FILE_NAME_BYTES


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\books\\day.csv", "day.csv"),
        ("..", "statement"),
        ("", "statement"),
        ("对账单.xlsx", "对账单.xlsx"),
        ("day\x00.csv", "day.csv"),
    ],
)
def test_a_file_name_keeps_its_last_part_and_ending(given_name: str, name: str) -> None:
    """Folders, dots and control characters go; the ending, which tells the format, stays."""
    assert upload_name(given_name) == name


def test_an_upload_waits_under_its_name_for_its_person_alone(tmp_path: Path) -> None:
    """The next one replaces it; a token of another person or another shape finds nothing."""
    shelf = Shelf(tmp_path, "firm", 1)
    first = shelf.put(io.BytesIO(b"lines"), "../IND26112001ACOMN")
    assert shelf.find(first.token).path.name == "IND26112001ACOMN"
    second = shelf.put(io.BytesIO(b"lines"), "IND26112101ACOMN")
    assert shelf.find(second.token).path.read_bytes() == b"lines"
    others = (Shelf(tmp_path, "bank", 1), Shelf(tmp_path, "firm", 2))
    for place, token in ((shelf, first.token), *((one, second.token) for one in others)):
        with pytest.raises(KanheError) as caught:
            place.find(token)
        assert caught.value.code == "UPLOAD_GONE"
    with pytest.raises(KanheError):
        shelf.find(f"../firm-1/{second.token}")
    second.drop()
    assert not list((tmp_path / "firm-1").iterdir())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "＝1+1"])
def test_a_counterpartys_text_never_becomes_a_formula(text: str) -> None:
    """Text that a spreadsheet would run is marked as text in a CSV."""
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(Decimal("-1.00")) == "-1.00"


def test_a_workbook_keeps_every_digit_and_every_row() -> None:
    """An amount beyond a double's digits stays exact as text; an endless text is shortened."""
    rows: list[list[str | Decimal]] = [
        ["=1+1", Decimal("92233720368547758.07")],
        ["r" * 40_000, Decimal("1.50")],
    ]
    answer = xlsx_answer(["ref", "amount"], rows, "breaks")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(bytes(answer.body))).get_sheet_by_index(0)
    _, first, second = sheet.to_python()
    assert first == ["=1+1", "92233720368547758.07"]
    assert second[1] == 1.5
    assert str(second[0]).startswith("rrr")


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        ("127.0.0.1", 70_000, "PORT_WRONG"),
        ("192.0.2.1", 0, "ADDRESS_NOT_OURS"),
    ],
)
def test_an_address_that_cannot_be_served_is_said_by_its_reason(
    host: str, port: int, code: str
) -> None:
    """No port, not our address, no address at all: each has its own code and way out."""
    with pytest.raises(KanheError) as caught:
        serve(create_app({}), host=host, port=port)
    assert caught.value.code == code
    assert caught.value.help


def test_a_port_in_use_names_the_option_that_helps() -> None:
    """The refusal says that another has the port, and --port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(KanheError) as caught:
            serve(create_app({}), port=taken.getsockname()[1])
    assert caught.value.code == "PORT_IN_USE"
    assert "--port" in caught.value.help


PLACES = (
    "",
    "/report",
    "/adjustment.pdf",
    "/bookings",
    "/bookings.csv",
    "/bundle",
    "/entries/owner",
)


def test_no_number_of_an_address_is_a_failure(reader: Reader, town: Town) -> None:
    """A window that no calendar or column holds is refused; the log has no fault of ours."""
    here = f"agreements/{town.agreement.hex()}"
    asked = [
        f"{root}/{here}/windows/{{}}{end}" for root in ("/firm", "/firm/api/v1") for end in PLACES
    ]
    asked += [f"{root}/{here}/breaks?window={{}}" for root in ("/firm", "/firm/api/v1")]
    asked += [f"/firm/{here}?before={{}}", f"/firm/api/v1/{here}/windows?before={{}}"]
    asked += [f"/firm/{here}/decisions.xlsx?window={{}}", "/firm/drafts/{}"]
    for number in (-1, MAX_WINDOW, MAX_WINDOW + 1, 2**32 - 2, 10**11, 10**20):
        for address in asked:
            status = reader.client.get(address.format(number)).status_code
            assert status < 500, (address, number)
    for act in ("close", "attest"):
        address = f"/firm/{here}/windows/{10**20}/{act}"
        assert reader.client.post(address, data={"csrf": reader.csrf}).status_code == 422
