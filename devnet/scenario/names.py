"""Firms, branches and remittance texts of a made-up world.

None of these firms exists: the Chinese names join rare words that no register uses together, the
English ones are invented. Accounts begin with 9901, a range no bank issues.
"""

from __future__ import annotations

from typing import Final

_PLACES: Final = ("宁波", "青岛", "绍兴", "佛山", "株洲", "烟台", "泉州", "洛阳", "常德", "咸阳")
_WORDS: Final = ("棂舟", "霁岫", "砚澜", "筠砺", "澹野", "翎浦", "缃禾", "钰枥", "岑溯", "璞汀")
_TRADES: Final = (
    "远洋运输有限公司",
    "精密机械有限公司",
    "食品贸易有限公司",
    "纺织科技有限公司",
    "电子商务有限公司",
    "新材料有限公司",
)
_ENGLISH: Final = (
    "Quillmere Freight Ltd",
    "Oakhollow & Sable Textiles Ltd",
    "Brindlewick Precision GmbH",
    "Varnholt Instruments AG",
    "Castellane Olive Imports SARL",
    "Nordfennel Shipping AS",
    "Pellworth Paper Mills Ltd",
    "Tamarisk Bay Seafood Pte Ltd",
)
_BRANCHES: Final = ("江北支行", "滨海支行", "高新区支行", "老城支行", "临港支行", "南湖支行")

REMITTANCES: Final = (
    "货款",
    "运费",
    "服务费",
    "材料款",
    "加工费",
    "租金",
    "设备尾款",
    "invoice settlement",
    "freight charges",
    "spare parts",
)
BUSINESS_TYPES: Final = ("PURCHASE", "REFUND", "TRANSFER")


def _firms() -> tuple[tuple[str, str], ...]:
    names = [place + word + trade for word in _WORDS for place in _PLACES for trade in _TRADES]
    names += _ENGLISH
    return tuple((name, f"9901{7_000_000_000 + 104_729 * i:012d}") for i, name in enumerate(names))


FIRMS: Final = _firms()
BRANCHES: Final = tuple(
    (name, f"9901{8_000_000_000 + 7_919 * i:012d}") for i, name in enumerate(_BRANCHES)
)
