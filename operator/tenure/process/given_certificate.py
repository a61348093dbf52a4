"""Serves with a certificate that another program renews, such as cert-manager."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from tenure.observability.metrics import Metric, Reading
from tenure.observability.prometheus import Measurements
from tenure.process.tasks import background


@contextlib.asynccontextmanager
async def given_certificate(
    files: tuple[Path, Path] | None,
    times: tuple[Metric, Metric],
    measurements: Measurements,
    stop: asyncio.Event,
) -> AsyncIterator[ssl.SSLContext | None]:
    """Reload a certificate whenever its files change, while the block runs.

    The block gets the TLS context, or None without files. Then the program serves plain HTTP.

    Args:
        files: The certificate and its key.
        times: The metrics for when it expires, and for when it should be replaced.
        measurements: Where these are read.
        stop: Set if the certificate can't be looked after any more.

    Raises:
        StartRefusedError: the certificate is unusable.
    """
    if files is None:
        yield None
        return
    from tenure.certificates.keeper import GivenFiles, keep, read_times  # noqa: PLC0415 - in plain HTTP, none of it is needed

    keeper = GivenFiles(*files)
    await keeper.look()

    async def measure() -> list[Reading]:
        return read_times(keeper, *times)

    measurements.read_from(measure)
    async with background(stop, asyncio.create_task(keep(keeper, lambda: None), name="certificate")):
        yield keeper.context
