"""The loop of a running node: a turn, a pause, the next one; what fails is tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from node.attempts import Attempts
from node.errors import WrongChain
from node.measuring import Meter, StepResult
from node.telemetry import logger
from reconcile.model import KanheError

RETRY_S: Final = 0.5
TURN: Final = "a turn"
#: What is done when a node first rests.
AtRest = Callable[[], None] | None
_log = logger("node")


def take_turns(
    step: Callable[[], StepResult],
    stop: threading.Event,
    pause_s: float,
    meter: Meter,
    attempts: Attempts,
    *,
    at_rest: AtRest = None,
) -> None:
    """Take turns until `stop` is set; what fails is logged and tried again.

    A refusal of one agreement's work must not end the node for all others; only a chain that
    is not the agreed one does. `at_rest` is called once, when first nothing is left to do.
    """
    failing = ""
    while not stop.is_set():
        try:
            result = step()
        except WrongChain:
            raise
        except KanheError as error:
            meter.failed(error.code)
            if error.code != failing:
                _log.warning("waiting", code=error.code, says=error.message)
            failing = error.code
            stop.wait(max(pause_s, RETRY_S))
            continue
        except Exception as fault:  # noqa: BLE001 - kept as an incident, tried again
            failing = type(fault).__name__
            stop.wait(attempts.fault(TURN, fault))
            continue
        if failing:
            _log.info("going on", code=failing)
            attempts.recovered(TURN)
        failing = ""
        if at_rest is not None and result.idle:
            at_rest()
            at_rest = None
        stop.wait(pause_s if not (result.blocks and result.events) else 0)
