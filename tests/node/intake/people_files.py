"""Files of people who cannot exist: region 99 of the resident identity numbers."""

from __future__ import annotations

import json
from pathlib import Path

from listed_people import TODAY, number_of

from node.intake import Import, Refused, Stated, Summary, open_import
from node.intake.columns import ColumnMap
from node.intake.drafts import Draft, Facts
from node.screening.listings import ActionTaken, Product, Reason

STATED = Stated(7, TODAY, "CN-2013", allow_test=True)
#: What an import of foreign lists has to state: they know neither notice nor action.
FOREIGN = Stated(
    7,
    TODAY,
    "CN-2013",
    Facts(
        reason=Reason.APPLICATION_FRAUD,
        product=Product.ACCOUNT,
        amount_band=0,
        days_past_due_band=0,
        action=ActionTaken.REPORTED,
        notice_at=TODAY - 30,
        notice_hash=b"\x0b" * 32,
        consent=b"\x0a" * 32,
    ),
    allow_test=True,
)
HEADER = (
    "客户姓名,身份证号,产品,逾期金额,逾期天数,逾期起始日,告知日期,采取措施,名单类型,"
    "授权书摘要,告知书摘要"
)


def cells_of(serial: int = 1, **changes: str) -> dict[str, str]:
    """Return the cells of a good row, some of them changed."""
    good = {
        "name": "某某",
        "id": number_of(serial),
        "product": "信用卡",
        "amount": "12345.60",
        "days": "95",
        "since": "2026/8/1",
        "told": "2026-10-01",
        "action": "催收",
        "reason": "逾期",
        "consent": "ab" * 32,
        "notice": "cd" * 32,
    }
    return {**good, **changes}


def overdue_text(*rows: dict[str, str], header: str = HEADER) -> str:
    """Return an overdue list."""
    quoted = [",".join(f'"{cell}"' for cell in row.values()) for row in rows]
    return "\r\n".join([header, *quoted]) + "\r\n"


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    """Write a file and return its path."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def run(
    path: Path,
    stated: Stated = STATED,
    *,
    column_map: ColumnMap | None = None,
    partial: bool = False,
) -> tuple[Summary, list[Refused], list[Draft]]:
    """Check a file and, where it may be kept, return its drafts."""
    with open_import(path, stated, column_map=column_map, accept_map=True) as found:
        refused = list(found.refusals())
        drafts = list(found.drafts(partial=partial)) if not refused or partial else []
        return found.summary, refused, drafts


def provenance(draft: Draft) -> dict[str, object]:
    """Return what a draft keeps of its origin."""
    body: dict[str, object] = json.loads(draft.provenance)
    return body


__all__ = ["FOREIGN", "HEADER", "STATED", "Import"]
