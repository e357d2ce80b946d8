"""A command as a process of its own, forked from one that has imported the node already.

Half of a short-lived node's CPU time is importing. The child runs the very `main` of `kanhe`, in a
process that can be killed at any moment, with its own environment and files.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["node.bootstrap", "node.cli.homes", "node.cli.session"])


def run_command(words: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """Be `kanhe WORDS…`: what the child does."""
    os.environ.clear()
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, target in ((nowhere, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    sys.argv = ["kanhe", *words]
    from node.cli import main

    raise SystemExit(main(words))


class Child:
    """What `subprocess.Popen` would give, as far as drills ask for it."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._process: ForkServerProcess = _context.Process(
            target=run_command, args=(tuple(words), dict(environment), str(log)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return its status once it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return its status; raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("kanhe", timeout or 0)
        return status

    def kill(self) -> None:
        """Kill it as a crash would."""
        self._process.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)
