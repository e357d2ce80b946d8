"""A custodian's part: shares kept for uploaders, and destroyed when their entry is over.

A share is held against its commitment before it is kept. It is destroyed when the uploader takes it
back, and by this node itself once the ledger says so in a final block; the signed word for it is
kept and given again.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, literal, select, update
from sqlalchemy.orm import Session

from node.blacklist import Now, require_entry
from node.db import overwriting
from node.errors import NotAllowed
from node.keyholders import holds_key
from node.screening.consents import consent_key
from node.screening.custody import (
    MAX_DETAIL_BYTES,
    Manifest,
    detail_hash,
    is_share,
    read_manifest,
    share_info,
)
from node.screening.custody_messages import (
    MAX_GENERATIONS,
    Deposit,
    Deposits,
    Drop,
    Taken,
    pack,
    unpack,
    write_destroyed,
)
from node.screening.states import DAY_S
from node.services.screening.custody import (
    OTHER_CONSENT,
    CustodyBase,
    consent_ahead_of,
    is_final,
    is_over,
)
from node.services.screening.detail import refuse
from node.tables import (
    CustodyAsk,
    HeldCustody,
    KeyEpoch,
    ListedEntry,
)
from reconcile.model import ZERO32, KanheError, day_iso

#: An uploader makes one custody of an entry a committee; what its restored backups make anew may
#: come on top. Each leaves a row and the word that it was destroyed, for as long as this node is.
SPARE_GENERATIONS: Final = 16
DESTROYED_A_TURN: Final = 200


class KeepingActs(CustodyBase):
    """Keeping and destroying what others gave into custody."""

    # ------------------------------------------------------------------------- taking
    def take_custody(self, caller: int, body: bytes) -> bytes:
        """Keep what an uploader leaves, each by itself; answer "" or a code for each.

        Raises `ProtocolError` CUSTODY_MALFORMED.
        """
        codes = []
        with self._writing() as session:
            for deposit in unpack(body, Deposits).items:
                try:
                    with session.begin_nested():
                        self._take(session, caller, deposit)
                    codes.append("")
                except KanheError as error:
                    codes.append(error.code)
        return pack(Taken(codes))

    def _take(self, session: Session, caller: int, deposit: Deposit) -> None:
        manifest, signers = read_manifest(deposit.manifest)
        member, now = self._identity.require_member(session), self._now(session)
        row = require_entry(session, manifest.entry)
        signed = any(holds_key(session, caller, key) for key in signers)
        ours = manifest.domain == self._identity.place.blacklist_domain
        if not (signed and ours and caller == manifest.uploader == row.uploader):
            raise refuse("CUSTODY_FOREIGN", "gives evidence into custody that is not the caller's")
        index = manifest.index_of(member)
        known = session.get(HeldCustody, (manifest.entry, manifest.generation))
        if known is not None:
            if known.manifest not in {deposit.manifest, b""}:
                raise refuse("CUSTODY_DIFFERS", "is another than the one of this generation")
            return
        barred = _barred(session, manifest.entry)
        if barred is not None and barred.generation > manifest.generation:
            raise refuse("CUSTODY_DIFFERS", "is of a generation that was taken back")
        self._require_name(session, manifest, row)
        self._require_room(session, manifest, now)
        if len(deposit.detail) > MAX_DETAIL_BYTES or detail_hash(deposit.detail) != manifest.detail:
            raise refuse("CUSTODY_DETAIL_FALSE", "holds another detail than its manifest says")
        keys = self._ring.sealing_keys(session, ZERO32)
        if deposit.sealing not in keys:
            raise refuse("CUSTODY_KEY", "is sealed to a key that this node does not hold")
        share = keys[deposit.sealing].open(deposit.share, share_info(manifest, receiver=member))
        if not is_share(manifest, index, share):
            raise refuse("CUSTODY_SHARE_WRONG", "has a share that its commitments do not give")
        label = custody_label(manifest.entry, manifest.generation)
        session.add(
            HeldCustody(
                entry=manifest.entry,
                generation=manifest.generation,
                uploader=caller,
                consent=consent_key(manifest.uploader, manifest.consent),
                manifest=deposit.manifest,
                share=self._ring.seal_bytes(share, label),
                detail=deposit.detail,
                received_at_ms=self._identity.clock(),
            )
        )
        session.flush()

    def _require_name(self, session: Session, manifest: Manifest, row: ListedEntry) -> None:
        """Refuse a custody that no revocation of what the entry rests on would reach.

        An entry of a release that recorded no consent has none ahead of it: any name is taken.
        """
        ahead = consent_ahead_of(session, row)
        named = consent_key(manifest.uploader, manifest.consent)
        if ahead is not None and ahead.consent != named:
            raise refuse(OTHER_CONSENT, "names another consent than the one ahead of its entry")

    def _require_room(self, session: Session, manifest: Manifest, now: Now) -> None:
        over = select(ListedEntry.entry).where(
            ListedEntry.entry == manifest.entry,
            is_over(now, literal(consent_key(manifest.uploader, manifest.consent))),
        )
        if session.scalar(over) is not None:
            raise refuse("CUSTODY_OVER", "is of an entry that is over")
        sharings = session.scalar(select(func.count()).select_from(KeyEpoch)) or 0
        if manifest.generation > sharings + SPARE_GENERATIONS:
            says = f"counts {manifest.generation} of this entry, of {sharings} committees"
            raise refuse("CUSTODY_TOO_MANY", says)
        held = session.scalar(
            select(func.count())
            .select_from(HeldCustody)
            .where(HeldCustody.entry == manifest.entry, HeldCustody.destroyed_at_ms.is_(None))
        )
        if (held or 0) >= MAX_GENERATIONS:
            raise refuse("CUSTODY_TOO_MANY", f"is one more than {MAX_GENERATIONS} of this entry")

    # ------------------------------------------------------------------------- destroying
    def _destroy_custodies(self, session: Session, member: int, now: Now) -> int:
        """Destroy what is over in final blocks, though no uploader asks for it."""
        rows = session.execute(
            select(HeldCustody.entry, HeldCustody.generation, HeldCustody.consent)
            .join(ListedEntry, ListedEntry.entry == HeldCustody.entry)
            .where(
                self._kept.touched(now, HeldCustody.entry, HeldCustody.consent),
                HeldCustody.destroyed_at_ms.is_(None),
                is_over(now, HeldCustody.consent),
            )
            .limit(DESTROYED_A_TURN)
        ).all()
        done = 0
        for entry, generation, consent in rows:
            if is_final(session, entry, consent):
                held = session.get_one(HeldCustody, (entry, generation))
                self._destroy_custody(session, held, member, now)
                done += 1
        if len(rows) < DESTROYED_A_TURN:
            self._kept.looked(session, now)
        return done

    def drop_custody(self, caller: int, body: bytes) -> bytes:
        """Destroy what an uploader takes back; answer this node's signed word for it.

        Raises `NotAllowed` CUSTODY_FOREIGN, `NotFound` ENTRY_UNKNOWN.
        """
        asked = unpack(body, Drop)
        with self._writing() as session:
            member, now = self._identity.require_member(session), self._now(session)
            if require_entry(session, asked.entry).uploader != caller:
                raise NotAllowed("CUSTODY_FOREIGN", "only an entry's uploader takes a custody back")
            held = session.get(HeldCustody, (asked.entry, asked.generation))
            if held is None:
                return self._bar(session, caller, asked, member, now)
            if held.certificate is None:
                self._destroy_custody(session, held, member, now)
            assert held.certificate is not None, "destroyed and signed"
            word = held.certificate
        self._empty_log()
        return word

    def _bar(self, session: Session, caller: int, asked: Drop, member: int, now: Now) -> bytes:
        """Return the word for a generation that never came; a deposit that comes late is refused.

        One row an entry says so of all up to its generation, however many its uploader names.
        """
        word = self._word(asked.entry, asked.generation, member, now)
        barred = _barred(session, asked.entry)
        if barred is not None and barred.generation >= asked.generation:
            return word
        if barred is not None:
            session.delete(barred)
        now_ms = self._identity.clock()
        session.add(
            HeldCustody(
                entry=asked.entry,
                generation=asked.generation,
                uploader=caller,
                consent=ZERO32,
                manifest=b"",
                share=b"",
                detail=b"",
                received_at_ms=now_ms,
                destroyed_at_ms=now_ms,
                certificate=word,
            )
        )
        session.flush()
        return word

    def _word(self, entry: bytes, generation: int, member: int, now: Now) -> bytes:
        return write_destroyed(
            self._identity.place.blacklist_domain,
            entry,
            generation,
            member,
            day_iso(now.time_s // DAY_S),
            self._identity.keys.approver,
        )

    def _destroy_custody(self, session: Session, held: HeldCustody, member: int, now: Now) -> None:
        with overwriting(session):
            held.share = held.detail = b""
            held.destroyed_at_ms = self._identity.clock()
            held.certificate = self._word(held.entry, held.generation, member, now)
            session.flush()
            if not _live(session, held.entry):
                asks = update(CustodyAsk).where(CustodyAsk.entry == held.entry)
                session.execute(asks.values(request=b"", enclosed=b"", package=b""))
        self._act(session, "node", "custody-destroy", held.entry.hex())
        self._destroyed = True


def _barred(session: Session, entry: bytes) -> HeldCustody | None:
    """Return the row that bars an entry's generations that were taken back before they came."""
    found = select(HeldCustody).where(HeldCustody.entry == entry, HeldCustody.manifest == b"")
    return session.scalars(found).first()


def _live(session: Session, entry: bytes) -> bool:
    found = select(HeldCustody.generation).where(
        HeldCustody.entry == entry, HeldCustody.destroyed_at_ms.is_(None)
    )
    return session.scalars(found.limit(1)).first() is not None


def custody_label(entry: bytes, generation: int) -> bytes:
    """Return which row a share that is kept here belongs to."""
    return b"held-custody/" + entry + generation.to_bytes(4, "big")
