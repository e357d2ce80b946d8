"""The report as one HTML file: no script, no other file, the same look as the desk.

It holds what the signed report holds and says what it does not prove; style and face are inside,
so that it opens from disk in ten years. The signed JSON beside it is what `kanhe verify` checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from node.web.adjustment.paper import sheet_words
from node.web.i18n import Speaker
from node.web.pages import make_environment
from node.web.style import style
from reconcile.model import AgreementKind, BreakKind, Side
from reconcile.report import AdjustmentSheet, adjustment_sheets, group_from_json

# Beyond this the file would be slow to open; the signed JSON holds every group.
MAX_GROUPS: Final = 2_000
MAX_BREAKS: Final = 5_000


def _carried(report: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for side in Side:
        for item in report.get("carried", {}).get(side.word, ()):
            entry = item.get("entry", item)
            found[side.word, entry["entry_ref"]] = entry
    return found


def report_html(
    report: Mapping[str, Any],
    groups: Sequence[Mapping[str, Any]] = (),
    *,
    signatures: Sequence[Mapping[str, Any]] = (),
    names: Mapping[str, str] | None = None,
    digest: str = "",
    locale: str = "zh",
    sheets: Sequence[AdjustmentSheet] | None = None,
) -> str:
    """Return the report as one self-contained HTML file.

    `signatures`: {"side", "signer" (or "approver"), "signature"} of each side that signed.
    `names`: the servicer's, the owner's and the agreement's name; they are no part of the signed
    report. `sheets`: the 余额调节表, where earlier reports told the origins of old differences.
    """
    speaker = Speaker(locale)
    if sheets is None:
        sheets = adjustment_sheets(report, [group_from_json(item) for item in groups])
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
            sheets=[
                sheet_words(
                    sheet,
                    AgreementKind[report["kind"]],
                    (called["servicer"], called["owner"]),
                    speaker,
                )
                for sheet in sheets
            ],
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
