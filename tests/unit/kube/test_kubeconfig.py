"""Each field of a kubeconfig has the effect that it has in kubectl, or is refused by its name."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tenure.errors import StartRefusedError
from tenure.kube.connection import Connection, connect
from tenure.kube.tls import RenewedContext
from tenure_dev.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "reference" / "kubeconfig.md"
CA = trustme.CA()
LEAF = CA.issue_cert("alice")
PEM = CA.cert_pem.bytes()
CERTIFICATE, KEY = LEAF.cert_chain_pems[0].bytes(), LEAF.private_key_pem.bytes()
V1 = "client.authentication.k8s.io/v1"
SCRIPT = f"""printf '{{"apiVersion": "{V1}", "status": {{"token": "%s"}}}}' "t$TOKEN$1" """
ECHO: Mapping[str, Any] = {"apiVersion": V1, "command": "sh", "args": ["-c", SCRIPT, "sh"]}
"""A program that gives the token `t`, with a variable and an argument after it."""


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


@dataclass(frozen=True)
class Given:
    """What a connection is like: only what a row names is compared."""

    server: str | None = None
    authorization: str | None = None
    authority: bytes | None = None
    certificate: bytes | None = None
    proxy: str | None = None
    verified: bool | None = None
    name: str | None = None
    impersonated: Sequence[tuple[str, str]] | None = None


@dataclass(frozen=True)
class Row:
    """A field's value with other fields that it needs, and the expected connection, or the words of the refusal."""

    cluster: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    top: Mapping[str, Any] = field(default_factory=dict)
    gives: Given = Given()
    refused: str = ""


SERVER = "https://api.example.com:6443"
EXTENSIONS = [{"name": "example.com", "extension": {"a": "b"}}]
AUTHORITY = Given(authority=PEM)
SHOWN = Given(certificate=CERTIFICATE + b"\n" + KEY)
FILES = {"client-certificate": "tls.crt", "client-key": "tls.key"}
DATA = {"client-certificate-data": encoded(CERTIFICATE), "client-key-data": encoded(KEY)}
BOB = {"as": "bob"}

ROWS: Mapping[str, Row] = {
    "kind": Row(top={"kind": "Config"}, gives=Given(server=SERVER)),
    "apiVersion": Row(top={"apiVersion": "v1"}, gives=Given(server=SERVER)),
    "preferences": Row(top={"preferences": {"colors": True}}, gives=Given(server=SERVER)),
    "current-context": Row(top={"current-context": "nowhere"}, refused="current-context: nowhere names 'nowhere'"),
    "extensions": Row(top={"extensions": EXTENSIONS}, gives=Given(server=SERVER)),
    "clusters.name": Row(context={"cluster": "other"}, refused=r"contexts\[here\].context.cluster names 'other'"),
    "clusters.cluster.server": Row(cluster={"server": f"{SERVER}/prefix/"}, gives=Given(server=f"{SERVER}/prefix")),
    "clusters.cluster.tls-server-name": Row(
        cluster={"tls-server-name": "kube.example"}, gives=Given(name="kube.example")
    ),
    "clusters.cluster.insecure-skip-tls-verify": Row(
        cluster={"insecure-skip-tls-verify": True}, gives=Given(verified=False)
    ),
    "clusters.cluster.certificate-authority": Row(cluster={"certificate-authority": "ca.crt"}, gives=AUTHORITY),
    "clusters.cluster.certificate-authority-data": Row(
        cluster={"certificate-authority-data": encoded(PEM), "certificate-authority": "missing"}, gives=AUTHORITY
    ),
    "clusters.cluster.proxy-url": Row(
        cluster={"proxy-url": "socks5://p:1080"}, gives=Given(proxy="socks5://p:1080 (proxy-url)")
    ),
    "clusters.cluster.disable-compression": Row(cluster={"disable-compression": True}, gives=Given(server=SERVER)),
    "clusters.cluster.extensions": Row(cluster={"extensions": EXTENSIONS}, gives=Given(server=SERVER)),
    "users.name": Row(context={"user": "other"}, refused=r"contexts\[here\].context.user names 'other'"),
    "users.user.client-certificate": Row(user=FILES, gives=SHOWN),
    "users.user.client-certificate-data": Row(user={**FILES, "client-certificate": "none", **DATA}, gives=SHOWN),
    "users.user.client-key": Row(user={"client-key": "tls.key"}, refused="client-certificate and client-key belong"),
    "users.user.client-key-data": Row(user={**DATA, "client-key": "none"}, gives=SHOWN),
    "users.user.token": Row(user={"token": "abc"}, gives=Given(authorization="Bearer abc")),
    "users.user.tokenFile": Row(
        user={"tokenFile": "token", "token": "abc"}, gives=Given(authorization="Bearer from a file")
    ),
    "users.user.as": Row(user=BOB, gives=Given(impersonated=[("Impersonate-User", "bob")])),
    "users.user.as-uid": Row(
        user={**BOB, "as-uid": "1"}, gives=Given(impersonated=[("Impersonate-User", "bob"), ("Impersonate-Uid", "1")])
    ),
    "users.user.as-groups": Row(
        user={**BOB, "as-groups": ["a", "b"]},
        gives=Given(impersonated=[("Impersonate-User", "bob"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")]),
    ),
    "users.user.as-user-extra": Row(
        user={**BOB, "as-user-extra": {"why": ["x"]}},
        gives=Given(impersonated=[("Impersonate-User", "bob"), ("Impersonate-Extra-why", "x")]),
    ),
    "users.user.username": Row(
        user={"username": "me", "password": "pw"}, gives=Given(authorization=f"Basic {encoded(b'me:pw')}")
    ),
    "users.user.password": Row(user={"password": "pw"}, gives=Given(authorization="")),
    "users.user.auth-provider": Row(
        user={"auth-provider": {"name": "gcp", "config": {"cmd-path": "gcloud"}}},
        refused="can't log in with auth-provider gcp. Replace it with an exec plugin",
    ),
    "users.user.auth-provider.config.id-token": Row(
        user={"auth-provider": {"name": "oidc", "config": {"id-token": "abc"}}},
        gives=Given(authorization="Bearer abc"),
    ),
    "users.user.extensions": Row(user={"extensions": EXTENSIONS}, gives=Given(server=SERVER)),
    "users.user.exec.command": Row(user={"exec": ECHO}, gives=Given(authorization="Bearer t")),
    "users.user.exec.args": Row(
        user={"exec": {**ECHO, "args": [*ECHO["args"], "abc"]}}, gives=Given(authorization="Bearer tabc")
    ),
    "users.user.exec.env": Row(
        user={"exec": {**ECHO, "env": [{"name": "TOKEN", "value": "abc"}]}}, gives=Given(authorization="Bearer tabc")
    ),
    "users.user.exec.apiVersion": Row(
        user={"exec": {**ECHO, "apiVersion": "client.authentication.k8s.io/v1alpha1"}},
        refused="exec: the apiVersion must be client.authentication.k8s.io/v1 or",
    ),
    "users.user.exec.installHint": Row(
        user={"exec": {"apiVersion": V1, "command": "none", "installHint": "Get it."}},
        refused="can't run none.*Get it.",
    ),
    "users.user.exec.provideClusterInfo": Row(
        user={
            "exec": {
                **ECHO,
                "args": ["-c", f'case "$KUBERNETES_EXEC_INFO" in *api.example.com*) {SCRIPT};; esac'],
                "provideClusterInfo": True,
            }
        },
        gives=Given(authorization="Bearer t"),
    ),
    "users.user.exec.interactiveMode": Row(
        user={"exec": {**ECHO, "interactiveMode": "Sometimes"}}, refused="exec: the interactiveMode must be one of"
    ),
    "contexts.name": Row(top={"contexts": []}, refused="current-context: here names 'here', which isn't in contexts"),
    "contexts.context.cluster": Row(context={"cluster": ""}, refused="context.cluster names ''"),
    "contexts.context.user": Row(context={"user": ""}, gives=Given(authorization="")),
    "contexts.context.namespace": Row(context={"namespace": "acme"}, gives=Given(server=SERVER)),
    "contexts.context.extensions": Row(context={"extensions": EXTENSIONS}, gives=Given(server=SERVER)),
}
"""All fields of `Config` in `k8s.io/client-go/tools/clientcmd/api/v1`, of which the page has a row each."""


def write(folder: Path, row: Row, server: str = SERVER) -> Path:
    """Write a kubeconfig with the files that its rows name."""
    for name, text in {"ca.crt": PEM, "tls.crt": CERTIFICATE, "tls.key": KEY, "token": b"from a file\n"}.items():
        (folder / name).write_bytes(text)
    document = {
        "clusters": [{"name": "it", "cluster": {"server": server, **row.cluster}}],
        "users": [{"name": "me", "user": {**row.user}}],
        "contexts": [{"name": "here", "context": {"cluster": "it", "user": "me", **row.context}}],
        "current-context": "here",
        **row.top,
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return path


async def described(connection: Connection, expected: Given) -> Given:
    """Describe a connection by the fields of another description."""
    context = connection.ssl_context
    assert isinstance(context, RenewedContext)
    (*authorities,) = context.current.get_ca_certs(binary_form=True)
    actual = Given(
        server=connection.server,
        authorization=await connection.credentials.authorization(),
        authority=PEM if len(authorities) == 1 else b"",
        certificate=connection.credentials.certificate(),
        proxy=str(connection.proxy),
        verified=context.current.check_hostname,
        name=context.server_name,
        impersonated=connection.impersonated,
    )
    return Given(**{name: None if value is None else getattr(actual, name) for name, value in vars(expected).items()})


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_each_field_has_its_effect_or_is_refused(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, row)
    monkeypatch.setenv("KUBECONFIG", str(path))
    if row.refused:
        with pytest.raises(StartRefusedError, match=row.refused) as caught:
            await connect()
        assert str(caught.value).startswith(f"KUBECONFIG={path}: ")
        return
    assert row.gives != Given()
    assert await described(await connect(), row.gives) == row.gives


def test_the_page_has_a_row_for_each_field() -> None:
    rows = [line.split("|")[1].strip().strip("`") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == list(ROWS)


REFUSED: Mapping[str, tuple[Row, str]] = {
    "no server": (Row(cluster={"server": ""}), "the current context's cluster has no server"),
    "both unverified and verified": (
        Row(cluster={"insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"}),
        "a cluster with insecure-skip-tls-verify can't have a certificate-authority",
    ),
    "groups of nobody": (Row(user={"as-groups": ["a"]}), "as-uid, as-groups and as-user-extra need the field as"),
    "a number": (Row(user={"token": 5}), "config: users.0.user.token: Input should be a valid string"),
    "a proxy of another kind": (Row(cluster={"proxy-url": "ftp://p"}), "Tenure can't use this proxy"),
    "no command": (Row(user={"exec": {"apiVersion": V1}}), "exec: there is no command"),
    "a missing authority": (Row(cluster={"certificate-authority": "none"}), "No such file or directory: .*/none"),
    "a missing token": (Row(user={"tokenFile": "none"}), "No such file or directory: .*/none"),
    "no base64": (Row(user={**DATA, "client-key-data": "?"}), "client-key-data"),
    "no current context": (Row(top={"current-context": ""}), "kubectl config use-context NAME"),
}


@pytest.mark.parametrize(("row", "says"), [pytest.param(*one, id=name) for name, one in REFUSED.items()])
async def test_what_kubectl_rejects_is_refused(
    row: Row, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, row)))
    with pytest.raises(StartRefusedError, match=says):
        await connect()


@pytest.mark.parametrize(
    ("row", "server"),
    [
        pytest.param(Row(), "http://api", id="plain"),
        pytest.param(Row(cluster={"certificate-authority": "ca.crt"}), "https://api", id="authority"),
        pytest.param(Row(cluster={"insecure-skip-tls-verify": True}), "https://api", id="unverified"),
        pytest.param(Row(user=FILES), "https://api", id="certificate"),
    ],
)
async def test_a_server_without_a_scheme_gets_kubectls(
    row: Row, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, row, "api")))
    assert (await connect()).server == server


async def test_null_means_no_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(user={"token": "abc", "exec": None, "as-groups": None}, top={"preferences": None})
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, row)))
    assert await (await connect()).credentials.authorization() == "Bearer abc"


async def test_of_several_files_the_first_entry_counts_and_paths_belong_to_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    write(first, Row(user={"tokenFile": "token"}, top={"clusters": [], "contexts": []}))
    write(second, Row(user={"token": "another"}, cluster={"certificate-authority": "ca.crt"}))
    (first / "ca.crt").unlink()
    (second / "token").unlink()
    paths = [first / "config", tmp_path / "missing", second / "config"]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
    connection = await connect()
    expected = Given(server=SERVER, authorization="Bearer from a file", authority=PEM)
    assert await described(connection, expected) == expected


async def test_the_current_context_is_that_of_the_first_file_that_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").write_text("current-context: there\n")
    other = write(tmp_path, Row(top={"contexts": [{"name": "there", "context": {"cluster": "it", "user": "me"}}]}))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'first'}{os.pathsep}{other}")
    assert (await connect()).server == SERVER


async def test_files_that_are_all_missing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")
    with pytest.raises(StartRefusedError, match="none of these files exists"):
        await connect()


async def test_a_program_with_a_path_is_found_beside_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "login"
    program.write_text(f"#!/bin/sh\n{SCRIPT}\n")
    program.chmod(0o700)
    row = Row(user={"exec": {"apiVersion": V1, "command": "./login"}})
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, row)))
    assert await (await connect()).credentials.authorization() == "Bearer t"
