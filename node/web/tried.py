"""Why a pass did not confirm a break's entries, in the reader's language."""

from __future__ import annotations

from node.services.breaks import Tried
from node.web.i18n import Speaker
from node.web.words import CARRIERS, FIELDS


def tried_why(item: Tried, speaker: Speaker) -> str:
    """Return the sentence of one pass, its amounts and fields as the desk writes them."""
    _ = speaker.gettext
    match item.verdict, item.facts:
        case "NO_COUNTERPART", _facts:
            return _("no entry of the other side has the same key")
        case "NO_KEY", (side, carrier):
            pattern = (
                _("the servicer's entry has no %(what)s")
                if side == "servicer"
                else _("the owner's entry has no %(what)s")
            )
            return pattern % {"what": _carrier(carrier, speaker)}
        case "KEY_DIFFERS", (carrier, left, right):
            return _("%(what)s: %(left)s is not %(right)s") % _pair(carrier, left, right, speaker)
        case "TOLD_APART", (carrier, left, right):
            return _("%(what)s: %(left)s is not %(right)s, so they are two payments") % _pair(
                carrier, left, right, speaker
            )
        case "CURRENCY_DIFFERS", (left, right):
            return _("%(left)s is not %(right)s") % {"left": left, "right": right}
        case "AMOUNT_DIFFERS", (currency, left, right):
            money = {"left": speaker.money(left, currency), "right": speaker.money(right, currency)}
            return _("%(left)s is not %(right)s") % money
        case "TOO_FAR", (apart, most):
            number = int(apart)
            said = speaker.ngettext(
                "%(number)s business day apart, at most %(most)s",
                "%(number)s business days apart, at most %(most)s",
                number,
            )
            return said % {"number": number, "most": most}
        case "NOT_CONFIRMED", _facts:
            return _("it agrees, but not alone: a person confirms it")
        case "SETTLED_OTHERWISE", _facts:
            return _("it agrees, but another entry was first or it is held")
    return item.why


def _carrier(word: str, speaker: Speaker) -> str:
    return speaker.gettext({**CARRIERS, **FIELDS}.get(word, word))


def _pair(carrier: str, left: str, right: str, speaker: Speaker) -> dict[str, str]:
    return {"what": _carrier(carrier, speaker), "left": left, "right": right}
