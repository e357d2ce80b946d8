"""The user's own profiles: from a folder, from one file, and through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.cli import main
from node.profiles import choose_profile, own_profiles
from node.settings import Settings
from reconcile.model import InputError, OutsideError

PROFILE = """
name = "{name}"
title = "a till's list"
header = ["日", "额", "单号"]
currency = "CNY"
source_ref = "order_no"
[columns]
date = ["日"]
amount = ["额"]
order_no = ["单号"]
"""
TABLE = "日,额,单号\n2026-11-20,12.30,DH-99001\n2026-11-20,-2.30,DH-99002\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of profiles that KANHE_PROFILES names, with one in it."""
    made = tmp_path / "profiles"
    made.mkdir()
    (made / "till.toml").write_text(PROFILE.format(name="till"), encoding="utf-8")
    (made / "notes.txt").write_text("no profile")
    monkeypatch.setenv("KANHE_PROFILES", str(made))
    return made


def test_a_folder_gives_its_toml_files(folder: Path) -> None:
    """Other files are passed over; the setting is a path."""
    assert [one.name for one in own_profiles(folder)] == ["till"]
    assert Settings.of_environment("profiles").profiles == folder


def test_what_is_wrong_in_a_folder_is_refused_and_not_passed_over(folder: Path) -> None:
    """Two of one name, a broken one, a folder that is not there."""
    (folder / "till2.toml").write_text(PROFILE.format(name="till"), encoding="utf-8")
    with pytest.raises(InputError, match="two files"):
        own_profiles(folder)
    (folder / "till2.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        own_profiles(folder)
    assert caught.value.where.file == "till2.toml"
    with pytest.raises(OutsideError, match="FILE_UNREADABLE"):
        own_profiles(folder / "none")


def test_a_file_named_on_the_command_line_goes_first(folder: Path, tmp_path: Path) -> None:
    """--profile path/to/file.toml needs no folder; a name is looked up."""
    path = tmp_path / "other.toml"
    path.write_text(PROFILE.format(name="till"), encoding="utf-8")
    own = own_profiles(folder)
    name, chosen = choose_profile(str(path), own)
    assert (name, len(chosen)) == ("till", 1)
    assert choose_profile("till", own) == ("till", own)
    with pytest.raises(OutsideError, match="FILE_UNREADABLE"):
        choose_profile(str(tmp_path / "none.toml"), own)


def test_statement_and_match_read_by_a_users_profile(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recognised from the folder without an option, or named as a file."""
    table = tmp_path / "till.csv"
    table.write_text(TABLE, encoding="utf-8")
    assert main(["statement", str(table), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["profile"] == "till"
    assert [one["entry_ref"] for one in found["statements"][0]["entries"]] == [
        "DH-99001", "DH-99002",
    ]  # fmt: skip
    words = ["--servicer", str(table), "--owner", str(table)]
    words += ["--servicer-profile", str(folder / "till.toml"), "--owner-profile", "till"]
    assert main(["match", *words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"]


@pytest.mark.usefixtures("folder")
def test_profile_commands_list_show_and_try(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`list` says where each is from, `show` prints the TOML, `try` says which and why."""
    assert main(["profile", "list", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)["profiles"]
    assert (listed[0]["name"], listed[0]["from"]) == ("till", "own")
    assert {one["name"] for one in listed} >= {"till", "wechat-trade", "unionpay-acomn"}
    for name, text in (("till", "a till's list"), ("ccb", "China Construction Bank")):
        assert main(["profile", "show", name]) == 0
        assert text in capsys.readouterr().out
    assert main(["profile", "show", "nobody"]) == 2
    assert "PROFILE_UNKNOWN" in capsys.readouterr().err
    table = tmp_path / "till.csv"
    table.write_text(TABLE, encoding="utf-8")
    assert main(["profile", "try", str(table)]) == 0
    shown = capsys.readouterr().out
    assert "profile  till: line 1 holds all of its header" in shown
    assert "money INTO your account 12.30 CNY" in shown
    assert "1 out, 2.30" in shown


def test_try_ends_with_1_where_nothing_fits_or_something_contradicts(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proposal is printed; a contradiction is listed beside what was read."""
    table = tmp_path / "other.csv"
    table.write_text("记账日期,收入,支出,余额\n2026-11-20,5.00,,5.00\n", encoding="utf-8")
    assert main(["profile", "try", str(table), "--currency", "CNY"]) == 1
    assert 'header = ["记账日期", "收入", "支出", "余额"]' in capsys.readouterr().out
    broken = tmp_path / "till.csv"
    broken.write_text(TABLE.replace("12.30", "x"), encoding="utf-8")
    assert main(["profile", "try", str(broken), "--profile", str(folder / "till.toml")]) == 1
    assert "AMOUNT_INVALID" in capsys.readouterr().err
