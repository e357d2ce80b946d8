"""Nodes and commands as processes of their own, which are killed and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drill_child import Child
from sqlalchemy import ColumnElement, select

from node.db import Database, open_database
from node.tables import (
    Attestation,
    Batch,
    Closing,
    Cursor,
    Intent,
    QueuedRecord,
    ReportRow,
    SealedPayload,
    Transaction,
)

KANHE: Final = (sys.executable, "-c", "from node.cli import main; raise SystemExit(main())")
ROOT: Final = Path(__file__).resolve().parents[2]
# Generous: a busy machine is slow, and only a hang must fail.
COMMAND_TIMEOUT_S: Final = 240.0
LOOK_EVERY_S: Final = 0.01
# A moment that does not come within this time of a node's life is passed by killing anyway.
MOMENT_TIMEOUT_S: Final = 3.0
START_TIMEOUT_S: Final = 120.0
# So many of its starts end before it is open.
# The first moment is waited for so long: on a slow machine none falls into a drawn time.
MEETING_TIMEOUT_S: Final = 20.0
STILLBORN_IN: Final = 5

# What a node is doing when it is killed, as its own database shows it.
MOMENTS: Final[dict[str, ColumnElement[bool]]] = {
    "records wait to be sealed": QueuedRecord.state == "QUEUED",
    "a payload is sealed": SealedPayload.state == "READY",
    "an intent waits": Intent.state == "WAITING",
    "a transaction is signed": Transaction.state == "SIGNED",
    "a transaction is sent": Transaction.state == "SENT",
    "a transaction is mined, not final": Transaction.state == "MINED",
    "a batch is not final": Batch.block_number > select(Cursor.final_block).scalar_subquery(),
    "a closing is not final": Closing.block_number > select(Cursor.final_block).scalar_subquery(),
    "a proof is computed": ReportRow.state == "COMPUTED",
    "a proof is signed": ReportRow.state == "SIGNED",
    "an attestation is not final": (
        Attestation.block_number > select(Cursor.final_block).scalar_subquery()
    ),
}


def environment(folder: Path) -> dict[str, str]:
    """Return a child's environment: the town's passphrase, nothing of the caller's settings."""
    kept = {key: text for key, text in os.environ.items() if not key.startswith("KANHE_")}
    return kept | {"KANHE_PASSPHRASE_FILE": str(folder / "passphrase"), "PYTHONPATH": str(ROOT)}


def start(folder: Path, *words: str, log: Path | None = None) -> Child:
    """Start `kanhe WORDS…` as a process of its own; its messages go to `log`."""
    return Child(words, environment(folder), log or Path(os.devnull))


@dataclass(frozen=True)
class Answer:
    """What a command answered: its exit code, its JSON, what it said beside it."""

    code: int
    body: Any
    beside: str

    @property
    def error(self) -> str | None:
        """Return the error's code, None where there was none."""
        return self.body["error"]["code"] if isinstance(self.body, dict) and self.code else None


def kanhe(folder: Path, *words: str) -> Answer:
    """Run `kanhe WORDS… --json -` to its end."""
    done = subprocess.run(
        [*KANHE, *words, "--json", "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(folder),
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    text = done.stdout.decode()
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    return Answer(done.returncode, body, done.stderr.decode())


@dataclass
class RunningNode:
    """`kanhe run` over one home, killed and started again by `Killer`."""

    folder: Path
    slug: str
    process: Child | None = None
    starts: int = 0

    @property
    def home(self) -> Path:
        """Return the node's home."""
        return self.folder / self.slug

    @property
    def log(self) -> Path:
        """Return where the processes of this home write to."""
        return self.folder / f"{self.slug}.log"

    def start(self) -> None:
        """Start the node anew."""
        self.starts += 1
        self.process = start(self.folder, "run", "--home", str(self.home), log=self.log)

    def holds_home(self) -> bool:
        """Say whether this very process has taken the home: it is about to take turns."""
        lock = self.home / "node.lock"
        pid = None if self.process is None else self.process.pid
        return lock.exists() and lock.read_text(encoding="utf-8") == f"process {pid}"

    def kill(self) -> None:
        """End it as a power cut would: kill -9, nothing is flushed."""
        assert self.process is not None
        assert self.process.poll() is None, f"{self.slug} ended by itself: {self.tail()}"
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(encoding="utf-8")[-2_000:] if self.log.exists() else ""


@dataclass
class Killer(threading.Thread):
    """Kills one node again and again, at moments that a seed chooses, until told to leave off."""

    node: RunningNode
    seed: int
    killed_at: list[str] = field(default_factory=list)
    failed: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__(name=f"killer of {self.node.slug}", daemon=True)
        self._chance = random.Random(self.seed)
        self._enough = threading.Event()
        self._left = threading.Semaphore(0)

    def __hash__(self) -> int:
        return id(self)

    def allow(self, deaths: int) -> None:
        """Let the node die so many times more."""
        self._left.release(deaths)

    def run(self) -> None:
        """Kill at moments in a drawn order, each once, and at drawn times where none comes."""
        database = open_database(f"sqlite:///{self.node.home / 'kanhe.db'}")
        try:
            moments = list(MOMENTS)
            self._chance.shuffle(moments)
            while not self._enough.is_set():
                if not self._left.acquire(timeout=LOOK_EVERY_S):
                    continue
                seen = self._await(database, moments)
                if self._enough.is_set():
                    return
                self.node.kill()
                self.killed_at.append(seen)
                self.node.start()
        except BaseException as error:  # noqa: BLE001 - shown by the test that joins
            self.failed = error
        finally:
            database.close()

    def _await(self, database: Database, left: list[str]) -> str:
        """Wait for a moment not seen yet, or a drawn time; return which it was."""
        delay_s = self._chance.uniform(0.1, MOMENT_TIMEOUT_S)
        if self._chance.randrange(STILLBORN_IN) == 0:
            self._enough.wait(delay_s / MOMENT_TIMEOUT_S)
            return "while it starts"
        started = time.monotonic()
        while not self.node.holds_home() and not self._enough.wait(LOOK_EVERY_S):
            assert time.monotonic() < started + START_TIMEOUT_S, self.node.tail()
        met = len(left) < len(MOMENTS)
        deadline = time.monotonic() + (delay_s if met else MEETING_TIMEOUT_S)
        while time.monotonic() < deadline and not self._enough.wait(LOOK_EVERY_S):
            for name in left:
                with database.reading() as session:
                    now = session.execute(select(1).where(MOMENTS[name]).limit(1)).first()
                if now is not None and self._chance.random() < 0.5:
                    left.remove(name)
                    return name
        return "at a drawn time" if met else "where no moment came"

    def leave_off(self) -> None:
        """Stop killing; raises what went wrong in the thread."""
        self._enough.set()
        self.join()
        if self.failed is not None:
            raise self.failed


@contextmanager
def running(nodes: Sequence[RunningNode]) -> Iterator[None]:
    """Run nodes as processes; none is left behind."""
    for node in nodes:
        node.start()
    try:
        yield
    finally:
        for node in nodes:
            if node.process is not None and node.process.poll() is None:
                node.stop()


@contextmanager
def killing(killers: Sequence[Killer]) -> Iterator[None]:
    """Let killers loose; none goes on behind a test, where it would start nodes again."""
    for killer in killers:
        killer.start()
    try:
        yield
    finally:
        for killer in killers:
            killer.leave_off()


def until(done: Callable[[], bool], what: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(0.1)
