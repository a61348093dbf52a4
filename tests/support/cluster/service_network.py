"""What kube-proxy does for webhooks: the API server reaches the Service, here by an egress proxy on a Unix socket."""

import asyncio
import itertools
import json
import selectors
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.run.slowness import NEVER


class ServiceNetwork:
    """Carries the API server's connections to Services to the backends; a context manager.

    So the configuration that the chart installs is used as it is, with the Service's name checked in the certificate.
    """

    def __init__(self) -> None:
        self.backends: list[int] = []
        """Ports of the loopback that are tried in turn; as endpoints of a Service, only ready ones belong here."""
        # A socket's path must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="tenure-"))
        self._turns = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(target=self._loop.run_forever, name="services", daemon=True)

    @property
    def apiserver_args(self) -> tuple[str, ...]:
        """What the API server has to be told."""
        path = self._folder / "egress.yaml"
        transport = {"uds": {"udsName": str(self._socket)}}
        configuration = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [
                {"name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}}
            ],
        }
        path.write_text(json.dumps(configuration))
        return (f"--egress-selector-config-file={path}",)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_unix_server(self._serve, self._socket))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._folder)

    @property
    def _socket(self) -> Path:
        return self._folder / "egress.sock"

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=NEVER)

    async def _close(self) -> None:
        self._server.close()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        while len(self._selector.get_map()) > 1:  # noqa: ASYNC110 - connections take their leave; the one is the loop's
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            backend = await self._connect()
            if backend is None:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            copies = [asyncio.create_task(_copy(reader, backend[1])), asyncio.create_task(_copy(backend[0], writer))]
            try:
                await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # An end on one side ends both, as a connection without anything between would.
                backend[1].transport.abort()
                for copy in copies:
                    copy.cancel()
                await asyncio.gather(*copies, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        backends = list(self.backends)
        turn = next(self._turns)
        for number in range(len(backends)):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", backends[(turn + number) % len(backends)])
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
