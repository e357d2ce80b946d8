from __future__ import annotations

import re

from desk_town import Town

from node.web.report_html import bundle_html, sheets_of


def test_the_adjusted_balances_of_the_statement_are_equal(town: Town) -> None:
    """The five sections lead both closing balances to the same figure, in every currency."""
    bundle = town.firm.proofs.bundle(town.agreement, town.agreed)
    sheets = sheets_of(bundle["report"])  # type: ignore[arg-type]
    assert {sheet.currency for sheet in sheets} == {"CNY", "USD"}
    for sheet in sheets:
        assert len(sheet.sections) == 5
        servicer, owner = sheet.adjusted
        assert servicer == owner, sheet.currency
    assert any(section.items for sheet in sheets for section in sheet.sections)


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
