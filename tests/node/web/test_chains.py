"""Head office's vouchers on the desk and by REST."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from desk_town import Reader, Replica, reader_of

from devnet.local import EmbeddedChain
from tests.node.services.conftest import Pair, make_pair
from tests.node.services.test_chaining import branch, voucher


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, bytes, bytes]]:
    """A head office with two branches: one voucher arrived, one at head, one sent."""
    with EmbeddedChain(block_time_s=0) as chain:
        pair = make_pair(tmp_path_factory.mktemp("chains"), chain)
        north, south = branch(pair), branch(pair)
        pair.owner.posting.queue_entries(
            north, [voucher(f"b{n}", -100 * n, f"VCH-{n}") for n in (1, 2, 3)]
        )
        pair.servicer.posting.queue_entries(
            north, [voucher(f"h{n}", -100 * n, f"VCH-{n}") for n in (1, 2)]
        )
        pair.servicer.posting.queue_entries(south, [voucher("h9", 100, "VCH-1")])
        pair.owner.posting.queue_entries(south, [voucher("b9", 100, "vch-1 ")])
        pair.settle()
        yield pair, north, south
        for node in pair.nodes:
            node.close()


@pytest.fixture(scope="module")
def at_head(head: tuple[Pair, bytes, bytes]) -> Iterator[Reader]:
    """A person of head office at its desk."""
    with reader_of(head[0].servicer) as made:
        yield made


def test_the_page_rolls_up_and_drills_down(at_head: Reader) -> None:
    """What is in transit stands above, each voucher's entries in both agreements below."""
    page = at_head.get("/chains")
    assert "does not hold" not in page
    assert ">5.00<" in page  # VCH-2 and VCH-3 are on their way
    for number in (1, 2, 3):
        assert f"VCH-{number}" in page
    links = re.findall(r'href="/firm(/agreements/[0-9a-f]+/entries/[^"]+)"', page)
    assert len(links) == 7
    for link in links:
        at_head.get(link)
    waiting = at_head.get("/chains?open=1")
    assert "VCH-1" not in waiting
    assert "VCH-3" in at_head.get("/chains?state=ORIGINATED")
    assert "No voucher matches" in at_head.get("/chains?voucher=nowhere")
    assert 'href="/firm/chains"' in at_head.get("/agreements")
    assert "支行已发出" in at_head.client.get("/firm/chains?lang=zh").text
    at_head.client.get("/firm/chains?lang=en")


def test_the_rest_interface_says_the_same(at_head: Reader) -> None:
    """Amounts are strings, states filter, the identity holds; an unknown state is refused."""
    found = re.search(r"kanhe_[0-9a-f]{64}", at_head.post("/me/tokens", 200, label="chains"))
    assert found
    headers = {"authorization": f"Bearer {found.group(0)}"}
    with httpx.Client(base_url=f"{at_head.base}/firm/api/v1", headers=headers, timeout=30) as api:
        body = api.get("/chains").json()
        assert (body["holds"], body["total"]) == (True, "3")
        (line,) = body["in_transit"]
        assert line["counts"] == {
            "ORIGINATED": "1",
            "AT_HEAD": "1",
            "RECEIVED": "1",
            "IRREGULAR": "0",
        }
        assert (line["in_transit_minor"], line["open_minor"]) == ("500", "500")
        assert (line["unmatched_minor"], line["at_head_minor"]) == ("300", "200")
        only = api.get("/chains", params={"state": "received"}).json()
        assert [chain["voucher_no"] for chain in only["chains"]] == ["VCH-1"]
        assert len(only["chains"][0]["legs"]) == 2
        wrong = api.get("/chains", params={"state": "lost"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "CHAIN_STATE")


def test_who_keeps_no_branch_sees_an_empty_page(reader: Reader, replica: Replica) -> None:
    """The page of an institution without branches says what would stand there."""
    assert replica.node.reconciliation.chains().chains == ()
    assert "No voucher yet." in reader.get("/chains")
    assert 'href="/firm/chains"' not in reader.get("/agreements")
