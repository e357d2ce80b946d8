"""Every setting of a node, read once from the environment; nothing else reads it.

A name in the environment is KANHE_ and the field's name in upper case. `Settings()` is usable
as it stands: a node on loopback with SQLite beside its keystore.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Final

from reconcile.model import UsageError, Where

PREFIX: Final = "KANHE_"
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; durations end in `_s` or `_ms`, sizes in `_bytes`."""

    # Folder of node.toml, keystore/, database and reports.
    home: Path = Path("kanhe")
    # SQLAlchemy address of the database; empty: SQLite in `home`. PostgreSQL: postgresql+psycopg://…
    database_url: str = ""
    # JSON-RPC endpoints of the chain, comma separated, tried in order; empty: those of node.toml.
    chain_urls: tuple[str, ...] = ()
    # Engine profile that says what is final: embedded, instant, clique, bft; empty: node.toml's.
    chain_profile: str = ""
    # Seconds until a JSON-RPC call is given up and the next endpoint is asked.
    rpc_timeout_s: float = 10.0
    # Seconds without a new block after which the chain counts as stalled.
    stall_after_s: float = 30.0
    # Seconds that the chain's clock may differ from this machine's before an incident is opened.
    clock_skew_s: float = 120.0
    # Passphrase of the keystore; empty: asked at the terminal. Prefer `passphrase_file`.
    passphrase: str = ""
    # File whose first line is the passphrase of the keystore.
    passphrase_file: Path | None = None
    # Address that the desk and the API listen on; loopback unless told.
    host: str = "127.0.0.1"
    # Port of desk and API; 0: any free one.
    port: int = 8443
    # Certificate chain (PEM) for TLS; empty: plain HTTP, allowed on loopback only.
    tls_certificate: Path | None = None
    # Private key (PEM) of `tls_certificate`.
    tls_key: Path | None = None
    # CA certificates (PEM) whose clients are let in (mTLS); empty: no client certificates.
    tls_client_ca: Path | None = None
    # Address that other members' nodes call over mutual TLS; loopback unless told.
    peer_host: str = "127.0.0.1"
    # Port for other members' nodes; 0: they are not served.
    peer_port: int = 0
    # Seconds until a call to another member's node is given up.
    peer_timeout_s: float = 5.0
    # Folder of authorities' certificates (*.pem) whose consents count as level 2; empty: none.
    authorities: Path | None = None
    # Take people of region 99, who cannot exist, in the regulator's audit; for trials alone.
    test_identifiers: bool = False
    # Folder of your own profiles (*.toml) for tables; empty: ~/.config/kanhe/profiles, if there.
    profiles: Path | None = None
    # Largest request body that is read.
    max_body_bytes: int = 1_048_576
    # Largest statement file that is taken.
    max_upload_bytes: int = 268_435_456
    # Minutes without a click after which a person is logged out.
    session_idle_min: int = 30
    # Hours after which a person is logged out in any case.
    session_max_h: int = 12
    # Wrong passwords after which a login is locked.
    login_attempts: int = 5
    # Failed log-ins from one address after which it has to wait, each time twice as long.
    login_source_attempts: int = 20
    # Minutes for which a login is locked, and the longest that an address has to wait.
    login_lock_min: int = 15
    # Records that may wait in the queue before imports are answered with 429.
    queue_limit: int = 5_000_000
    # Sealed batches that may wait for the chain before sealing pauses.
    outbox_limit: int = 2_000
    # Pause between two rounds of follower and relay when nothing is going on.
    poll_interval_s: float = 0.05
    # Language of desk and reports where a person has chosen none: zh or en.
    language: str = "zh"
    # TrueType font that PDFs embed; empty: the packaged Noto Sans SC, all characters of GBK.
    pdf_font: Path | None = None
    # Accounts for suggested bookings (JSON, docs/bookings.md); empty: placeholders to fill in.
    booking_accounts: Path | None = None
    # Least level that is logged: debug, info, warning, error.
    log_level: str = "info"
    # Log lines as JSON objects; off: for people.
    log_json: bool = False
    # Serve Prometheus metrics at /metrics, to who sends an API token.
    metrics: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read KANHE_* of `environment` (default: the process's).

        Raises `UsageError`: SETTING_UNKNOWN for a KANHE_ name that no field has,
        SETTING_INVALID for a value that its field cannot take.
        """
        source = os.environ if environment is None else environment
        by_name = {PREFIX + item.name.upper(): item for item in fields(cls)}
        given = {name: text for name, text in source.items() if name.startswith(PREFIX)}
        for name in sorted(given):
            if name not in by_name:
                raise UsageError(
                    "SETTING_UNKNOWN",
                    f"{name} is no setting",
                    where=Where(field=name),
                    help=f"known: {', '.join(sorted(by_name))}",
                )
        values = {by_name[name].name: _value(by_name[name], name, given[name]) for name in given}
        settings = cls(**values)  # type: ignore[arg-type]
        settings.check()
        return settings

    @classmethod
    def of_environment(cls, *names: str) -> Settings:
        """Read only these KANHE_* of the environment: for commands that need no node."""
        wanted = {PREFIX + name.upper() for name in names}
        return cls.from_environment({k: v for k, v in os.environ.items() if k in wanted})

    def check(self) -> None:
        """Refuse values that no node could run with, `UsageError` SETTING_INVALID."""
        rules = {
            "port": 0 <= self.port <= 65_535,  # noqa: PLR2004 - ports are 16 bits
            "language": self.language in {"zh", "en"},
            "log_level": self.log_level in {"debug", "info", "warning", "error"},
            "chain_profile": self.chain_profile in {"", "embedded", "instant", "clique", "bft"},
            "tls_key": (self.tls_key is None) == (self.tls_certificate is None),
            "peer_port": 0 <= self.peer_port <= 65_535,  # noqa: PLR2004 - ports are 16 bits
            "peer_timeout_s": self.peer_timeout_s > 0,
            "rpc_timeout_s": self.rpc_timeout_s > 0,
            "poll_interval_s": self.poll_interval_s > 0,
            "queue_limit": self.queue_limit > 0,
            "outbox_limit": self.outbox_limit > 0,
        }
        for name, holds in rules.items():
            if not holds:
                raise _invalid(PREFIX + name.upper(), str(getattr(self, name)))

    def database_address(self) -> str:
        """Return the SQLAlchemy address to open."""
        return self.database_url or f"sqlite:///{self.home / 'kanhe.db'}"


def _value(field: Field[object], name: str, text: str) -> object:
    """Turn text into what the field's annotation says."""
    kind = str(field.type)
    try:
        if kind == "tuple[str, ...]":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if kind.startswith("Path"):
            return Path(text) if text else field.default
        if kind == "bool":
            return _boolean(text)
        return {"int": int, "float": float, "str": str}[kind](text)
    except ValueError:
        raise _invalid(name, text) from None


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _invalid(name: str, text: str) -> UsageError:
    shown = "(not shown)" if "PASSPHRASE" in name else repr(text)
    return UsageError(
        "SETTING_INVALID",
        f"{name} cannot be {shown}",
        where=Where(field=name),
        help="node/settings.py says over each field what it takes",
    )
