"""Where the texts of a camt entry stand: a plan compiled once for each sequence of elements.

An entry (Ntry) and each of its details (TxDtls) are flat lists of (path, text). Entries of one
bank have few such sequences of paths, so which text is the amount and which the reference is
worked out once and kept; every further entry only looks its texts up. -1 is "not there": the
list of texts always ends in an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from reconcile.model import Carrier

NOWHERE: Final = -1
DETAIL: Final = "NtryDtls/TxDtls"
BATCH: Final = "NtryDtls/Btch"

_CARRIERS: Final = {
    "EndToEndId": Carrier.END_TO_END_ID,
    "InstrId": Carrier.INSTRUCTION_ID,
    "TxId": Carrier.TRANSACTION_ID,
    "UETR": Carrier.UETR,
    "AcctSvcrRef": Carrier.SERVICER_REF,
    "ChqNb": Carrier.VOUCHER_NO,
    "ClrSysRef": Carrier.TRACE_NO,
}
_STRUCTURED: Final = ("RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/AddtlRmtInf")


class Paths:
    """The first place of each path, and all places of those that may come again."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the paths in document order."""
        self.paths = paths
        self.at: dict[str, int] = {}
        for index, path in enumerate(paths):
            self.at.setdefault(path, index)

    def first(self, *paths: str) -> int:
        """Return the place of the first path that is there."""
        return next((self.at[path] for path in paths if path in self.at), NOWHERE)

    def every(self, *paths: str) -> tuple[int, ...]:
        """Return all places of some paths, in document order."""
        return tuple(index for index, path in enumerate(self.paths) if path in paths)

    def within(self, path: str) -> bool:
        """Say whether an element is there, with or without children."""
        return any(one == path or one.startswith(path + "/") for one in self.paths)


class KindPlan:
    """BkTxCd: domain, family, sub-family, or the bank's own code."""

    __slots__ = ("domain", "empty", "own")

    def __init__(self, paths: Paths) -> None:
        self.domain = tuple(
            paths.first(f"BkTxCd/Domn/{one}") for one in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")
        )
        self.own = paths.first("BkTxCd/Prtry/Cd")
        self.empty = {*self.domain, self.own} == {NOWHERE}


class ChargePlan:
    """Chrgs: the total, else the records; (amount, currency, mark) each."""

    __slots__ = ("empty", "records", "total")

    def __init__(self, paths: Paths) -> None:
        total = paths.first("Chrgs/TtlChrgsAndTaxAmt")
        self.total = (total, paths.first("Chrgs/TtlChrgsAndTaxAmt@Ccy"), NOWHERE)
        found: list[list[int]] = []
        for index, path in enumerate(paths.paths):
            if path in {"Chrgs/Rcrd/Amt@Ccy", "Chrgs/Amt@Ccy"}:
                # Attributes stand before their element's text.
                found.append([index + 1, index, NOWHERE])
            elif path in {"Chrgs/Rcrd/CdtDbtInd", "Chrgs/CdtDbtInd"} and found:
                found[-1][2] = index
        self.records = tuple((amount, code, mark) for amount, code, mark in found)
        self.empty = total == NOWHERE and not found


class PartyPlan:
    """One party: places of its name (the first that is filled) and of its account."""

    __slots__ = ("accounts", "names")

    def __init__(self, paths: Paths, word: str) -> None:
        base = "RltdPties/"
        self.names = tuple(
            paths.first(base + one)
            for one in (
                f"{word}/Pty/Nm", f"{word}/Nm", f"{word}/Agt/FinInstnId/Nm",
                f"Ultmt{word}/Pty/Nm", f"Ultmt{word}/Nm",
            )
            if base + one in paths.at
        )  # fmt: skip
        self.accounts = tuple(
            paths.at[base + one]
            for one in (f"{word}Acct/Id/IBAN", f"{word}Acct/Id/Othr/Id")
            if base + one in paths.at
        )


class DetailPlan:
    """Where the texts of one TxDtls stand."""

    __slots__ = (
        "amounts", "carriers", "charges", "extra", "group", "has_parties", "kind", "mark",
        "moments", "payee", "payer", "remittance", "returned",
    )  # fmt: skip

    def __init__(self, paths: Paths) -> None:
        # TxDtls/Amt from version 03, AmtDtls/TxAmt/Amt in version 02.
        self.amounts = tuple(
            (paths.at[one], paths.first(f"{one}@Ccy"))
            for one in ("Amt", "AmtDtls/TxAmt/Amt")
            if one in paths.at
        )
        self.mark = paths.first("CdtDbtInd")
        self.carriers = tuple(
            (int(carrier), paths.every(f"Refs/{word}")[-1])
            for word, carrier in _CARRIERS.items()
            if f"Refs/{word}" in paths.at
        )
        self.group = paths.first("Refs/PmtInfId")
        self.has_parties = paths.within("RltdPties")
        self.payer = PartyPlan(paths, "Dbtr")
        self.payee = PartyPlan(paths, "Cdtr")
        self.remittance = paths.every("RmtInf/Ustrd") + paths.every(*_STRUCTURED)
        self.extra = paths.first("AddtlTxInf")
        self.kind = KindPlan(paths)
        self.charges = ChargePlan(paths)
        self.returned = paths.within("RtrInf")
        self.moments = tuple(
            paths.at[one] for one in ("RltdDts/AccptncDtTm", "RltdDts/TxDtTm") if one in paths.at
        )


class EntryPlan:
    """Where the texts of one Ntry stand, its details apart."""

    __slots__ = (
        "amount",
        "booking",
        "charges",
        "currency",
        "extra",
        "group",
        "has_booking",
        "has_value",
        "kind",
        "mark",
        "number",
        "reversal",
        "servicer_ref",
        "status",
        "status_own",
        "total",
        "total_currency",
        "unusual",
        "value",
    )  # fmt: skip

    def __init__(self, paths: Paths) -> None:
        self.amount = paths.first("Amt")
        self.currency = paths.first("Amt@Ccy")
        self.mark = paths.first("CdtDbtInd")
        # Up to version 07 Sts is the code itself, from 08 on a choice of Cd and Prtry.
        self.status = paths.first("Sts", "Sts/Cd")
        self.status_own = paths.first("Sts/Prtry")
        self.booking = paths.first("BookgDt/Dt", "BookgDt/DtTm")
        self.value = paths.first("ValDt/Dt", "ValDt/DtTm")
        self.has_booking = paths.within("BookgDt")
        self.has_value = paths.within("ValDt")
        self.servicer_ref = paths.first("AcctSvcrRef")
        self.reversal = paths.first("RvslInd")
        self.kind = KindPlan(paths)
        self.charges = ChargePlan(paths)
        self.group = tuple(
            paths.at[one]
            for one in ("NtryDtls/Btch/PmtInfId", "NtryDtls/Btch/MsgId")
            if one in paths.at
        )
        self.number = paths.first("NtryDtls/Btch/NbOfTxs")
        self.total = paths.first("NtryDtls/Btch/TtlAmt")
        self.total_currency = paths.first("NtryDtls/Btch/TtlAmt@Ccy")
        self.extra = paths.first("AddtlNtryInf")
        # What only some entries have, and the short way passes over.
        self.unusual = (
            bool(self.group)
            or not self.charges.empty
            or {self.number, self.total, self.reversal} != {NOWHERE}
            or self.booking != paths.first("BookgDt/Dt")
            or self.value != paths.first("ValDt/Dt")
        )


@lru_cache(maxsize=1024)
def entry_plan(paths: tuple[str, ...]) -> EntryPlan:
    """Return the plan for an entry's paths."""
    return EntryPlan(Paths(paths))


@lru_cache(maxsize=1024)
def detail_plan(paths: tuple[str, ...]) -> DetailPlan:
    """Return the plan for a detail's paths."""
    return DetailPlan(Paths(paths))


def relevant(path: str) -> bool:
    """Say whether any plan looks at a path (from the entry down)."""
    detail = path.removeprefix(DETAIL + "/")
    if detail is not path and detail != path:
        return detail.startswith(_DETAIL_PARTS)
    return path.startswith(_ENTRY_PARTS)


_ENTRY_PARTS: Final = (
    "Amt", "CdtDbtInd", "Sts", "BookgDt/", "ValDt/", "AcctSvcrRef", "RvslInd", "BkTxCd/",
    "Chrgs", "NtryDtls/Btch/", "AddtlNtryInf",
)  # fmt: skip
_DETAIL_PARTS: Final = (
    "Amt", "CdtDbtInd", "Refs/", "RltdPties", "RmtInf/", "AddtlTxInf", "BkTxCd/", "Chrgs",
    "RtrInf", "RltdDts/",
)  # fmt: skip


def split_paths(paths: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return an entry's own paths, and those of its only detail without their beginning."""
    own: list[str] = []
    detail: list[str] = []
    for path in paths:
        if path.startswith(DETAIL + "/"):
            detail.append(path[len(DETAIL) + 1 :])
        else:
            own.append(path)
    return tuple(own), tuple(detail)
