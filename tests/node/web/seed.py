"""Writes a business day of one institution into a real database, through its own tables.

Everything a page shows comes from rows as the follower, the relay and matching leave them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from node.db import Database, open_database
from node.tables import (
    AgreedResult,
    Agreement,
    Attestation,
    Base,
    Batch,
    ChainEvent,
    Closing,
    Cursor,
    EpochKey,
    ImportedFile,
    Incident,
    Intent,
    LatencySample,
    MatchRun,
    Member,
    MemberKey,
    Motion,
    NonceLane,
    PartyName,
    PostedEntry,
    ReportRow,
    RunBreak,
    RunGroup,
    RunMembership,
    RunProposal,
    SealingKey,
    SourceLine,
    StreamState,
    TermsDocument,
    Transaction,
    WindowTotals,
)
from reconcile.model import (
    ZERO32,
    BreakKind,
    Direction,
    Entry,
    EntryStatus,
    Side,
    day_number,
    window_of,
)
from reconcile.terms import canonical_terms, default_terms, terms_hash

import datetime as dt

TODAY = day_number(dt.date(2026, 11, 20))
NOW_MS = TODAY * 86_400_000 + 7 * 3_600_000
WINDOW = window_of(TODAY)
YESTERDAY = window_of(TODAY - 1)
BANK, FIRM, BRANCH, HOUSE = 1, 2, 3, 4
FINAL_BLOCK = 18_430


def h(text: str) -> bytes:
    """Return 32 bytes that stand for `text`."""
    return hashlib.sha256(text.encode()).digest()


@dataclass
class Break:
    """A break to be seeded: entries by side."""

    kind: BreakKind
    servicer: tuple[Entry, ...] = ()
    owner: tuple[Entry, ...] = ()
    age_days: int = 0
    marks: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    proposals: tuple[bytes, ...] = ()

    @property
    def signed(self) -> int:
        """Return the servicer's sum minus the owner's."""
        return sum(e.signed_minor for e in self.servicer) - sum(e.signed_minor for e in self.owner)


@dataclass
class Day:
    """What one window of one agreement holds."""

    pairs: list[tuple[Entry, Entry]] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)

    def book(self, side: Side) -> list[Entry]:
        """Return a side's entries, in order."""
        found = [pair[side] for pair in self.pairs]
        for item in self.breaks:
            found += (item.servicer, item.owner)[side]
        return found


def entry(ref: str, minor: int, day: int, *, e2e: str = "", **more: object) -> Entry:
    """Return an entry; a negative amount is OUT."""
    references = ((1, e2e),) if e2e else ()
    return Entry(
        entry_ref=ref,
        version=0,
        direction=Direction.IN if minor >= 0 else Direction.OUT,
        amount_minor=abs(minor),
        currency="CNY",
        booking_date=day,
        references=references,
        **more,  # type: ignore[arg-type]
    )


def make_day(day: int, label: str, count: int, *, breaks: bool = True) -> Day:
    """Return a day with `count` matched pairs and, where wanted, one break of several kinds."""
    out = Day()
    for i in range(count):
        minor = (i * 7_919 + 10_007) % 900_000 + 100
        minor = minor if i % 3 else -minor
        e2e = f"{label}-E2E-{i:05d}"
        name = ["宁波港集团有限公司", "上海远东物流有限公司", "青岛海运代理有限公司"][i % 3]
        s = entry(f"S-{label}-{i:05d}", minor, day, e2e=e2e, counterparty_name=name, value_date=day)
        o = entry(f"O-{label}-{i:05d}", minor, day, e2e=e2e, counterparty_name=name)
        out.pairs.append((s, o))
    if breaks:
        out.breaks = _breaks(day, label)
    return out


def _breaks(day: int, label: str) -> list[Break]:
    def one(ref: str, minor: int, at: int = day, **more: object) -> Entry:
        return entry(f"{ref[0]}-{label}-{ref}", minor, at, e2e=f"{label}-{ref[2:]}", **more)

    return [
        Break(
            BreakKind.MISSING_AT_OWNER,
            servicer=(
                one(
                    "S-8841",
                    -312_000,
                    day - 2,
                    counterparty_name="深圳明远贸易有限公司",
                    counterparty_account="4400991012345678",
                    remittance="货款 合同 KH-2026-118",
                    occurred_at=(day - 2) * 86_400_000 + 12_345_678,
                ),
            ),
            age_days=2,
            marks=("NOT_THERE",),
        ),
        Break(
            BreakKind.MISSING_AT_SERVICER,
            owner=(one("O-2207", 1_280_000, day - 6, remittance="Invoice 2207"),),
            age_days=6,
            marks=("STALE",),
        ),
        Break(
            BreakKind.AMOUNT,
            servicer=(one("S-5512", 505_100, remittance="运费"),),
            owner=(one("O-5512", 501_500, value_date=day - 1, remittance="运费 11 月"),),
            also=("VALUE_DATE",),
        ),
        Break(
            BreakKind.TIMING,
            servicer=(one("S-9001", 77_700_000, counterparty_name="中远海运"),),
            proposals=(h(f"proposal-{label}"),),
        ),
        Break(
            BreakKind.TIMEOUT,
            owner=(one("O-9002", -20_050, status=EntryStatus.TIMED_OUT),),
        ),
        Break(
            BreakKind.FEE,
            servicer=(one("S-9003", -1_000_500, fee_minor=500),),
            owner=(one("O-9003", -1_000_000),),
        ),
        Break(BreakKind.DUPLICATE, owner=(one("O-9004", 66_000),), marks=("LATE",)),
    ]


@dataclass
class Seeded:
    """A seeded database and what tests ask of it."""

    database: Database
    agreements: dict[str, bytes]
    days: dict[tuple[str, int], Day]


def seed(path: Path, *, pairs: int = 60, member: int = FIRM, url: str = "") -> Seeded:
    """Create the database at `path` and write everything."""
    database = open_database(url or f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    agreements = {name: h(f"agreement-{name}") for name in ("main", "branch", "union")}
    seeded = Seeded(database, agreements, {})
    with database.writing.begin() as session:
        _control(session, agreements)
        for label, agreement in agreements.items():
            _opening(session, agreement)
            for window, breaks in ((YESTERDAY, False), (WINDOW, True)):
                count = pairs if label == "main" else pairs // 3
                # Numbers in refs stay unique over days by the label's day.
                day = make_day(window // 8, f"{label}{window % 100}", count, breaks=breaks)
                seeded.days[label, window] = day
                _window(session, agreement, label, window, day, agreed=window == YESTERDAY)
        _streams(session, agreements, seeded)
        _outside(session, agreements)
    return seeded


def _control(session: Session, agreements: dict[str, bytes]) -> None:
    session.add(
        Cursor(
            id=1,
            chain_id=20_261,
            registry_address=bytes(20),
            ledger_address=bytes(20),
            deployed_block=1,
            block_number=18_441,
            block_hash=h("block"),
            head_block=18_442,
            head_time_s=NOW_MS // 1_000 - 1,
            final_block=FINAL_BLOCK,
            seen_at_ms=NOW_MS - 400,
        )
    )
    terms = default_terms(["CNY"])
    body = canonical_terms(terms)
    session.add(TermsDocument(terms_hash=terms_hash(terms), body=body, kept_at_ms=NOW_MS))
    people = {BANK: "东海银行", FIRM: "宁波远洋", BRANCH: "东海银行宁波分行", HOUSE: "华联清算"}
    for number, name in people.items():
        full = number in (BANK, HOUSE)
        session.add(
            Member(
                member=number,
                kind="FULL" if full else "PARTICIPANT",
                state="ACTIVE",
                sponsor=None if full else BANK,
                code=f"9133020099{number}" if full else None,
                code_hash=h(name),
                generation=0,
                admitted_at_s=NOW_MS // 1_000 - 9_000_000,
                block_number=10,
                log_index=number,
            )
        )
        session.add(PartyName(subject=f"member/{number}", name=name))
        for role in ("ADMIN", "POSTER", "APPROVER"):
            session.add(
                MemberKey(
                    address=h(f"{role}{number}")[:20],
                    member=number,
                    role=role,
                    state="ACTIVE",
                    valid_from=12,
                    valid_to=9_000_000,
                    ending_from=None,
                    compromised_since_s=None,
                    block_number=12,
                    log_index=number,
                )
            )
        session.add(
            SealingKey(
                member=number,
                agreement=ZERO32,
                generation=1,
                key_hash=h(f"seal{number}"),
                public_key=bytes(1216),
                ends_at_s=NOW_MS // 1_000 + 2_000_000,
                published_at_s=NOW_MS // 1_000 - 100_000,
                block_number=13,
                log_index=number,
            )
        )
    session.add(
        Motion(
            motion=h("motion"),
            action="ADMIT",
            target=h("华联清算"),
            argument=b"",
            proposer=BANK,
            approvers=[1, 4],
            state="EXECUTED",
            generation=0,
            round=0,
            expires_at=900,
            opened_at_s=NOW_MS // 1_000 - 8_000_000,
            block_number=9,
            log_index=0,
        )
    )
    parties = {"main": (0, BANK, FIRM), "branch": (1, BANK, BRANCH), "union": (2, HOUSE, FIRM)}
    labels = {
        "main": ("宁波远洋 基本户", "···0012"),
        "branch": ("分行往来", "···7703"),
        "union": ("华联 收单清算", None),
    }
    for i, (label, agreement) in enumerate(agreements.items()):
        kind, servicer, owner = parties[label]
        session.add(
            Agreement(
                agreement=agreement,
                kind=kind,
                servicer=servicer,
                owner=owner,
                observers=[],
                represented_side=None,
                party_commitment=ZERO32,
                predecessor=ZERO32,
                successor=None,
                terms_hash=terms_hash(terms),
                utc_offset_min=480,
                default_after_days=5,
                sealed_terms=b"",
                state="ACTIVE",
                opened_at_s=NOW_MS // 1_000 - 900_000,
                activated_at_s=NOW_MS // 1_000 - 890_000,
                last_window=None,
                ended_at_s=None,
                block_number=20,
                log_index=i,
            )
        )
        name, account = labels[label]
        session.add(
            PartyName(subject=f"agreement/{agreement.hex()}", name=name, account_masked=account)
        )
        for side in Side:
            session.add(
                EpochKey(
                    agreement=agreement,
                    side=side,
                    epoch=1,
                    key_commitment=h(f"{label}{side}"),
                    wraps=[
                        {"recipient": servicer, "generation": 1, "hpke": "0x"},
                        {"recipient": owner, "generation": 1, "hpke": "0x"},
                    ],
                    state="ACKNOWLEDGED",
                    reason=None,
                    published_at_s=NOW_MS // 1_000 - 800_000,
                    answered_at_s=NOW_MS // 1_000 - 799_000,
                    block_number=25,
                    log_index=2 * i + side,
                )
            )
        session.add(
            ChainEvent(
                contract="Ledger",
                name="AgreementOpened",
                args={},
                tx_hash=h(f"open{label}"),
                block_time_s=NOW_MS // 1_000 - 900_000,
                agreement=agreement,
                member=None,
                block_number=20,
                log_index=i + 50,
            )
        )


def _opening(session: Session, agreement: bytes) -> None:
    for side in Side:
        _closing(session, agreement, side, 0, 0)
        _attest(session, agreement, side, 0, h("opening"))
    session.add(
        AgreedResult(
            agreement=agreement,
            window=0,
            digest=h("opening"),
            state="AGREED",
            tx_hash=h("a0"),
            block_time_s=NOW_MS // 1_000 - 700_000,
            block_number=40,
            log_index=agreement[0],
        )
    )


def _closing(session: Session, agreement: bytes, side: Side, window: int, seq: int) -> None:
    session.add(
        Closing(
            agreement=agreement,
            side=side,
            window=window,
            last_seq=seq,
            head=h(f"head{seq}{side}"),
            by_default=False,
            tx_hash=h(f"close{window}{side}"),
            block_time_s=NOW_MS // 1_000 - 30_000,
            block_number=100 + seq,
            log_index=agreement[0] * 2 + side,
        )
    )


def _attest(session: Session, agreement: bytes, side: Side, window: int, digest: bytes) -> None:
    session.add(
        Attestation(
            agreement=agreement,
            side=side,
            window=window,
            revision=0,
            servicer_head=h("s"),
            owner_head=h("o"),
            previous_agreed_digest=ZERO32,
            digest=digest,
            flags=0,
            signature=bytes(65),
            signer=h(f"APPROVER{side}")[:20],
            tx_hash=h(f"att{window}{side}"),
            block_time_s=NOW_MS // 1_000 - 20_000,
            block_number=200,
            log_index=agreement[0] * 2 + side,
        )
    )


def _window(
    session: Session, agreement: bytes, label: str, window: int, day: Day, *, agreed: bool
) -> None:
    first = 1 if window == YESTERDAY else 2
    for side in Side:
        book = day.book(side)
        _batches(session, agreement, label, side, window, book, first)
    run = _run(session, agreement, label, window, day, proof=agreed)
    if agreed:
        for side in Side:
            _closing(session, agreement, side, window, first)
            _attest(session, agreement, side, window, run.digest or b"")
        session.add(
            AgreedResult(
                agreement=agreement,
                window=window,
                digest=run.digest,
                state="AGREED",
                tx_hash=h(f"agreed{window}"),
                block_time_s=NOW_MS // 1_000 - 10_000,
                block_number=300,
                log_index=agreement[0],
            )
        )
        session.add(_report(agreement, window, run.digest or b"", "AGREED"))
    elif label == "union":
        _closing(session, agreement, Side.SERVICER, window, first)


def _report(agreement: bytes, window: int, digest: bytes, state: str) -> ReportRow:
    return ReportRow(
        agreement=agreement,
        window=window,
        previous_window=0,
        digest=digest,
        previous_agreed_digest=h("opening"),
        servicer_head=h("s"),
        owner_head=h("o"),
        report=b"{}",
        groups=b"[]",
        groups_format="json",
        proposals=b"[]",
        carried=b"{}",
        complete=True,
        balance_proven=True,
        state=state,
        revision=0,
        signature=bytes(65),
        signer=bytes(20),
        flags=0,
        computed_at_ms=NOW_MS - 9_000_000,
        attested_at_ms=NOW_MS - 8_000_000,
    )


def _batches(
    session: Session,
    agreement: bytes,
    label: str,
    side: Side,
    window: int,
    book: Sequence[Entry],
    seq: int,
) -> None:
    at_s = NOW_MS // 1_000 - (86_400 if window == YESTERDAY else 0) - 3_000 * (1 + side)
    tx_hash = h(f"tx{label}{side}{seq}")
    session.add(
        Batch(
            agreement=agreement,
            side=side,
            seq=seq,
            window=window,
            epoch=1,
            commitment=h(f"c{label}{side}{seq}"),
            prev_head=ZERO32,
            head=h(f"head{seq}{side}"),
            payload=b"",
            payload_bytes=8_192,
            tx_hash=tx_hash,
            block_time_s=at_s,
            state="VALID",
            reason=None,
            header={},
            entry_count=len(book),
            repeat_count=0,
            decision_count=0,
            complete_until_ms=NOW_MS - 60_000,
            generation=0,
            block_number=18_000 + seq,
            log_index=agreement[1] * 2 + side,
        )
    )
    file = None
    if side is Side.OWNER:
        file = ImportedFile(
            agreement=agreement,
            side=side,
            file_sha256=h(f"file{label}{seq}"),
            name=f"cashbook-{label}-{seq}.csv",
            size_bytes=10_000,
            format="generic",
            profile=None,
            lenient=False,
            provable=True,
            entry_count=len(book),
            statements=[],
            contradictions=[],
            person_id=None,
            imported_at_ms=at_s * 1_000 - 5_000,
        )
        session.add(file)
        session.flush()
    for leaf, item in enumerate(book, start=1):
        session.add(
            PostedEntry(
                agreement=agreement,
                side=side,
                seq=seq,
                leaf=leaf,
                window=window,
                entry_ref=item.entry_ref,
                version=0,
                record=msgspec.msgpack.encode(item),
                repeat=False,
                latest=True,
                direction=item.direction,
                amount_minor=item.amount_minor,
                currency=item.currency,
                booking_date=item.booking_date,
                value_date=item.value_date,
                status=item.status,
                occurred_at_ms=item.occurred_at,
                end_to_end_id=item.references[0][1] if item.references else None,
                counterparty_name=item.counterparty_name,
                counterparty_account=item.counterparty_account,
                remittance=item.remittance,
                group_ref=None,
                block_number=18_000 + seq,
                log_index=agreement[1] * 2 + side,
            )
        )
        if file is not None:
            session.add(
                SourceLine(
                    agreement=agreement,
                    side=side,
                    entry_ref=item.entry_ref,
                    version=0,
                    file_id=file.id,
                    line=leaf + 1,
                )
            )
    moving = [item for item in book if item.moving]
    session.add(
        WindowTotals(
            agreement=agreement,
            side=side,
            window=window,
            currency="CNY",
            entry_count=len(book),
            in_minor=str(sum(e.amount_minor for e in moving if e.direction is Direction.IN)),
            out_minor=str(sum(e.amount_minor for e in moving if e.direction is Direction.OUT)),
            last_seq=seq,
        )
    )


def _side_totals(book: Sequence[Entry], opening: int) -> dict[str, str]:
    moving = [item for item in book if item.moving]
    money_in = sum(e.amount_minor for e in moving if e.direction is Direction.IN)
    money_out = sum(e.amount_minor for e in moving if e.direction is Direction.OUT)
    return {
        "count": str(len(moving)),
        "in_minor": str(money_in),
        "out_minor": str(money_out),
        "opening_minor": str(opening),
        "opening_basis": "STATED",
        "closing_minor": str(opening + money_in - money_out),
        "closing_basis": "STATED",
    }


def _run(
    session: Session, agreement: bytes, label: str, window: int, day: Day, *, proof: bool
) -> MatchRun:
    books = (day.book(Side.SERVICER), day.book(Side.OWNER))
    sides = [_side_totals(book, 250_000_000) for book in books]
    moving = [
        sum(e.signed_minor for e in b.servicer if e.moving)
        - sum(e.signed_minor for e in b.owner if e.moving)
        for b in day.breaks
    ]
    difference = int(sides[0]["closing_minor"]) - int(sides[1]["closing_minor"])
    by_kind: dict[str, int] = {}
    for item in day.breaks:
        by_kind[item.kind.value] = by_kind.get(item.kind.value, 0) + 1
    run = MatchRun(
        agreement=agreement,
        window=window,
        kind="PROOF" if proof else "PROVISIONAL",
        previous_window=0,
        servicer_seq=1,
        owner_seq=1,
        servicer_entries=len(books[0]),
        owner_entries=len(books[1]),
        servicer_matched=len(day.pairs),
        owner_matched=len(day.pairs),
        group_count=len(day.pairs),
        proposal_count=1 if day.breaks else 0,
        break_count=len(day.breaks),
        breaks_by_kind=by_kind,
        totals=[
            {
                "currency": "CNY",
                "digits": "2",
                "servicer": sides[0],
                "owner": sides[1],
                "closing_difference_minor": str(difference),
                "breaks_minor": str(sum(moving)),
                "residual_minor": "0",
                "written_off_minor": "0",
                "proof_minor": str(difference - sum(moving)),
            }
        ],
        identities=[
            {
                "name": "flow",
                "side": side,
                "currency": "CNY",
                "expected_minor": sides[i]["closing_minor"],
                "found_minor": sides[i]["closing_minor"],
                "basis": "STATED",
                "holds": True,
            }
            for i, side in enumerate(("servicer", "owner"))
        ]
        + [
            {
                "name": "proof",
                "side": None,
                "currency": "CNY",
                "expected_minor": "0",
                "found_minor": str(difference - sum(moving)),
                "basis": "",
                "holds": True,
            }
        ],
        oldest_age_days=max((b.age_days for b in day.breaks), default=0),
        complete=True,
        balance_proven=True,
        basis="STATED",
        digest=h(f"digest{label}{window}"),
        timing_ms={"match": 4},
        latency_ms=420,
        run_at_ms=NOW_MS - 2_000,
    )
    session.add(run)
    session.flush()
    members = []
    for number, (s, o) in enumerate(day.pairs):
        session.add(
            RunGroup(
                run_id=run.id,
                number=number,
                pass_name="e2e",
                servicer=[s.entry_ref],
                owner=[o.entry_ref],
                currency="CNY",
                residual_minor="0",
            )
        )
        members += [(Side.SERVICER, s, number, None), (Side.OWNER, o, number, None)]
    for number, item in enumerate(day.breaks):
        session.add(
            RunBreak(
                run_id=run.id,
                number=number,
                break_key=h(f"break{label}{window}{number}"),
                kind=item.kind.value,
                servicer=[e.entry_ref for e in item.servicer],
                owner=[e.entry_ref for e in item.owner],
                signed=[["CNY", str(moving[number])]],
                sort_minor=abs(moving[number]),
                age_days=item.age_days,
                marks=list(item.marks),
                also=list(item.also),
                proposals=[key.hex() for key in item.proposals],
                merged_keys=[],
            )
        )
        for key in item.proposals:
            other = day.pairs[0][1] if day.pairs else None
            session.add(
                RunProposal(
                    run_id=run.id,
                    proposal_key=key,
                    pass_name="bare",
                    servicer=[e.entry_ref for e in item.servicer],
                    owner=[other.entry_ref] if other else [],
                    servicer_count=1,
                    owner_count=1,
                    reason="AMBIGUOUS",
                )
            )
        members += [(Side.SERVICER, e, None, number) for e in item.servicer]
        members += [(Side.OWNER, e, None, number) for e in item.owner]
    session.add_all(
        RunMembership(
            run_id=run.id, side=side, entry_ref=e.entry_ref, group_number=group, break_number=broken
        )
        for side, e, group, broken in members
    )
    return run


def _streams(session: Session, agreements: dict[str, bytes], seeded: Seeded) -> None:
    for label, agreement in agreements.items():
        for side in Side:
            total = sum(
                len(day.book(side)) for (name, _), day in seeded.days.items() if name == label
            )
            session.add(
                StreamState(
                    agreement=agreement,
                    side=side,
                    last_seq=2,
                    head=h(f"head2{side}"),
                    posted_window=WINDOW,
                    closed_window=YESTERDAY,
                    closed_seq=1,
                    closed_head=h("head1"),
                    entry_count=total,
                    batch_count=2,
                    invalid_count=1 if label == "union" and side is Side.SERVICER else 0,
                    sealed_count=0,
                    complete_until_ms=NOW_MS - 60_000,
                    last_posted_at_s=NOW_MS // 1_000 - 100,
                    contiguous=True,
                )
            )


def _outside(session: Session, agreements: dict[str, bytes]) -> None:
    union = agreements["union"]
    session.add(
        Batch(
            agreement=union,
            side=0,
            seq=3,
            window=WINDOW,
            epoch=1,
            commitment=h("bad"),
            prev_head=h("head2"),
            head=h("head3"),
            payload=b"",
            payload_bytes=2_048,
            tx_hash=h("badtx"),
            block_time_s=NOW_MS // 1_000 - 50,
            state="INVALID",
            reason="HEADER_TOTALS: the header says CNY in 120,000.00, its records 119,000.00",
            header=None,
            entry_count=0,
            repeat_count=0,
            decision_count=0,
            complete_until_ms=None,
            generation=0,
            block_number=18_400,
            log_index=1,
        )
    )
    states = ["SIGNED", "WAITING", "DONE", "DONE", "REFUSED"]
    for i, state in enumerate(states):
        intent = Intent(
            kind="POST",
            subject=f"post/{i}",
            lane_key=f"{union.hex()}/1",
            agreement=union,
            side=1,
            seq=i + 3,
            window=WINDOW,
            contract="Ledger",
            call="post",
            calldata=b"",
            alone=False,
            tx_hash=None if state == "WAITING" else h(f"itx{i}"),
            state=state,
            attempts=i,
            created_at_ms=NOW_MS - 3_000 + i,
            error="WindowAlreadyClosed(window, 165880)" if state == "REFUSED" else None,
            error_code=None,
            done_at_ms=NOW_MS - 100 if state == "DONE" else None,
            person_id=None,
        )
        session.add(intent)
        session.flush()
        if state != "WAITING":
            session.add(
                Transaction(
                    tx_hash=h(f"itx{i}"),
                    intent_id=intent.id,
                    address=h("POSTER2")[:20],
                    nonce=i,
                    purpose="CALL",
                    raw=b"",
                    gas_limit=1,
                    gas_price_wei=1,
                    state="FINAL"
                    if state == "DONE"
                    else "REVERTED"
                    if state == "REFUSED"
                    else "SENT",
                    attempts=1,
                    signed_at_ms=NOW_MS - 2_000,
                )
            )
    session.add(
        NonceLane(
            address=h("POSTER2")[:20],
            next_nonce=5,
            state="OPEN",
            reason=None,
            in_flight_limit=4,
            generation=0,
            checked_at_ms=NOW_MS,
        )
    )
    session.add(
        Incident(
            kind="SEQUENCE_GAP",
            fingerprint="gap/1",
            agreement=union,
            side=0,
            seq=9,
            block_number=17_000,
            says="华联清算 posted batch 9 after 7; 8 was never seen.",
            evidence={},
            stops_signing=False,
            opened_at_ms=NOW_MS - 5_000_000,
            closed_at_ms=NOW_MS - 4_000_000,
            closed_by=None,
            closed_reason="An endpoint had dropped a block; read again.",
        )
    )
    for i in range(200):
        session.add(
            LatencySample(
                agreement=agreements["main"],
                window=WINDOW,
                what="POSTED_TO_MATCH",
                at_ms=NOW_MS - i * 1_000,
                ms=300 + i * 4,
            )
        )
