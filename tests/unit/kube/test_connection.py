"""What a connection checks of the API server, and how it goes on when certificates and credentials are renewed."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml

from support.programs.echo_server import EchoServer, trusted
from support.programs.forward_proxy import ForwardProxy
from tenure.errors import StartRefusedError, UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection, connect
from tenure.kube.tls import RenewedContext

OLD, NEW = trustme.CA(), trustme.CA()


class Place:
    """A kubeconfig whose cluster and user a test may change before it connects."""

    def __init__(self, folder: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.authority = trusted(folder / "ca.crt", OLD)
        self.cluster: dict[str, Any] = {"server": server, "certificate-authority": "ca.crt"}
        self.user: dict[str, Any] = {"token": "abc"}
        self._monkeypatch = monkeypatch

    async def connect(self) -> Connection:
        document = {
            "clusters": [{"name": "it", "cluster": self.cluster}],
            "users": [{"name": "me", "user": self.user}],
            "contexts": [{"name": "here", "context": {"cluster": "it", "user": "me"}}],
            "current-context": "here",
        }
        (self.folder / "config").write_text(yaml.safe_dump(document))
        self._monkeypatch.setenv("KUBECONFIG", str(self.folder / "config"))
        return await connect()


@pytest.fixture
def echo() -> EchoServer:
    return EchoServer(OLD)


@pytest.fixture
async def place(echo: EchoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with echo.listening() as server:
        yield Place(tmp_path, server, monkeypatch)


async def ask(connection: Connection) -> dict[str, Any]:
    """Ask the server in a connection of its own."""
    async with Cluster(connection) as cluster:
        return await cluster.read("/version")


def headers(answer: dict[str, Any], name: str) -> list[str]:
    return [value for each, value in answer["headers"] if each.lower() == name.lower()]


async def test_chain_and_host_name_are_checked_and_key_identifiers_are_not(place: Place) -> None:
    context = (await place.connect()).ssl_context
    assert isinstance(context, RenewedContext)
    assert context.current.verify_mode is ssl.CERT_REQUIRED
    assert context.current.check_hostname
    assert not context.current.verify_flags & ssl.VERIFY_X509_STRICT


async def test_a_rotated_authority_is_trusted_by_the_next_connection_and_the_old_one_no_longer(
    place: Place, echo: EchoServer
) -> None:
    connection = await place.connect()
    await ask(connection)
    trusted(place.authority, OLD, NEW)
    await ask(connection)
    echo.serve(NEW)
    await ask(connection)
    trusted(place.authority, NEW)
    await ask(connection)
    echo.serve(OLD)
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        await ask(connection)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nhalf"])
async def test_an_authority_that_is_spoilt_while_it_runs_leaves_the_one_before(place: Place, text: str) -> None:
    connection = await place.connect()
    place.authority.write_text(text)
    await ask(connection)


@pytest.mark.parametrize("text", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nhalf"])
async def test_a_spoilt_authority_is_refused_at_the_start(place: Place, text: str) -> None:
    place.authority.write_text(text)
    with pytest.raises(StartRefusedError, match="KUBECONFIG="):
        await place.connect()


def issue(folder: Path) -> None:
    issued = OLD.issue_cert("alice")
    issued.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    issued.private_key_pem.write_to_path(str(folder / "tls.key"))


async def test_a_renewed_certificate_is_shown_once_the_one_of_a_kept_connection_is_rejected(
    place: Place, echo: EchoServer
) -> None:
    place.user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
    issue(place.folder)
    async with Cluster(await place.connect()) as cluster:
        first = await cluster.read("/version")
        issue(place.folder)
        assert await cluster.read("/version") == first
        echo.rejected.add(first["client"])
        second = await cluster.read("/version")
    assert first["client"] != second["client"]
    assert None not in {first["client"], second["client"]}


async def test_a_tls_server_name_is_asked_for_and_checked_instead_of_the_host(place: Place, echo: EchoServer) -> None:
    echo.serve(OLD, "kube.teleport.example")
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        await ask(await place.connect())
    place.cluster["tls-server-name"] = "kube.teleport.example"
    assert (await ask(await place.connect()))["name"] == "kube.teleport.example"


async def test_a_rejected_token_is_read_again_at_once(place: Place, echo: EchoServer) -> None:
    (place.folder / "token").write_text("first")
    place.user = {"tokenFile": "token"}
    connection = await place.connect()
    assert headers(await ask(connection), "Authorization") == ["Bearer first"]
    (place.folder / "token").write_text("second")
    assert headers(await ask(connection), "Authorization") == ["Bearer first"]
    echo.rejected.add("Bearer first")
    assert headers(await ask(connection), "Authorization") == ["Bearer second"]


async def test_a_session_sends_the_present_token_with_each_request(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of Kopf lives as long as the process."""
    monkeypatch.setattr("tenure.kube.credentials.REREAD_SECONDS", 0)
    place.user = {"tokenFile": "token"}
    sent = []
    (place.folder / "token").write_text("first")
    connection = await place.connect()
    async with connection.session(connections=0) as session:
        for token in ("first", "second"):
            (place.folder / "token").write_text(token)
            async with session.get(f"{connection.server}/watch") as answer:
                sent += headers(await answer.json(), "Authorization")
    assert sent == ["Bearer first", "Bearer second"]


async def test_impersonation_is_sent_with_each_request(place: Place) -> None:
    place.user |= {"as": "bob", "as-groups": ["a", "b"]}
    answer = await ask(await place.connect())
    assert headers(answer, "Authorization") == ["Bearer abc"]
    assert headers(answer, "Impersonate-User") == ["bob"]
    assert headers(answer, "Impersonate-Group") == ["a", "b"]


async def test_a_redirect_to_another_host_gets_no_credentials(place: Place, echo: EchoServer) -> None:
    echo.serve(OLD, "127.0.0.1", "localhost")
    elsewhere = place.cluster["server"].replace("127.0.0.1", "localhost")
    place.user |= {"as": "bob"}
    connection = await place.connect()
    async with (
        connection.session(connections=0) as session,
        session.get(f"{connection.server}/redirect", params={"to": f"{elsewhere}/version"}) as answer,
    ):
        found = await answer.json()
    assert headers(found, "Host") == [elsewhere.removeprefix("https://")]
    assert headers(found, "Authorization") == headers(found, "Impersonate-User") == []


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_carries_all_requests(place: Place, scheme: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    OLD.issue_cert("127.0.0.1").configure_cert(tls)
    proxy = ForwardProxy(scheme, tls if scheme == "https" else None)
    async with proxy.listening() as address:
        place.cluster["proxy-url"] = f"{scheme}://alice:secret@{address}"
        await ask(await place.connect())
    assert proxy.asked == ["127.0.0.1"]
    assert proxy.logins == ["alice:secret"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_certificate_is_checked_through_a_proxy(place: Place, echo: EchoServer, scheme: str) -> None:
    echo.serve(NEW)
    async with ForwardProxy(scheme).listening() as address:
        place.cluster["proxy-url"] = f"{scheme}://{address}"
        says = rf"through the proxy {scheme}://{address} \(proxy-url\): .*certificate verify failed"
        with pytest.raises(UnavailableError, match=says):
            await ask(await place.connect())


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_dead_proxy_is_named_without_its_password(place: Place, scheme: str) -> None:
    place.cluster["proxy-url"] = f"{scheme}://alice:secret@127.0.0.1:1"
    with pytest.raises(UnavailableError) as caught:
        await ask(await place.connect())
    assert f"through the proxy {scheme}://127.0.0.1:1 (proxy-url): " in str(caught.value)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectionError), "Kopf retries only these"


async def test_a_proxy_of_the_shell_is_used(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.cluster["server"] = "https://api.example.com"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"through the proxy http://127\.0\.0\.1:1 \(HTTPS_PROXY\): "):
        await ask(await place.connect())


async def test_in_a_pod_the_proxy_of_the_environment_is_ignored(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / "token").write_text("first")
    host, port = place.cluster["server"].removeprefix("https://").split(":")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_TOKEN_FILENAME", str(place.folder / "token"))
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_CERT_FILENAME", str(place.authority))
    assert headers(await ask(await connect()), "Authorization") == ["bearer first"]
