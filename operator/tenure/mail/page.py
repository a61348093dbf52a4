"""Serves the accept page and the API beside the letters, in every replica."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import uvicorn

from tenure.kube.cluster import Cluster
from tenure.listening import PortCheck, listen
from tenure.mail.acceptance import Acceptance
from tenure.mail.http.api import InvitationApi
from tenure.mail.http.app import AcceptPage
from tenure.mail.http.door import door, origin_of
from tenure.mail.letters.sending import Letters
from tenure.mail.requests import Requests
from tenure.observability.mail_catalogue import MAIL_CERTIFICATE_EXPIRY, MAIL_CERTIFICATE_RENEWAL
from tenure.observability.prometheus import Measurements
from tenure.process.clock import utc_now
from tenure.process.given_certificate import given_certificate
from tenure.process.http_server import serve, server_configuration
from tenure.process.tasks import background
from tenure.settings import MailSettings

_CERTIFICATE = MAIL_CERTIFICATE_EXPIRY, MAIL_CERTIFICATE_RENEWAL


@contextlib.asynccontextmanager
async def page_served(
    settings: MailSettings, cluster: Cluster, letters: Letters, measurements: Measurements, stop: asyncio.Event
) -> AsyncIterator[Callable[[], str]]:
    """Serve while the block runs, if there is a base URL. The block gets a function that says why it isn't ready.

    Raises:
        StartRefusedError: the certificate is unusable, or the port can't be listened on.
    """
    store, signing = letters.store, letters.signing
    if not settings.base_url or signing is None:
        yield store.why_not_ready
        return
    acceptance = Acceptance(cluster, store.place_of, utc_now)
    page = AcceptPage(acceptance, signing, utc_now, origin_of(settings.base_url), measurements)
    requests = Requests(cluster, letters.desk, utc_now, sends=bool(settings.smtp_host))
    api = InvitationApi(cluster, requests, secure=page.pages.secure)
    async with given_certificate(settings.certificate, _CERTIFICATE, measurements, stop) as context:
        with listen(settings.page_host, settings.page_port, "--page-host and --page-port") as listening:
            port = PortCheck(listening, tls=context is not None)
            configuration = server_configuration(
                door(page, settings.base_url, api.routes),
                host=settings.page_host,
                port=settings.page_port,
                context=context,
            )
            serving = asyncio.create_task(serve(uvicorn.Server(configuration), listening, stop), name="page")
            serving.add_done_callback(lambda _: stop.set())
            try:
                async with background(stop, asyncio.create_task(port.watch(), name="port")):
                    yield lambda: store.why_not_ready() or port.why_not()
            finally:
                stop.set()
                await serving
