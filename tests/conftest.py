"""What every test shares: where things are, and what to do when a part is not installed.

Outside CI, a test that needs what the set-up does not bring (a browser, the shared samples) skips
and says why. In CI (`CI` set) the same absence fails, so that nothing is skipped silently there.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from devnet.local import EmbeddedChain
from node.cli import YOUNG_OBJECTS

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT.parent / "shared" / "samples"

# As the command line does: a worker imports all of it.
gc.set_threshold(YOUNG_OBJECTS)

settings.register_profile(
    "kanhe", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("kanhe")


# Their tests share a network of four nodes, which takes long to build: one worker gets them all. A
# folder that would keep it longer than the others is cut where files begin with these letters.
SHARED_NETWORK = {"tests/node/web/": "", "tests/node/committee/": "acfo"}


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a file's tests, or a folder's that share a network, to one worker.

    xdist's own groups are marks that it writes into node ids, which pytest keeps to itself since
    9.2: they are silently without effect, and every worker builds every network.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        for folder, cuts in SHARED_NETWORK.items():
            if path.startswith(folder):
                first = path.removeprefix(f"{folder}test_")[0]
                return folder + max((cut for cut in cuts if cut <= first), default="")
        return path


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Answer xdist's hook: which worker gets which tests."""
    return Together(config, log)


@pytest.fixture
def node_stack() -> Iterator[None]:
    """Give Python a node's stack limit: a library that only tests import (py_ecc) raises it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


def absent(reason: str) -> None:
    """Skip aloud, or fail in CI: there nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real statement files and standard vectors beside the project."""
    if not SAMPLES.is_dir():
        absent("no ../shared/samples beside the project")
    return SAMPLES


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium to drive."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    absent("no Chromium on the PATH; on Debian: apt install chromium")
    raise AssertionError


@pytest.fixture
def chain() -> Iterator[EmbeddedChain]:
    """A fresh embedded chain that mines every quarter second."""
    with EmbeddedChain() as started:
        yield started


@pytest.fixture
def instant_chain() -> Iterator[EmbeddedChain]:
    """A fresh embedded chain that mines each transaction at once."""
    with EmbeddedChain(block_time_s=0) as started:
        yield started
