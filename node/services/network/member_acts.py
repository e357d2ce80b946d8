"""Acts on the registry: keys, sponsoring, motions."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.services.network import members as who
from node.services.network import sealing_keys as sealing
from node.services.network.base import Base
from node.services.network.views import KeyGrant, MemberView, MotionView
from node.tables import Member, Motion
from node.tables.tip import tip_of
from reconcile.model import ZERO32, UsageError


class MemberActs(Base):
    """Keys, members and motions."""

    def grant_for(self, code: str | bytes, *, sponsor: int = 0) -> KeyGrant:
        """Return our admin key's consent to an admission: a public code, or a commitment.

        A participant names its `sponsor`: consent that names nobody would let whichever full
        member saw it first, in the pool for instance, take the participant for its own.
        """
        if isinstance(code, str):
            return who.grant(self._identity, "ADMIN", code=who.code_hash(code))
        if not sponsor:
            raise UsageError("SPONSOR_MISSING", "a participant's consent names its sponsor")
        return who.grant(self._identity, "ADMIN", member=sponsor, code=code)

    def possession(
        self,
        role: str,
        *,
        member: int = 0,
        code: bytes = ZERO32,
        valid_from: int = 0,
        valid_to: int = who.KEY_LIFE_BLOCKS,
    ) -> KeyGrant:
        """Return one of our keys' own consent to its role."""
        return who.grant(
            self._identity,
            role,
            member=member,
            code=code,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def register_key(
        self, role: str, *, valid_to: int = who.KEY_LIFE_BLOCKS, actor: str = "node"
    ) -> int:
        """Register this node's POSTER or APPROVER key; it waits in the outbox."""
        with self._writing() as session:
            member = self._identity.require_member(session)
            item = self.possession(role, member=member, valid_to=valid_to)
            intent = self._calls.register_key(
                session, item.address, who.ROLES[role], item.valid_from, valid_to, item.signature
            )
            self._act(session, actor, "key-register", item.address, role=role)
            return intent

    def end_key(self, address: str, last_block: int, *, actor: str = "node") -> int:
        """Make `last_block` the last block in which one of our keys counts."""
        with self._writing() as session:
            intent = self._calls.end_key(session, address, last_block)
            self._act(session, actor, "key-end", address, last_block=str(last_block))
            return intent

    def mark_compromised(self, address: str, since_s: int, *, actor: str = "node") -> int:
        """Say that one of our keys was in other hands since a Unix time."""
        with self._writing() as session:
            intent = self._calls.mark_compromised(session, address, since_s)
            self._act(session, actor, "key-compromised", address, since_s=str(since_s))
            return intent

    def ready(self) -> bool:
        """Say whether we are a member whose three keys count and whose general key is published."""
        with self._reading() as session:
            member = self._identity.member(session)
            if member is None:
                return False
            general = sealing.newest_sealing_key(session, member, ZERO32)
            keys = [
                who.key_in_force(session, self._identity, role)
                for role in ("ADMIN", "POSTER", "APPROVER")
            ]
            return general is not None and all(keys)

    def members(self) -> tuple[MemberView, ...]:
        """Return every member and participant."""
        with self._reading() as session:
            return who.member_views(session, self._identity.member(session))

    def member(self, member: int) -> MemberView:
        """Return one member; `UsageError` MEMBER_UNKNOWN."""
        with self._reading() as session:
            row = who.require_member_row(session, member)
            return who.member_view(session, row, self._identity.member(session))

    def sponsor(self, commitment: bytes, admin: KeyGrant, *, actor: str = "node") -> int:
        """Admit a participant under our sponsorship."""
        with self._writing() as session:
            self._identity.require_member(session)
            intent = self._calls.sponsor(session, commitment, who.grant_tuple(admin))
            self._act(session, actor, "sponsor", commitment.hex(), admin=admin.address)
            return intent

    def propose_admission(self, code: str, admin: KeyGrant, *, actor: str = "node") -> bytes:
        """Open the motion that admits a full member with its public code; return its id."""
        return self.open_motion(
            "ADMIT", who.code_hash(code), who.admission_argument(code, admin), actor=actor
        )

    def propose_new_admin(self, member: int, admin: KeyGrant, *, actor: str = "node") -> bytes:
        """Open the motion that replaces a member's lost admin keys."""
        argument = encode([who.GRANT_TYPE], [who.grant_tuple(admin)])
        return self.open_motion("REPLACE_ADMIN", member, argument, actor=actor)

    def open_motion(
        self, action: str, target: bytes | int, argument: bytes = b"", *, actor: str = "node"
    ) -> bytes:
        """Open a motion (and approve it in our name); return its id."""
        if action not in who.ACTIONS:
            raise UsageError(
                "ACTION_UNKNOWN", f"{action!r} is no motion", help=", ".join(who.ACTIONS)
            )
        with self._writing() as session:
            self._identity.require_member(session)
            if isinstance(target, int):
                who.require_member_row(session, target)
                target = target.to_bytes(32, "big")
            motion = self._motion_id(session, action, target, argument)
            self._calls.open_motion(session, motion, who.ACTIONS[action], target, argument)
            self._act(session, actor, "motion-open", motion.hex(), action=action)
            return motion

    def _motion_id(self, session: Session, action: str, target: bytes, argument: bytes) -> bytes:
        """Return the id that the registry will give: all that tells two motions apart, hashed."""
        executed = session.execute(
            select(func.count()).where(Motion.target == target, Motion.state == "EXECUTED")
        ).scalar_one()
        row = None
        if action != "ADMIT":
            row = session.get(Member, int.from_bytes(target, "big"))
        generation = executed if row is None else row.generation
        cursor = tip_of(session)
        head = 0 if cursor is None else cursor.head_block
        rounds = session.execute(
            select(func.count()).where(
                Motion.target == target,
                Motion.action == action,
                Motion.argument == argument,
                Motion.generation == generation,
                Motion.state == who.OPEN,
                Motion.expires_at < head,
            )
        ).scalar_one()
        place = self._identity.place
        return keccak(
            encode(
                ["uint256", "address", "uint8", "bytes32", "bytes", "uint32", "uint32"],
                [
                    place.chain_id,
                    "0x" + place.registry.hex(),
                    who.ACTIONS[action],
                    target,
                    argument,
                    generation,
                    rounds,
                ],
            )
        )

    def approve_motion(self, motion: bytes, *, actor: str = "node") -> int:
        """Approve a motion in our name."""
        with self._writing() as session:
            self._require_motion(session, motion)
            intent = self._calls.approve_motion(session, motion)
            self._act(session, actor, "motion-approve", motion.hex())
            return intent

    def execute_motion(self, motion: bytes, *, actor: str = "node") -> int:
        """Execute a motion whose approvals suffice."""
        with self._writing() as session:
            row = self._require_motion(session, motion)
            intent = self._calls.execute_motion(session, motion, row.argument)
            self._act(session, actor, "motion-execute", motion.hex())
            return intent

    def _require_motion(self, session: Session, motion: bytes) -> Motion:
        row = session.get(Motion, motion)
        if row is None:
            raise UsageError(
                "MOTION_UNKNOWN",
                f"no motion {motion.hex()[:16]}… is known",
                help="see `kanhe motion list`",
            )
        return row

    def motions(self) -> tuple[MotionView, ...]:
        """Return every motion, newest first."""
        with self._reading() as session:
            return who.motion_views(session)

    def find_motion(self, text: str) -> bytes:
        """Return the motion that an id or its beginning means."""
        wanted = text.lower().removeprefix("0x")
        with self._reading() as session:
            ids = session.execute(select(Motion.motion)).scalars().all()
        found = [item for item in ids if wanted and item.hex().startswith(wanted)]
        if len(found) == 1:
            return found[0]
        code = "MOTION_AMBIGUOUS" if found else "MOTION_UNKNOWN"
        raise UsageError(
            code, f"{text!r} means {len(found)} motions", help="see `kanhe motion list`"
        )
