"""An ASGI application, served on a free port of the loopback as the programs serve theirs."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tenure.process.http_server import Application, server_configuration
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import wait_until

WITHIN = 60.0


@contextmanager
def served(application: Application) -> Iterator[int]:
    """Serve an application while the block runs, and yield the port."""
    (port,) = free_ports(1)
    server = uvicorn.Server(server_configuration(application, host="127.0.0.1", port=port))
    # `serve` would take the signals.
    thread = threading.Thread(target=lambda: asyncio.run(server._serve()), name="served", daemon=True)  # noqa: SLF001
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), within=WITHIN)
        yield port
    finally:
        server.should_exit = True
        thread.join(WITHIN)
