from __future__ import annotations

import pytest

from reconcile.model import InputError
from reconcile.statements import load_profile
from reconcile.statements.profile_check import problems
from reconcile.statements.profiles import profiles

GOOD = """
name = "my-bank"
title = "my bank"
header = ["日", "额"]
currency = "CNY"
source_ref = "servicer_ref"
totals = [{ pattern = '共(?P<count>\\d+)笔' }]

[columns]
date = ["日"]
amount = ["额"]
servicer_ref = ["号"]
"""
RULES = """
[rules]
flows = [{ when = { kind = '^退' }, direction = "OUT", status = "RETURNED" }]
states = [{ match = 'ok', status = "BOOKED" }]
"""


def test_every_shipped_profile_holds() -> None:
    """What is asked of a user's profile holds for our own, but for the names they have."""
    for profile in profiles().values():
        found = [problem for field, problem in problems(profile) if field != "name"]
        assert not found, (profile.name, found)
        assert profile.source


def test_a_good_profile_is_taken() -> None:
    """Its words are kept as written."""
    profile = load_profile(GOOD.encode(), "p.toml")
    assert (profile.name, profile.ref_fields) == ("my-bank", ("servicer_ref",))


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ('name = "my-bank"', 'name = "My Bank"', "name", "lower-case"),
        ('name = "my-bank"', f'name = "{"a" * 41}"', "name", "1 to 40"),
        ('name = "my-bank"', 'name = "wechat"', "name", "shipped"),
        ('name = "my-bank"', 'name = "generic"', "name", "shipped"),
        ('header = ["日", "额"]', "header = []", "header", "recognised"),
        ('currency = "CNY"', 'currency = "RMB"', "currency", "ISO 4217"),
        ('date = ["日"]', 'dat = ["日"]', "columns.dat", "did you mean 'date'"),
        ('amount = ["额"]', 'sum_of_it = ["额"]', "columns.sum_of_it", "is no field"),
        ('date = ["日"]', 'value_date = ["日"]', "columns.date", "booked"),
        ('amount = ["额"]', 'debit = ["额"]', "columns.amount", "debit and credit"),
        ('amount = ["额"]', "amount = []", "columns.amount", "names no column"),
        ('source_ref = "servicer_ref"', 'source_ref = "voucher_no"', "source_ref", "no 'voucher"),
        ("共(?P<count>\\d+)笔", "共(?P<count>\\d+", "totals[0].pattern", "RE2"),
        ("共(?P<count>\\d+)笔", "共(\\d+)笔\\1", "totals[0].pattern", "RE2"),
        ("共(?P<count>\\d+)笔", "共(\\d+)笔", "totals[0]", "(?P<count>"),
        ('currency = "CNY"', 'currency = "CNY"\naccount_pattern = "x"', "account_pattern", "group"),
        ('currency = "CNY"', 'currency = "CNY"\ndate_format = "DDMM"', "date_format", "MMDD"),
        ('currency = "CNY"', 'currency = "CNY"\nutc_offset_min = 900', "utc_offset_min", "zone"),
        ('currency = "CNY"', 'currency = "CNY"\ncolour = "red"', "", "colour"),
        ('currency = "CNY"', "currency = 7", "currency", "str"),
    ],
)
def test_what_does_not_hold_is_told_before_a_file_is_read(
    old: str, new: str, field: str, says: str
) -> None:
    """A wrong column, an unknown word, an expression that RE2 refuses: each with its field."""
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(InputError) as caught:
        load_profile(text.encode(), "p.toml")
    assert caught.value.code == "PROFILE_INVALID"
    assert caught.value.where.file == "p.toml"
    assert (caught.value.where.field or "") == field
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"RETURNED"', '"GONE"', "rules.flows[0].status"),
        ('"BOOKED"', '"FINE"', "rules.states[0].status"),
        ("'^退'", "'(退'", "rules.flows[0].when.kind"),
        ("'ok'", "'*'", "rules.states[0].match"),
        ('"OUT"', '"AWAY"', "rules.flows[0].direction"),
        ('status = "RETURNED"', 'amount = "refund"', "rules.flows[0]"),
    ],
)
def test_rules_are_checked_too(old: str, new: str, field: str) -> None:
    """Statuses, directions, expressions and the columns that rules look at."""
    good = GOOD + 'kind = ["类"]\n' + RULES
    load_profile(good.encode(), "p.toml")
    with pytest.raises(InputError) as caught:
        load_profile(good.replace(old, new, 1).encode(), "p.toml")
    assert caught.value.where.field == field


def test_a_fixed_layout_names_only_columns_it_has() -> None:
    """Positions count from 1, every field points at one of them, and no header is named."""
    text = """
name = "core"
title = "core"
[fixed]
recognise = '^D'
[fixed.columns]
"日" = [1, 8]
"额" = [9, 12]
[columns]
date = ["日"]
amount = ["额"]
"""
    load_profile(text.encode(), "p.toml")
    for old, new, field in (
        ("[9, 12]", "[0, 12]", "fixed.columns"),
        ('amount = ["额"]', 'amount = ["额度"]', "columns.amount"),
        ('title = "core"', 'title = "core"\nheader = ["日"]', "header"),
        ("'^D'", "'(D'", "fixed.recognise"),
    ):
        with pytest.raises(InputError) as caught:
            load_profile(text.replace(old, new, 1).encode(), "p.toml")
        assert caught.value.where.field == field


def test_broken_toml_is_told_with_its_line() -> None:
    """A missing quote is found where it is missing."""
    with pytest.raises(InputError) as caught:
        load_profile(GOOD.replace('"my bank"', '"my bank').encode(), "p.toml")
    assert (caught.value.code, caught.value.where.line) == ("PROFILE_INVALID", 3)
    with pytest.raises(InputError, match="larger"):
        load_profile(b"#" * 300_000, "p.toml")
