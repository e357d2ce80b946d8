"""What `kanhe doctor` looks at, in order; one that fails does not hide the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from reconcile.model import KanheError

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.settings import Settings

Check = tuple[str, bool, str]


def examine(settings: Settings) -> list[Check]:
    """Return every check: its name, whether it holds, and what that says."""
    from node.bootstrap import home_info, open_node
    from node.home import target_of

    checks: list[Check] = []
    try:
        info = home_info(settings.home)
        target = target_of(settings.home, settings)
        checks.append(("home", True, f"{info.name} in {settings.home}"))
    except KanheError as error:
        return [("home", False, _says(error))]
    checks += _keys(settings)
    try:
        node = open_node(settings.home, passphrase=None, settings=settings, running=False)
    except KanheError as error:
        return [*checks, ("database", False, _says(error))]
    try:
        checks.append(("database", True, "opens, and its tables are up to date"))
        checks += _chain(node, settings)
        checks += _standing(node)
        checks += _stream(node)
        checks += _log(node)
    finally:
        node.close()
    del target
    return checks


def _says(error: KanheError) -> str:
    return f"{error.message} [{error.code}]" + (f"; {error.help}" if error.help else "")


def _keys(settings: Settings) -> list[Check]:
    from node.crypto.keystore import Keystore

    store = Keystore(settings.home / "keystore")
    try:
        held = store.keys()
        missing = [str(key.role) for key in held if not store.is_backed_up(key)]
    except KanheError as error:
        return [("key store", False, _says(error))]
    says = f"not in any recorded backup: {', '.join(missing)}" if missing else "all backed up"
    return [("key store", not missing, says)]


def _chain(node: Node, settings: Settings) -> list[Check]:
    from node.chain.deploy import check_chain

    try:
        head = check_chain(node.client, node.target.contracts)
    except KanheError as error:
        return [("chain", False, _says(error))]
    skew = abs(int(time.time()) - head.time_s)
    late = f"its newest block is {skew} s old"
    return [
        ("chain", True, f"chain {node.target.chain_id} with our contracts, block {head.number}"),
        ("clock", skew <= settings.clock_skew_s, late),
    ]


def _standing(node: Node) -> list[Check]:
    member = node.member
    if member is None:
        return [("member", False, "the admin key is no member's, or the node never ran")]
    view = node.network.member(member)
    ready = node.network.ready()
    return [
        ("member", view.standing == "ACTIVE", f"member {member} is {view.standing.lower()}"),
        ("keys", ready, "all three keys count" if ready else "a key is missing or not in force"),
    ]


def _stream(node: Node) -> list[Check]:
    from node.agreements import all_facts
    from node.tables import Incident, StreamState

    member = node.member
    with node.database.reading() as session:
        open_incidents = (
            session.execute(select(Incident.says).where(Incident.closed_at_ms.is_(None)))
            .scalars()
            .all()
        )
        # What others seal between themselves stays closed here, and should.
        ours = [
            facts.agreement
            for facts in all_facts(session, member)
            if facts.sides or member in facts.observers
        ]
        counted = select(func.sum(StreamState.sealed_count)).where(StreamState.agreement.in_(ours))
        sealed = session.execute(counted).scalar_one() or 0
    return [
        (
            "incidents",
            not open_incidents,
            "; ".join(open_incidents) if open_incidents else "none is open",
        ),
        _held(node),
        (
            "batches",
            sealed == 0,
            f"{sealed} batches are not open here: their keys have not come yet"
            if sealed
            else "every batch of our agreements is open",
        ),
    ]


def _held(node: Node) -> Check:
    found = {
        "calls": len(node.posting.held_intents()),
        "records": sum(item.records for item in node.posting.held_records()),
        "keys": len(node.posting.stopped_lanes()),
    }
    waits = [f"{number} {word}" for word, number in found.items() if number]
    if not waits:
        return ("outbox", True, "nothing is held")
    says = f"held for a person: {', '.join(waits)}; see `kanhe outbox list`"
    return ("outbox", False, says)


def _log(node: Node) -> list[Check]:
    from node.acts import verify_chain

    with node.database.reading() as session:
        wrong = verify_chain(session)
    says = "; ".join(wrong[:3]) if wrong else "the audit log's chain holds"
    return [("audit log", not wrong, says)]
