"""Runs the console on this machine, with the credentials of the person who starts it."""

import asyncio
import contextlib
import secrets
import sys

import uvicorn

from tenure.console.app import Console
from tenure.console.caller import ClusterCaller, OneCaller
from tenure.console.door import Address, door
from tenure.console.options import ConsoleOptions
from tenure.console.render import Renderer
from tenure.kube.session import opened
from tenure.kube.snapshots import read_identity
from tenure.listening import listen
from tenure.process.http_server import serve, server_configuration
from tenure.process.signals import take_signals

HOST = "127.0.0.1"
_SECRET_BYTES = 32


async def run_console(options: ConsoleOptions) -> None:
    """Serve the console until SIGTERM or SIGINT.

    Raises:
        StartRefusedError: the API server can't be reached, the cluster has no Tenure, or the port isn't free.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    async with opened(options.context, options.namespace) as session:
        cluster = session.cluster
        requester = await read_identity(cluster)
        caller = ClusterCaller(
            cluster,
            requester,
            [session.namespace],
            everywhere=not options.namespace,
            context=options.context,
            mail=options.mail,
        )
        with listen(HOST, options.port, "--port") as listening:
            port = listening.getsockname()[1]
            secret = secrets.token_urlsafe(_SECRET_BYTES)
            renderer = Renderer(str(cluster.connection), options.read_only, options.edit_url, options.mail is not None)
            hosts = [f"{HOST}:{port}", f"localhost:{port}"]
            address = Address(hosts, f"/{secret}", "Open the address that tenure console printed.")
            application = door(Console(OneCaller(caller), renderer).application(), address)
            configuration = server_configuration(application, host=HOST, port=port)
            print(  # noqa: T201
                f"You are {caller.username} in {cluster.connection}.\n"
                f"Open http://{HOST}:{port}/{secret}/\n"
                "Everyone who has this address can do what you can. Ctrl-C ends the console.",
                flush=True,
            )
            await serve(uvicorn.Server(configuration), listening, stop)


def run(options: ConsoleOptions) -> None:
    """Run `run_console` in a new event loop."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_console(options))
    sys.stdout.flush()
