"""A webhook as Kopf's documentation has it, which allows everything."""

import os
from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Serve on the port and with the certificate that the benchmark chose."""
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        certfile=os.environ["BENCH_CERTIFICATE"],
        pkeyfile=os.environ["BENCH_KEY"],
    )


@kopf.on.validate("tenure.dev", "v1alpha1", "memberships", id="memberships")
def allow(**_: Any) -> None:
    """Find nothing wrong."""
