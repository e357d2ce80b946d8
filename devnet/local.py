"""The embedded chain: anvil as a child process on loopback, mining every quarter second.

Blocks are mined on an interval and not instantly, because instant mining hides what a real chain
does to a sender (pending transactions, nonces in flight, unconfirmed rows). The chain's clock
follows the machine's: anvil would add a second a block, four times too fast, so its interval is
set to zero and a ticker names the time of the next block once a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from node.chain.trust import trust_for
from reconcile.model import OutsideError

CHAIN_ID: Final = 20_251
BLOCK_TIME_S: Final = 0.25
GAS_LIMIT: Final = 300_000_000
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 20.0
TICK_S: Final = 1.0
STATE_INTERVAL_S: Final = 1
ROOT: Final = Path(__file__).resolve().parent.parent


def anvil_path() -> Path:
    """Return where the set-up put anvil; `OutsideError` ANVIL_MISSING says how to get it."""
    path = ROOT / "contracts" / "node_modules" / ".bin" / "anvil"
    if not path.exists():
        raise OutsideError(
            "ANVIL_MISSING",
            f"the embedded chain is not installed at {path}",
            help="run `make setup` in a checkout; an installed package has no embedded chain",
        )
    return path


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _reap_after_us(pid: int) -> subprocess.Popen[bytes]:
    """End a process when this one is gone, however it went: its end of the pipe closes then.

    Otherwise a killed demo would leave a chain behind that goes on writing the same state file.
    """
    return subprocess.Popen(  # noqa: S603 - fixed words and a number
        ["/bin/sh", "-c", f"trap '' INT TERM; cat >/dev/null; kill {pid} 2>/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@dataclass
class EmbeddedChain:
    """One anvil. Use as a context manager, or `start()` and `stop()`.

    `state` keeps the chain across restarts (written every second and at the end).
    `block_time_s` 0 mines each transaction at once: for unit tests only. `behind_s`: how far its
    clock is behind the machine's, so that a story of days can be told without a time to come.
    """

    state: Path | None = None
    behind_s: int = 0
    block_time_s: float = BLOCK_TIME_S
    port: int = 0
    log: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _reaper: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _ticking: threading.Event = field(default_factory=threading.Event, repr=False)
    _client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=10.0, verify=trust_for(())), repr=False
    )

    @property
    def url(self) -> str:
        """Return the JSON-RPC address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start anvil and wait until it answers; `OutsideError` CHAIN_START when it does not."""
        self.port = self.port or free_port()
        words = [str(anvil_path()), "--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--chain-id", str(CHAIN_ID), "--hardfork", "london", "--accounts", "1"]
        words += ["--gas-limit", str(GAS_LIMIT), "--base-fee", "0", "--gas-price", "0", "--silent"]
        if self.block_time_s:
            words += ["--block-time", str(self.block_time_s)]
        if self.behind_s:
            words += ["--timestamp", str(self._now_s())]
        if self.state:
            self.state.parent.mkdir(parents=True, exist_ok=True)
            words += ["--state", str(self.state), "--state-interval", str(STATE_INTERVAL_S)]
        with contextlib.ExitStack() as stack:
            out: Any = subprocess.DEVNULL
            if self.log:
                out = stack.enter_context(self.log.open("ab"))
            # A session of its own: Ctrl-C at the terminal reaches the nodes first, then we stop it.
            self._process = subprocess.Popen(  # noqa: S603 - our own pinned binary
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self._reaper = _reap_after_us(self._process.pid)
        self._wait_until_it_answers()
        if self.block_time_s:
            self.rpc("anvil_setBlockTimestampInterval", 0)
            self._ticking.clear()
            threading.Thread(target=self._tick, name="chain-clock", daemon=True).start()
        return self

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        assert self._process is not None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise OutsideError(
                    "CHAIN_START",
                    f"anvil ended at once with status {self._process.returncode}",
                    help=f"is port {self.port} in use, or the state file damaged?",
                )
            with contextlib.suppress(httpx.HTTPError, OutsideError):
                self.rpc("eth_chainId")
                return
            time.sleep(0.02)
        self.stop()
        raise OutsideError("CHAIN_START", f"anvil did not answer within {START_TIMEOUT_S:.0f} s")

    def _tick(self) -> None:
        last = 0
        while not self._ticking.wait(TICK_S):
            now = self._now_s()
            if now > last:
                # A block mined in between refuses an equal time; the next tick names the next.
                with contextlib.suppress(httpx.HTTPError, OutsideError):
                    self.rpc("evm_setNextBlockTimestamp", now)
                last = now

    def rpc(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON has any shape
        """Call a JSON-RPC method; `OutsideError` CHAIN_RPC carries the node's error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._client.post(self.url, json=body).json()
        if "error" in answer:
            raise OutsideError("CHAIN_RPC", f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks now."""
        self.rpc("anvil_mine", hex(blocks))

    def pass_s(self, seconds: int) -> None:
        """Let so much time go by at once; never beyond the machine's clock."""
        self.behind_s = max(0, self.behind_s - seconds)
        self.rpc("evm_setNextBlockTimestamp", self._now_s())
        self.mine()

    def _now_s(self) -> int:
        return int(time.time()) - self.behind_s

    def reorg(self, depth: int) -> None:
        """Replace the last `depth` blocks by empty ones; their transactions are dropped."""
        self.rpc("anvil_reorg", depth, [])

    def pause(self) -> None:
        """Stop the process without ending it: the chain stands still and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        # The signal only asks: an answer may still come until the process has stopped.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused chain go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End anvil; with `state` it writes its state first."""
        self._ticking.set()
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=STOP_TIMEOUT_S)
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            reaper.kill()
            reaper.wait(timeout=STOP_TIMEOUT_S)
            if reaper.stdin is not None:
                reaper.stdin.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
