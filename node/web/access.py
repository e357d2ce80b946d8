"""Who may do what: roles of a person, for every agreement or for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.errors import NotAllowed

ROLES: Final = ("viewer", "maker", "checker", "operator", "auditor", "teller", "single")

# An act and the roles that may do it. `single` is the one person of a one-person enterprise, a
# `teller` takes what people bring, at the counter or through a portal, and reads nothing else.
ACTS: Final = {
    "own": frozenset(ROLES),
    "view": frozenset(ROLES) - {"teller"},
    "import": frozenset({"maker", "single"}),
    "reconcile": frozenset({"maker", "checker", "operator", "single"}),
    "close": frozenset({"maker", "single"}),
    "propose": frozenset({"maker", "single"}),
    "check": frozenset({"checker", "single"}),
    "attest": frozenset({"checker", "single"}),
    "note": frozenset({"maker", "checker", "operator", "single"}),
    "operate": frozenset({"operator", "single"}),
    "discard": frozenset({"maker", "operator", "single"}),
    "screen": frozenset({"maker", "single"}),
    "judge": frozenset({"checker", "single"}),
    "serve": frozenset({"teller", "maker", "single"}),
    "audit": frozenset({"auditor", "operator", "single"}),
}
# These acts reconcile; who keeps the books of an account never does them for that account.
RECONCILING: Final = frozenset({"propose", "check", "attest"})


class AccessError(NotAllowed):
    """Raised when nobody is logged in or the person's roles do not allow the act."""


class LoginError(AccessError):
    """Raised when a log-in, session or token does not hold; the way on is the log-in page."""

    http_status = 401


@dataclass(frozen=True, slots=True)
class Who:
    """The person behind a request; `roles` are (role, agreement), null = every agreement.

    `csrf` is empty for API tokens: nothing sends those by itself.
    """

    person_id: int
    login: str
    name: str
    language: str
    roles: frozenset[tuple[str, bytes | None]]
    csrf: str = ""

    def may(self, act: str, agreement: bytes | None = None) -> bool:
        """Say whether the person may do the act (on this agreement)."""
        allowed = ACTS[act]
        mine = {role for role, scope in self.roles if scope is None or scope == agreement}
        if act in RECONCILING and self._has("bookkeeper", agreement):
            return False
        if act in {"own", "view"} and agreement is None:
            return any(role in allowed for role, _ in self.roles)
        return bool(mine & allowed)

    def require(self, act: str, agreement: bytes | None = None) -> None:
        """Raise AccessError `NOT_ALLOWED` unless the person may do the act."""
        if self.may(act, agreement):
            return
        needed = ", ".join(sorted(ACTS[act]))
        raise AccessError(
            "NOT_ALLOWED",
            f"{self.login} may not {act} here",
            help=f"ask an operator for one of the roles: {needed}",
        )

    def sees(self, agreement: bytes) -> bool:
        """Say whether the person may read this agreement."""
        return self.may("view", agreement)

    def single(self, agreement: bytes | None) -> bool:
        """Say whether the person acts alone on this agreement: a one-person enterprise.

        `single` on one agreement spares nobody the second pair of eyes on another.
        """
        return self._has("single", agreement)

    def _has(self, role: str, agreement: bytes | None) -> bool:
        return not self.roles.isdisjoint({(role, None), (role, agreement)})
