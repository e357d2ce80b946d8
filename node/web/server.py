"""Serves the desk and the API over HTTP or TLS until told to stop."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from reconcile.model import OutsideError, UsageError

DEFAULT_PORT: Final = 8420
GRACE_S: Final = 3
BACKLOG: Final = 256


class _Server(uvicorn.Server):
    """Tells the live streams to end before it waits for connections to close."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.stopping.set()
        await super().shutdown(sockets)


def serve(
    app: FastAPI,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    on_ready: Callable[[str], None] | None = None,
    stop_event: threading.Event | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    client_ca: Path | None = None,
    peer_context: ssl.SSLContext | None = None,
    protocol: type[asyncio.Protocol] | None = None,
) -> None:
    """Serve until `stop_event` is set (or a signal arrives, in the main thread).

    `on_ready` gets the base address, e.g. http://127.0.0.1:8420. Raises OutsideError PORT_IN_USE,
    PORT_NOT_ALLOWED or ADDRESS_NOT_OURS, UsageError PORT_WRONG. `peer_context` is a TLS context
    that is ready, in place of the files.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        ssl_ca_certs=None if client_ca is None else str(client_ca),
        ssl_cert_reqs=ssl.CERT_NONE if client_ca is None else ssl.CERT_REQUIRED,
        ssl_context_factory=None if peer_context is None else lambda *_: peer_context,
        http=protocol or "auto",
    )
    server = _Server(config)
    done = threading.Event()
    if stop_event is not None:
        waiter = threading.Thread(target=_stop_when, args=(stop_event, done, server), daemon=True)
        waiter.start()
    if on_ready is not None:
        scheme = "http" if tls_cert is None and peer_context is None else "https"
        name = f"[{host}]" if ":" in host else host
        on_ready(f"{scheme}://{name}:{listener.getsockname()[1]}")
    try:
        server.run(sockets=[listener])
    finally:
        done.set()
        listener.close()


def _stop_when(stop: threading.Event, done: threading.Event, server: uvicorn.Server) -> None:
    while not done.is_set():
        if stop.wait(0.2):
            server.should_exit = True
            return


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off for sockets that say they are TCP, and for no others: an
    # answer of two writes would wait for the caller's delayed acknowledgement, 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OverflowError:
        listener.close()
        raise UsageError(
            "PORT_WRONG", f"{port} is no port", help="ports are 1 to 65535; 0 takes any free one"
        ) from None
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def _refused(host: str, port: int, error: OSError) -> OutsideError:
    """Say why an address cannot be listened on, and what to do about that very reason."""
    says = f"{host}:{port} cannot be listened on: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        help_ = (
            "another program, or this desk already, listens there: name another port with --port"
        )
        return OutsideError("PORT_IN_USE", says, help=help_)
    if error.errno in {errno.EACCES, errno.EPERM}:
        help_ = "ports below 1024 are the system's: name a higher one with --port"
        return OutsideError("PORT_NOT_ALLOWED", says, help=help_)
    help_ = "name an address of this machine with --host (127.0.0.1 for itself alone)"
    return OutsideError("ADDRESS_NOT_OURS", says, help=help_)
