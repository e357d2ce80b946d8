"""The default terms: what `kanhe match` does without `--terms` (matching.md, "Default terms").

An alternative ("then") is a pass of its own, right behind its first: `tx` and `tx_instr`,
`order` and `order_trace`, `srvref` and `srvref_voucher`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconcile.currency import digits_of
from reconcile.model import InputError, Where
from reconcile.terms.rules import AmountRule, KeyPair, MatchPass, Terms

# Banks upper-case and pad what they carry; a reference is compared in that form.
TEXT: Final = ("nfkc_ascii", "trim", "upper")
_EXACT: Final = AmountRule()


def _same(carrier: str, min_length: int, normalise: tuple[str, ...] = TEXT) -> KeyPair:
    return KeyPair(carrier, carrier, normalise, min_length)


def _pass(
    name: str,
    *keys: KeyPair,
    days: int = 3,
    shape: tuple[str, ...] = ("1:1",),
    confirm: str = "always",
    guards: bool = False,
) -> MatchPass:
    return MatchPass(name, keys, _EXACT, None, days, shape, confirm, guards=guards)


def default_passes() -> tuple[MatchPass, ...]:
    """Return the nine passes of matching.md with their alternatives."""
    return (
        _pass("e2e", _same("end_to_end_id", 4)),
        _pass("uetr", _same("uetr", 32, ("alnum", "upper"))),
        _pass("tx", _same("transaction_id", 6)),
        _pass("tx_instr", _same("instruction_id", 6)),
        _pass("order", _same("order_no", 6)),
        _pass("order_trace", _same("trace_no", 6), _same("rrn", 6)),
        _pass("group", _same("group_ref", 4), shape=("1:N", "N:1")),
        # The servicer gives each payment one number: where both books hold it, it tells them apart.
        _pass("srvref", _same("servicer_ref", 8), confirm="unique", guards=True),
        _pass("srvref_voucher", KeyPair("end_to_end_id", "voucher_no", TEXT, 8), confirm="unique"),
        _pass("account", _same("counterparty_account", 8, ("digits",)), days=1, confirm="unique"),
        _pass("name", _same("counterparty_name", 2), days=1, confirm="never"),
        _pass("bare", days=1, confirm="never"),
    )


def default_terms(currencies: Iterable[str]) -> Terms:
    """Return the default terms over ISO 4217 codes, withdrawn ones included.

    Raises InputError TERMS_CURRENCY_DIGITS for any other code.
    """
    digits = {}
    for code in sorted(set(currencies)):
        known = digits_of(code)
        if known is None:
            raise InputError(
                "TERMS_CURRENCY_DIGITS",
                f"ISO 4217 gives no minor units for {code!r}",
                where=Where(field=f"currencies.{code}"),
                help="give terms that state the currency's digits (--terms)",
            )
        digits[code] = known
    return Terms(currencies=digits, passes=default_passes())
