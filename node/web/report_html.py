"""The report as one HTML file: no script, no other file, the same look as the desk.

It holds what the signed report holds and says what it does not prove; style and face are inside,
so that it opens from disk in ten years. The signed JSON beside it is what `kanhe verify` checks.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from markupsafe import Markup

from node.web.i18n import Speaker
from node.web.pages import HERE, make_environment
from node.web.words import N_
from reconcile.model import BreakKind, Side

# Beyond this the file would be slow to open; the signed JSON holds every group.
MAX_GROUPS: Final = 2_000
MAX_BREAKS: Final = 5_000
FONT_URL: Final = 'url("fonts/inter-latin-wght-normal.woff2") format("woff2")'


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the reconciliation statement; `minor` as it moves the adjusted balance."""

    key: str
    kind: BreakKind
    text: str
    date: str
    minor: int
    age_days: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One of the five sections; `side` is whose balance it adjusts."""

    title: str
    side: Side
    items: tuple[Item, ...]

    @property
    def total_minor(self) -> int:
        """Return the sum of the section."""
        return sum(item.minor for item in self.items)


@dataclass(frozen=True, slots=True)
class Sheet:
    """余额调节表 of one currency: both closings, five sections, both adjusted balances."""

    currency: str
    closings: tuple[int, int]
    sections: tuple[Section, ...]

    @property
    def adjusted(self) -> tuple[int, int]:
        """Return both adjusted balances; equal when the proof amount is zero."""
        sums = [0, 0]
        for section in self.sections:
            sums[section.side] += section.total_minor
        return self.closings[0] + sums[0], self.closings[1] + sums[1]


TITLES: Final = (
    (Side.OWNER, True, N_("Servicer booked in, owner not yet: add")),
    (Side.OWNER, False, N_("Servicer booked out, owner not yet: deduct")),
    (Side.SERVICER, True, N_("Owner booked in, servicer not yet: add")),
    (Side.SERVICER, False, N_("Owner booked out, servicer not yet: deduct")),
)
DIFFERENCES: Final = N_("Errors and differences, under inquiry")


@cache
def style() -> str:
    """Return the desk's style with its face inside."""
    css = (HERE / "static" / "desk.css").read_text(encoding="utf-8")
    font = (HERE / "static" / "fonts" / "inter-latin-wght-normal.woff2").read_bytes()
    data = f'url("data:font/woff2;base64,{base64.b64encode(font).decode()}") format("woff2")'
    assert FONT_URL in css
    return css.replace(FONT_URL, data)


def sheets_of(report: Mapping[str, Any]) -> tuple[Sheet, ...]:
    """Return the reconciliation statement of every currency of a report."""
    carried = _carried(report)
    sheets = []
    for total in report["totals"]:
        currency = str(total["currency"])
        closings = (
            int(total["servicer"].get("closing_minor", 0)),
            int(total["owner"].get("closing_minor", 0)),
        )
        sheets.append(Sheet(currency, closings, _sections(report, currency, carried)))
    return tuple(sheets)


def _carried(report: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for side in Side:
        for item in report.get("carried", {}).get(side.word, ()):
            entry = item.get("entry", item)
            found[side.word, entry["entry_ref"]] = entry
    return found


def _sections(
    report: Mapping[str, Any],
    currency: str,
    carried: Mapping[tuple[str, str], Mapping[str, Any]],
) -> tuple[Section, ...]:
    places: dict[tuple[Side, bool], list[Item]] = {}
    differences: list[Item] = []
    for body in report["breaks"]:
        if "unexplained_minor" in body:
            # BALANCE and STATEMENT_GAP never enter the proof (matching.md, "Identities").
            continue
        for amount in body["signed"]:
            if amount["currency"] != currency:
                continue
            minor = int(amount["minor"])
            if body["servicer"] and body["owner"]:
                differences.append(_item(body, minor, carried))
            elif body["servicer"]:
                places.setdefault((Side.OWNER, minor >= 0), []).append(_item(body, minor, carried))
            else:
                # Signed is servicer minus owner: the owner's own movement has the other sign.
                places.setdefault((Side.SERVICER, minor <= 0), []).append(
                    _item(body, -minor, carried),
                )
    for name in ("residuals", "written_off"):
        differences += [
            Item(row["subject"], BreakKind.ROUNDING, name, "", int(row["minor"]), "", ())
            for row in report.get(name, ())
            if row["currency"] == currency
        ]
    four = tuple(
        Section(title, side, tuple(places.get((side, incoming), ())))
        for side, incoming, title in TITLES
    )
    return (*four, Section(DIFFERENCES, Side.OWNER, tuple(differences)))


def _item(
    body: Mapping[str, Any],
    minor: int,
    carried: Mapping[tuple[str, str], Mapping[str, Any]],
) -> Item:
    refs = [(side.word, ref) for side in Side for ref in body[side.word]]
    first = carried.get(refs[0]) if refs else None
    date = str(first["booking_date"]) if first else ""
    voucher = ""
    if first:
        voucher = next(iter((first.get("references") or {}).values()), "") or ""
    text = voucher or ", ".join(ref for _, ref in refs[:3])
    return Item(
        body["key"],
        BreakKind(body["kind"]),
        text,
        date,
        minor,
        str(body["age_days"]),
        tuple(body["marks"]),
    )


def report_html(
    report: Mapping[str, Any],
    groups: Sequence[Mapping[str, Any]] = (),
    *,
    signatures: Sequence[Mapping[str, Any]] = (),
    names: Mapping[str, str] | None = None,
    digest: str = "",
    locale: str = "zh",
) -> str:
    """Return the report as one self-contained HTML file.

    `signatures`: {"side", "signer" (or "approver"), "signature"} of each side that signed.
    `names`: the servicer's, the owner's and the agreement's name; they are no part of the signed
    report.
    """
    speaker = Speaker(locale)
    called = {
        "servicer": speaker.gettext("account servicer"),
        "owner": speaker.gettext("account owner"),
        "agreement": str(report["agreement"])[:16],
        **(names or {}),
    }
    by_kind = Counter(BreakKind(item["kind"]) for item in report["breaks"])
    signed = {
        str(item["side"]): {
            "signer": item.get("signer") or item.get("approver") or "–",
            "signature": item["signature"],
        }
        for item in signatures
    }
    return (
        make_environment()
        .get_template("report.html")
        .render(
            s=speaker,
            locale=locale,
            _=speaker.gettext,
            gettext=speaker.gettext,
            ngettext=speaker.ngettext,
            style=Markup(style()),  # noqa: S704 - our own file
            report=report,
            groups=groups[:MAX_GROUPS],
            groups_left=max(0, len(groups) - MAX_GROUPS),
            breaks=report["breaks"][:MAX_BREAKS],
            breaks_left=max(0, len(report["breaks"]) - MAX_BREAKS),
            kinds=sorted(by_kind.items()),
            carried=_carried(report),
            signatures=signed,
            names=called,
            digest=digest,
            sheets=sheets_of(report),
        )
    )


def bundle_html(
    bundle: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    locale: str = "zh",
) -> str:
    """Return a report bundle (as `kanhe verify` reads it) as one HTML file."""
    result = bundle["result"]
    return report_html(
        bundle["report"],
        bundle["groups"],
        signatures=result["attestations"],
        names=names,
        digest=str(result["digest"]),
        locale=locale,
    )
