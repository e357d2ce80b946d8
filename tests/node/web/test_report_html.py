from __future__ import annotations

import re

from desk_town import Town

from node.web.i18n import Speaker
from node.web.report_html import bundle_html
from reconcile.report import adjustment_sheets


def test_the_report_shows_the_reconciliation_statement(town: Town) -> None:
    """The five sections lead both closing balances to one figure, in every currency."""
    bundle = town.firm.proofs.bundle(town.agreement, town.agreed)
    sheets = adjustment_sheets(bundle["report"])  # type: ignore[arg-type]
    assert {sheet.currency for sheet in sheets} == {"CNY", "USD"}
    page = bundle_html(bundle, locale="en")
    for sheet in sheets:
        assert sheet.agrees
        assert page.count(Speaker("en").amount(sheet.adjusted[0], sheet.currency)) >= 2
    for number, word in enumerate(("received", "paid", "received", "paid", "Errors"), start=1):
        assert re.search(rf"{number}\. [A-Za-z: ]*{word}", page)


def test_the_file_stands_alone_in_both_languages(town: Town) -> None:
    """No script, no address of another file or host; digest, signatures and every break inside."""
    bundle = town.firm.proofs.bundle(town.agreement, town.agreed)
    names = {"servicer": "A & B <bank>", "owner": "O", "agreement": "···0012"}
    for locale, title in (("zh", "余额调节表"), ("en", "Balance reconciliation statement")):
        page = bundle_html(bundle, names=names, locale=locale)
        assert title in page
        assert "A &amp; B &lt;bank&gt;" in page
        assert "<script" not in page
        # The face inside is base64: leave it out before looking for addresses.
        visible = re.sub(r"data:font/woff2;base64,[A-Za-z0-9+/=]+", "", page)
        assert not re.search(r"(src|href)=|https?://|url\((?!\"\")", visible.replace('url("")', ""))
        result = bundle["result"]
        assert str(result["digest"]) in page  # type: ignore[index]
        for signed in result["attestations"]:  # type: ignore[index]
            assert signed["signature"] in page
        for item in bundle["report"]["breaks"]:  # type: ignore[index]
            assert item["key"][:12] in page
