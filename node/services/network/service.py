"""The network service: every write is one SQL transaction with its intent and its audit row."""

from __future__ import annotations

import functools
from typing import Final

from sqlalchemy.orm import Session

from node.agreements import ACTIVE, Facts, all_facts
from node.identity import address_bytes
from node.services.network import agreements as agreed
from node.services.network import members as who
from node.services.network import sealing_keys as sealing
from node.services.network.agreement_acts import AgreementActs
from node.services.network.member_acts import MemberActs
from node.tables import Member
from reconcile.model import ZERO32

KEYS: Final = "keys"


class NetworkService(MemberActs, AgreementActs):
    """Members, motions, agreements, terms and keys of one node."""

    def publish_sealing_key(self, agreement: bytes = ZERO32, *, actor: str = "node") -> bool:
        """Publish the next sealing key where one is due; False when the present one serves."""
        with self._writing() as session:
            begun = sealing.publish_sealing(session, self._turn(session), agreement)
            if begun:
                self._act(session, actor, "sealing-key", agreement.hex())
            return begun

    def react(self) -> int:
        """Do what happens by itself: sealing keys, sealed terms, epoch keys; return how much."""
        with self._writing() as session:
            member = self._identity.member(session)
            if member is None or not who.key_in_force(session, self._identity, "POSTER"):
                return 0
            row = session.get(Member, member)
            if row is None or row.state != who.ACTIVE:
                return 0
            turn = self._turn(session)
            done = int(sealing.publish_sealing(session, turn))
            opened = agreed.open_sealed_terms(session, self._identity, member, now_ms=turn.now_ms)
            found = all_facts(session, member)
        if opened:
            # What was refused for want of them goes through now.
            self._moves.all_moved()
        done += opened
        for facts in found:
            if not self._moves.due(KEYS, facts.agreement):
                continue
            # A transaction each: what fails in one agreement takes nothing back in another.
            keys = functools.partial(self._keys_of, facts)
            self._failed = True
            begun = self._attempts.run(KEYS, keys, agreement=facts.agreement)
            self._moves.looked(
                KEYS, facts.agreement, done=begun > 0, outbox=True, waits=self._failed
            )
            done += begun
        return done

    def _keys_of(self, facts: Facts) -> int:
        with self._writing() as session:
            done = self._react_to(session, self._turn(session), facts)
        self._failed = False
        return done

    def _react_to(self, session: Session, turn: sealing.Turn, facts: Facts) -> int:
        observes = turn.member in facts.observers
        if facts.state != ACTIVE or not (facts.sides or observes):
            return 0
        done = int(sealing.publish_sealing(session, turn, facts.agreement))
        for side in facts.sides:
            done += int(sealing.publish_epoch(session, turn, facts, side))
        return done + sealing.answer_epochs(session, turn, facts)

    def _turn(self, session: Session) -> sealing.Turn:
        return sealing.Turn(
            identity=self._identity,
            calls=self._calls,
            member=self._identity.require_member(session),
            backup_folder=self._backup_folder,
        )

    def poster_address(self) -> bytes:
        """Return this node's poster key's address, 20 bytes."""
        return address_bytes(self._identity.keys.poster)
