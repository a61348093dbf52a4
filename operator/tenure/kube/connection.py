"""The API server's address and Tenure's credentials. Only `kube` uses the Kubernetes client."""

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import config

from tenure.errors import StartRefusedError
from tenure.kube.credentials import Credentials, InCluster, Plugin, User, impersonation
from tenure.kube.exec_plugin import ExecPlugin
from tenure.kube.kubeconfig import read_kubeconfig
from tenure.kube.proxies import Proxy, find_proxy
from tenure.kube.tls import Material, RenewedContext

SERVICE_HOST = "KUBERNETES_SERVICE_HOST"
SERVICE_PORT = "KUBERNETES_SERVICE_PORT"

_UNAUTHORIZED = 401


@dataclass(frozen=True)
class Connection:
    """An API server and the credentials for it, which are renewed in place."""

    server: str
    """The API server's URL, without a trailing slash."""

    credentials: Credentials = field(default_factory=Credentials)
    ssl_context: RenewedContext | bool = True
    proxy: Proxy | None = None
    impersonated: Sequence[tuple[str, str]] = ()
    """Headers with the identity that the API server should use instead of the credentials'."""

    context: str = ""
    """The context of the kubeconfig, or empty in a pod."""

    cluster_name: str = ""
    """The kubeconfig's name of the cluster, or empty in a pod."""

    namespace: str = ""
    """The namespace that the context or the pod is in, or empty if it names none."""

    def __str__(self) -> str:
        where = f"cluster {self.cluster_name}, {self.server}" if self.cluster_name else f"cluster {self.server}"
        return f"{where} (context {self.context})" if self.context else f"{where} (this pod's)"

    def session(
        self,
        *,
        connections: int,
        answers: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
        shared: aiohttp.BaseConnector | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    ) -> aiohttp.ClientSession:
        """Open an HTTP session with at most so many connections. 0 means no limit. It authenticates each request.

        With `shared`, it uses the connections of another session and leaves them open at its end. Each request passes
        the middlewares before anything else.

        Without a limit, a burst of requests spends its time on TLS handshakes: 200 requests at once made 198, measured.
        """
        options: dict[str, Any] = {"limit": connections, "ssl": self.ssl_context}
        connector: aiohttp.BaseConnector
        if shared is not None:
            connector = shared
        elif self.proxy is not None and self.proxy.is_socks:
            from aiohttp_socks import ProxyConnector  # noqa: PLC0415 - hardly anyone needs it

            url = self.proxy.url.replace("socks5h:", "socks5:", 1)
            connector = ProxyConnector.from_url(url, rdns=True, **options)
        else:
            connector = aiohttp.TCPConnector(**options)
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=shared is None,
            # The API server would compress a page of a list, which takes ten times as long as the list itself.
            headers={"User-Agent": "tenure", "Accept-Encoding": "identity"},
            proxy=self.proxy.url if self.proxy is not None and not self.proxy.is_socks else None,
            middlewares=(*middlewares, self._name_proxy, self._authenticate),
            response_class=answers,
        )

    async def _authenticate(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request with the present credentials, and once more if the API server wants newer ones."""
        if request.url.host != urlsplit(self.server).hostname:  # The API server redirects elsewhere.
            return await send(request)
        request.headers.extend(self.impersonated)
        sent = await self._show_credentials(request)
        answer = await send(request)
        if answer.status != _UNAUTHORIZED:
            return answer
        self.credentials.reject(sent)
        attempts = int(await self._show_credentials(request) != sent)
        if not attempts and isinstance(self.ssl_context, RenewedContext) and self.ssl_context.authenticates:
            # A kept connection goes on with the certificate that it began with. The first attempt closes it.
            request.headers["Connection"], attempts = "close", 2
        while attempts and answer.status == _UNAUTHORIZED:
            answer.release()
            answer, attempts = await send(request), attempts - 1
        return answer

    async def _show_credentials(self, request: aiohttp.ClientRequest) -> str:
        if authorization := await self.credentials.authorization():
            request.headers["Authorization"] = authorization
        return authorization

    async def _name_proxy(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request. If the proxy prevents it, the error names the proxy."""
        try:
            return await send(request)
        except Exception as error:
            if self.proxy is None or not _is_of_connecting(error):
                raise
            raise aiohttp.ClientConnectionError(f"through the proxy {self.proxy}: {error}") from error


def _is_of_connecting(error: Exception) -> bool:
    """Tell whether there was no connection. The errors of aiohttp_socks have no base, and it lets those of TLS pass."""
    of_aiohttp = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError)
    return of_aiohttp or isinstance(error, ssl.SSLError) or type(error).__module__.startswith("aiohttp_socks")


async def connect() -> Connection:
    """Find the API server of a program: the one that `KUBECONFIG` names, or that of the cluster around the process.

    Raises:
        StartRefusedError: neither is given, or the configuration can't be used.
    """
    path = os.environ.get("KUBECONFIG")
    if not path and not os.environ.get(SERVICE_HOST):
        raise StartRefusedError(
            "Tenure doesn't know which cluster to use. Set KUBECONFIG to the path of a kubeconfig file, or run "
            "Tenure in a pod"
        )
    return await _connect(f"KUBECONFIG={path}" if path else "", path or "")


def connect_without_credentials(server: str, authority: Path | None) -> Connection:
    """Find the API server for requests in the name of others. The connection authenticates nobody.

    Args:
        server: Its URL, or empty for the cluster around the pod.
        authority: The file with the authority of its certificate, or None for those that this machine trusts.

    Raises:
        StartRefusedError: no server is given, or the file can't be used.
    """
    host, port = os.environ.get(SERVICE_HOST, ""), os.environ.get(SERVICE_PORT, "443")
    if not server and not host:
        raise StartRefusedError("Tenure doesn't know which cluster to use. Set --api-server, or run Tenure in a pod")
    url = server.rstrip("/") or f"https://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        context = RenewedContext(lambda: Material(authority.read_bytes() if authority else None))
    except (OSError, ValueError) as error:
        raise StartRefusedError(f"--api-server-ca-file={authority}: {error}") from error
    return Connection(url, ssl_context=context, proxy=find_proxy(url, "", os.environ))


async def connect_as_caller(context: str = "") -> Connection:
    """Find the API server of a person's command, as kubectl does.

    It is the context of the files in `KUBECONFIG`, or else of `~/.kube/config`, or else the cluster around the pod.

    Raises:
        StartRefusedError: none is given, or the configuration can't be used.
    """
    paths = kubeconfig_paths()
    if not paths and (context or not os.environ.get(SERVICE_HOST)):
        raise StartRefusedError(
            f"Tenure doesn't know which cluster to use: KUBECONFIG isn't set, and there is no {_home_config()}. "
            "Set KUBECONFIG to the path of a kubeconfig file"
        )
    source = f"KUBECONFIG={paths}" if os.environ.get("KUBECONFIG") else paths
    return await _connect(source, paths, context)


def kubeconfig_paths() -> str:
    """Return the paths of a person's kubeconfig files, as `KUBECONFIG` has them, or empty if there are none."""
    home = _home_config()
    return os.environ.get("KUBECONFIG") or (str(home) if home.exists() else "")


def _home_config() -> Path:
    return Path("~/.kube/config").expanduser()


async def _connect(source: str, paths: str, context: str = "") -> Connection:
    try:
        return await _by_kubeconfig(paths, context) if paths else _in_cluster()
    except (config.ConfigException, StartRefusedError, aiohttp.ClientError, OSError, ValueError) as error:
        source = source or "the in-cluster configuration"
        raise StartRefusedError(f"{source}: {' '.join(str(error).split())}") from error


def _in_cluster() -> Connection:
    credentials = InCluster()
    authority = Path(str(credentials.configuration.ssl_ca_cert))
    context = RenewedContext(lambda: Material(authority.read_bytes()))
    place = authority.with_name("namespace")
    namespace = place.read_text().strip() if place.exists() else ""
    return Connection(credentials.configuration.host, credentials, context, namespace=namespace)


async def _by_kubeconfig(paths: str, chosen: str) -> Connection:
    kubeconfig = read_kubeconfig(paths, chosen)
    cluster, user = kubeconfig.cluster, kubeconfig.user
    credentials: Credentials = User(user)
    if user.exec is not None:
        credentials = Plugin(ExecPlugin(user.exec, cluster.described()))
    await credentials.authorization()  # A program may give the client's certificate, and may ask a person to log in.

    def read() -> Material:
        return Material(cluster.authority(), credentials.certificate())

    return Connection(
        kubeconfig.server,
        credentials,
        RenewedContext(read, server_name=cluster.tls_server_name, insecure=cluster.insecure_skip_tls_verify),
        find_proxy(kubeconfig.server, cluster.proxy_url, os.environ),
        impersonation(user),
        context=kubeconfig.context,
        cluster_name=kubeconfig.cluster_name,
        namespace=kubeconfig.namespace,
    )
