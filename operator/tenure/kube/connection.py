"""The API server's address and Tenure's credentials. Only this module uses the Kubernetes client."""

import os
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

import aiohttp
import yaml
from kubernetes.aio import client, config

from tenure.errors import StartRefusedError

SERVICE_HOST = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True)
class Connection:
    """An API server and the credentials for it, refreshed by the client library."""

    configuration: client.Configuration
    ssl_context: SSLContext

    @property
    def server(self) -> str:
        """The API server's URL, without a trailing slash."""
        return str(self.configuration.host).rstrip("/")

    async def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request. Call this for each request, because tokens rotate."""
        settings = await self.configuration.auth_settings()
        bearer = settings.get("BearerToken")
        return {bearer["key"]: bearer["value"]} if bearer and bearer["value"] else {}

    def session(self, *, connections: int) -> aiohttp.ClientSession:
        """Open an HTTP session with at most so many connections. 0 means no limit.

        Without a limit, a burst of requests spends its time on TLS handshakes: 200 requests at once made 198, measured.
        """
        connector = aiohttp.TCPConnector(limit=connections, ssl=self.ssl_context)
        return aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": "tenure"}, proxy=self.configuration.proxy
        )


async def connect() -> Connection:
    """Find the API server: the one in the file that `KUBECONFIG` names, or that of the cluster around the process.

    Raises:
        StartRefusedError: neither is given, or the configuration can't be read.
    """
    configuration = client.Configuration()
    # From Python 3.13 on, a chain must also have key identifiers, which the authorities of EKS and others lack. kubectl
    # and the controllers written in Go don't ask for them. Chain, host name and expiry are checked all the same.
    configuration.disable_strict_ssl_verification = True
    path = os.environ.get("KUBECONFIG")
    try:
        if path:
            _check_readable(path)
            await config.load_kube_config(config_file=path, client_configuration=configuration)
        elif os.environ.get(SERVICE_HOST):
            config.load_incluster_config(client_configuration=configuration)
        else:
            raise StartRefusedError(
                "Tenure doesn't know which cluster to use. Set KUBECONFIG to the path of a kubeconfig file, or run "
                "Tenure in a pod"
            )
        ssl_context = client.ApiClient(configuration).rest_client.ssl_context
    except (config.ConfigException, OSError, ValueError, TypeError, yaml.YAMLError) as error:
        source = f"KUBECONFIG={path}" if path else "the in-cluster configuration"
        raise StartRefusedError(f"{source}: {' '.join(str(error).split())}") from error
    if configuration.tls_server_name:
        raise StartRefusedError(
            f"KUBECONFIG={path}: Tenure doesn't support tls-server-name. In server, use a host name "
            "that is in the API server's certificate"
        )
    return Connection(configuration, ssl_context)


def _check_readable(path: str) -> None:
    """Check that each file of a kubeconfig path can be read.

    The Kubernetes client only logs a missing file, and fails on a plain text file.

    Raises:
        OSError: a file can't be read.
        ValueError: a file isn't a kubeconfig file.
        YAMLError: a file isn't YAML.
    """
    for part in filter(None, path.split(os.pathsep)):
        try:
            config = yaml.safe_load(Path(part).read_bytes())
        except (UnicodeDecodeError, yaml.reader.ReaderError):
            config = None
        if not isinstance(config, dict):
            raise ValueError(f"{part} isn't a kubeconfig file")  # noqa: TRY004 - the file's content is wrong, not a type
