from __future__ import annotations

from pathlib import Path

import pytest

from reconcile.model import InputError
from reconcile.statements import load_profile, read_statement_bytes, try_profile

DATA = Path(__file__).parent / "data"
TABLE = (
    "记账日,借方金额,贷方金额,余额,对方户名,核心流水\n"
    "2026-11-20,,1234.00,2234.00,甲公司,SN990001\n"
    "2026-11-20,1.00,,2233.00,,SN990002\n"
).encode("gb18030")


def test_a_recognised_file_says_why_and_what_it_reads() -> None:
    """The line of the header, rows in words, balances and contradictions."""
    found = try_profile((DATA / "ccb.csv").read_bytes(), "ccb.csv")
    assert (found.format, found.profile) == ("csv", "ccb")
    assert found.reason.startswith("line 3 holds all of its header")
    assert found.rows[0] == ("line 4: 2026-11-19 money OUT OF your account 12.50 CNY to 某商户")
    assert found.read is not None
    assert found.proposal is None
    broken = (DATA / "ccb.csv").read_bytes().replace(b"987.50", b"987.51")
    again = try_profile(broken, "ccb.csv")
    assert again.read is not None
    assert again.read.statements[0].contradictions


def test_a_proposed_profile_reads_the_file_it_was_proposed_for() -> None:
    """The TOML is a whole profile: saved and named, it gives the rows that were shown."""
    found = try_profile(TABLE, "t.csv", perspective="statement", currency="CNY")
    assert found.profile is None
    assert found.proposal is not None
    assert "no profile's header" in found.reason
    assert found.nearest
    profile = load_profile(found.proposal.encode(), "my-bank.toml")
    assert (profile.debit_in, profile.currency) == (False, "CNY")
    read = read_statement_bytes(TABLE, "t.csv", own=[profile])
    assert read.profile == "my-bank"
    assert [entry.signed_minor for entry in read.statements[0].entries] == [123_400, -100]
    assert read.statements[0].entries[0].entry_ref == "SN990001"
    named = try_profile(TABLE, "t.csv", profile="my-bank", own=[profile])
    assert (named.reason, named.rows) == ("you named my-bank", found.rows)


def test_a_table_of_unknown_words_gets_a_skeleton() -> None:
    """Its own header stands in it, to be put where it belongs."""
    found = try_profile("甲,乙,丙\n1,2,3\n".encode(), "t.csv")
    assert found.problem is not None
    assert found.proposal is not None
    assert '["甲", "乙", "丙"]' in found.proposal


def test_ones_own_profile_goes_before_a_shipped_one() -> None:
    """The same header, but the user says what it means."""
    text = """
name = "mine"
title = "mine"
header = ["交易日期"]
currency = "CNY"
[columns]
date = ["交易日期"]
amount = ["账户余额"]
"""
    own = [load_profile(text.encode(), "mine.toml")]
    found = try_profile((DATA / "ccb.csv").read_bytes(), "ccb.csv", own=own)
    assert found.profile == "mine"


def test_a_profile_whose_column_the_table_lacks_is_refused_by_name() -> None:
    """A wrong column is said, not read as a date that does not hold."""
    text = """
name = "mine"
title = "mine"
header = ["余额"]
currency = "CNY"
[columns]
date = ["记账日期"]
amount = ["余额"]
"""
    own = [load_profile(text.encode(), "mine.toml")]
    with pytest.raises(InputError) as caught:
        read_statement_bytes(TABLE, "t.csv", profile="mine", own=own)
    assert caught.value.code == "PROFILE_MISMATCH"
    assert caught.value.where.field == "date"
    assert "记账日期" in caught.value.message


def test_messages_and_fixed_lines_are_told_too() -> None:
    """What needs no profile says so."""
    found = try_profile((DATA / "day.sta").read_bytes(), "day.sta")
    assert (found.profile, found.reason) == (None, "the file is mt940, which needs no profile")
    generic = try_profile((DATA / "book.csv").read_bytes(), "book.csv")
    assert generic.profile == "generic"
