"""What an answer says of her in her language, before any proof: the page and `kanhe person` alike.

Each fact is a list of rows, what it is and what it says; times say their zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from node.screening.consents import Scope
from node.screening.states import DAY_S
from node.wallet import EntryFact, LookupFact, ReadBack
from node.web.blacklist_words import CONSENT_LEVELS, PRODUCTS, REASONS, SCOPES
from node.web.i18n import Speaker
from node.web.lookup_words import PURPOSES
from node.web.words import N_

Rows = list[tuple[str, str]]

#: What an entry's state means for her, by the ledger's word.
STATE_SAYS: Final[Mapping[str, str]] = {
    "TICKETED": N_("announced, and not in the index yet"),
    "LAPSED": N_("announced and never listed: nobody finds it"),
    "UNTAGGED": N_("it stands, but no lookup finds it at present"),
    "LISTED": N_("it stands: a lookup of you finds it"),
    "DISPUTED": N_("it is disputed: a lookup of you finds it, and shows the dispute"),
    "SUSPENDED": N_("suspended by its dispute: it does not count"),
    "CORRECTED": N_("over: another entry took its place"),
    "REMOVED": N_("over: it was removed"),
    "EXPIRED": N_("over: its time has run out"),
    "ERASED": N_("over: it was erased"),
}


def entry_rows(fact: EntryFact, speaker: Speaker) -> Rows:
    """Return what an entry says: by whom, why, from when until when, and what became of it."""
    _ = speaker.gettext
    days = {"first": speaker.day(fact.effective_from), "last": speaker.day(fact.expires_at)}
    rows = [
        (_("Listed by"), _("member %(number)s") % {"number": fact.uploader}),
        (_("Why"), _(REASONS.get(fact.reason, fact.reason))),
        (_("Concerning"), _(PRODUCTS.get(fact.product, fact.product))),
        (_("In force"), _("%(first)s to %(last)s") % days),
        (_("Your consent to it"), consent_words(fact, speaker)),
    ]
    if fact.state is None or fact.as_of_s is None:
        asked = _("not shown here: ask member %(number)s for it") % {"number": fact.uploader}
        return [*rows, (_("State"), asked)]
    says = STATE_SAYS.get(fact.state.name)
    rows.append((_("State"), fact.state.name if says is None else _(says)))
    if fact.suspension is not None:
        ended = fact.suspension
        span = {"first": speaker.day(ended.since_s // DAY_S), "last": speaker.day(ended.last_day)}
        rows.append((_("Suspended"), _("%(first)s to %(last)s") % span))
    rows.append((_("As it stood"), _as_of(speaker, fact.as_of_s, fact.as_of_block or 0)))
    return rows


def consent_words(fact: EntryFact, speaker: Speaker) -> str:
    """Return what an entry rests on: recorded by whose word, when, and whether it is revoked."""
    _, consent = speaker.gettext, fact.rests_on
    if not consent.told:
        return _("not shown here: ask member %(number)s for it") % {"number": fact.uploader}
    if consent.level is None or consent.recorded_at_s is None:
        return _("not recorded on the ledger: the uploader alone says that you gave it")
    told = {
        "level": _(CONSENT_LEVELS[int(consent.level)]),
        "time": moment(speaker, consent.recorded_at_s),
    }
    if consent.revoked_at_s is None:
        return _("%(level)s on %(time)s, not revoked") % told
    told["revoked"] = moment(speaker, consent.revoked_at_s)
    return _("%(level)s on %(time)s, REVOKED on %(revoked)s") % told


def lookup_rows(fact: LookupFact, speaker: Speaker) -> Rows:
    """Return what a receipt says: who looked, when, what for, how far, on whose word."""
    _ = speaker.gettext
    scopes = [_(SCOPES[item]) for item in Scope if item in fact.scope]
    looked = fact.looked_up_at_s
    times = {"first": moment(speaker, fact.valid_from_s), "last": moment(speaker, fact.valid_to_s)}
    until = {"version": fact.version, "block": speaker.count(fact.cut_block)}
    return [
        (_("Who looked"), _("member %(number)s") % {"number": fact.reader}),
        (
            _("Looked up"),
            _("not said by the answer") if looked is None else moment(speaker, looked),
        ),
        (_("What for"), _(PURPOSES[fact.purpose.name])),
        (_("How far"), _(", ").join(scopes)),
        (_("Consent"), _(CONSENT_LEVELS[int(fact.level)])),
        (_("Consent valid"), _("%(first)s to %(last)s") % times),
        (_("What was found"), _found(speaker, fact.found)),
        (
            _("As it stood"),
            # A wallet asks no ledger: whoever made the receipt could have made the index up.
            _("index version %(version)s, cut at block %(block)s, if its root stands on the ledger")
            % until,
        ),
    ]


def answer_lines(found: ReadBack, speaker: Speaker) -> list[str]:
    """Return all of it as lines of text, an entry's whole id first."""
    lines: list[str] = []
    for entry in found.entries:
        lines += [speaker.gettext("Entry %(entry)s") % {"entry": entry.entry.hex()}]
        lines += [f"  {what}: {says}" for what, says in entry_rows(entry, speaker)]
    for lookup in found.lookups:
        lines += [speaker.gettext("Lookup of you")]
        lines += [f"  {what}: {says}" for what, says in lookup_rows(lookup, speaker)]
    return lines


def moment(speaker: Speaker, at_s: int) -> str:
    """Return a time with its zone."""
    return f"{speaker.time(at_s * 1_000)} {speaker.zone_name}"


def _as_of(speaker: Speaker, at_s: int, block: int) -> str:
    where = {"time": moment(speaker, at_s), "block": speaker.count(block)}
    return speaker.gettext("%(time)s, block %(block)s") % where


def _found(speaker: Speaker, count: int) -> str:
    if not count:
        return speaker.gettext("no entry about you")
    counted = speaker.ngettext("%(count)s entry about you", "%(count)s entries about you", count)
    return counted % {"count": count}
