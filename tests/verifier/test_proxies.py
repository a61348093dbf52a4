"""The proxies of docs/howto/behind-a-proxy.md, configured as the page says, between clients and an application."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from support.api.raw_http import head, spoken, status
from support.cluster.verified import forged, known, known_key, known_narrow
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.application import application
from support.programs.gateways import (
    Gateway,
    envoy,
    envoy_with_path,
    nginx,
    nginx_program,
    traefik,
    traefik_program,
)
from support.programs.verifier_process import Body, VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import Token
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import Process

GATEWAYS: dict[str, Gateway] = {"nginx": nginx, "envoy": envoy}
if traefik_program() is not None:  # Its build takes too long to be part of `make test`.
    GATEWAYS["traefik"] = traefik
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "DELETE"}
IDENTITY = ("namespace", "organization", "member", "subject", "role", "access", "capabilities", "key-id")
LEVELS = "clusters=Full,billing=View,costs=Full"
NARROW = ("clusters", "costs")


@dataclass(frozen=True)
class Site:
    name: str
    port: int
    process: Process
    folder: Path

    def ask(
        self, path: str = "/", method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.request(method, url, data=body or None, headers=headers, timeout=NEVER)

    def passed_on(self, own: int) -> int:
        """What a client gets where the verifier's answer is none of 200, 401 and 403."""
        return 500 if self.name == "nginx" else own


@pytest.fixture(scope="module", params=GATEWAYS)
def site(
    request: pytest.FixtureRequest, verifier: VerifierProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    name = request.param
    if name == "nginx" and nginx_program() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nginx is missing")
        pytest.skip("nginx is missing; apt-get install nginx-light")
    folder = tmp_path_factory.mktemp(name)
    folder.chmod(0o755)
    (port,) = free_ports(1)
    with application() as behind:
        process = GATEWAYS[name](folder, port, verifier.port, behind)
        process.start()
        site = Site(name, port, process, folder)
        try:
            eventually(lambda: site.ask().status_code == 401, within=30, describe=f"{name} serves")
            yield site
        finally:
            process.stop()


@pytest.fixture
def token(site: Site, world: World, verifier: VerifierProcess) -> Token:
    assert site.process.running
    return known_key(world, verifier)


def bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.reveal()}"}


def identity(token: Token, world: World) -> Body:
    values = (world.api.namespace, "acme", "alice", "alice@acme.io", "Member", "Full", LEVELS, token.key_id)
    return {f"x-tenure-{name}": [value] for name, value in zip(IDENTITY, values, strict=True)}


def told(answer: requests.Response) -> Body:
    """What the application was told about the caller."""
    assert answer.status_code == 200, answer.text
    headers: Body = answer.json()["headers"]
    assert not headers.keys() & {"authorization", "x-api-key"}, "the application needs no token"
    return {name: value for name, value in headers.items() if name.replace("_", "-").startswith("x-tenure")}


def test_a_key_passes_and_the_application_learns_whose_it_is(site: Site, world: World, token: Token) -> None:
    assert told(site.ask(headers=bearer(token))) == identity(token, world)
    assert told(site.ask(headers={"X-Api-Key": token.reveal()})) == identity(token, world)


def test_a_key_passes_as_a_password_and_beside_another_password(site: Site, world: World, token: Token) -> None:
    # What `curl --user git:tnr_…` sends, and what an application with a login of its own gets.
    session = requests.Session()
    session.auth = ("git", token.reveal())
    answer = session.get(f"http://127.0.0.1:{site.port}/", timeout=NEVER)
    assert told(answer) == identity(token, world)
    session.auth = ("jane", "another password")
    answer = session.get(f"http://127.0.0.1:{site.port}/", headers={"X-Api-Key": token.reveal()}, timeout=NEVER)
    assert told(answer) == identity(token, world)


def test_a_preflight_passes_as_nobodys_and_nothing_else_does(site: Site) -> None:
    lies = {f"X-Tenure-{name.title()}": "system:masters" for name in (*IDENTITY, "missing")}
    answer = site.ask("/things", "OPTIONS", headers=PREFLIGHT | lies | {"Authorization": "Basic YWxpY2U6eA=="})
    assert told(answer) == {}
    assert (answer.json()["method"], answer.json()["path"]) == ("OPTIONS", "/things")
    others = [("OPTIONS", {}), *(("OPTIONS", {name: value}) for name, value in PREFLIGHT.items())]
    others += [(method, PREFLIGHT) for method in ("GET", "POST", "PUT", "DELETE", "PATCH")]
    others.append(("GET", {**PREFLIGHT, "X-HTTP-Method-Override": "OPTIONS", "X-Forwarded-Method": "OPTIONS"}))
    for method, headers in others:
        assert site.ask("/things", method, headers=headers).status_code == 401, (method, headers)


def test_what_a_client_says_of_itself_is_dropped(site: Site, world: World, token: Token) -> None:
    lies = {f"X-Tenure-{name.title()}": "system:masters" for name in (*IDENTITY, "missing")}
    assert told(site.ask(headers=bearer(token) | lies)) == identity(token, world)
    lines = [
        f"{name.replace('-', separator)}: root" for name in ("x-tenure-role", "X-TENURE-ROLE") for separator in "-_."
    ]
    answer = spoken(site.port, head("GET", "/", f"Authorization: Bearer {token.reveal()}", *lines))
    assert (status(answer), b"root" in answer) == (200, False)


def test_a_narrowed_key_passes_with_its_capabilities_and_without_its_role(
    site: Site, world: World, verifier: VerifierProcess
) -> None:
    world.create(organization(), member("alice"), *(api_key(name, "alice", capabilities=[name]) for name in NARROW))
    tokens = {name: known_narrow(world, verifier, name) for name in NARROW}
    lies = {"X-Tenure-Role": "Owner", "X-Tenure-Capabilities": "members=Full"}
    expected = {**identity(tokens["clusters"], world), "x-tenure-capabilities": ["clusters=Full"]}
    del expected["x-tenure-role"]
    assert told(site.ask(headers=bearer(tokens["clusters"]) | lies)) == expected
    answer = site.ask(headers=bearer(tokens["costs"]) | lies)
    assert (answer.status_code, answer.headers["X-Tenure-Missing"]) == (403, "clusters=Full")


def test_a_body_reaches_the_application_and_not_the_verifier(site: Site, token: Token) -> None:
    for method in ("POST", "PUT"):
        answer = site.ask("/things?page=2", method, b"x" * 500_000, headers=bearer(token))
        assert answer.status_code == 200, answer.text
        assert {name: answer.json()[name] for name in ("method", "path", "size")} == {
            "method": method,
            "path": "/things?page=2",
            "size": 500_000,
        }
    assert site.ask("/things", "DELETE", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_without_a_key_that_works_it_is_401(site: Site, token: Token, method: str) -> None:
    presented: list[dict[str, str]] = [
        {},
        bearer(forged(token)),
        {"X-Api-Key": "hello"},
        {"Authorization": "Basic YWxpY2U6eA=="},
    ]
    for headers in presented:
        answer = site.ask(method=method, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_role_change_closes_it(site: Site, world: World, token: Token) -> None:
    with requests.Session() as kept:
        url, headers = f"http://127.0.0.1:{site.port}/", bearer(token)
        assert kept.get(url, headers=headers, timeout=NEVER).status_code == 200
        world.change_role("alice", "Viewer")
        eventually(lambda: kept.get(url, headers=headers, timeout=NEVER).status_code == 401, within=30, describe="401")


def test_what_is_missing_is_said(site: Site, world: World, verifier: VerifierProcess) -> None:
    token = known_key(world, verifier, "Viewer")
    answer = site.ask("/things", "PUT", b"x", headers=bearer(token))
    assert (answer.status_code, answer.headers["X-Tenure-Missing"]) == (403, "clusters=Full")


def test_a_key_of_another_organization_opens_nothing(site: Site, world: World, verifier: VerifierProcess) -> None:
    world.create(organization("globex"), member("alice", organization="globex"), api_key("laptop", "alice"))
    answer = site.ask(headers=bearer(known(world, verifier, "laptop")))
    assert (answer.status_code, answer.headers["X-Tenure-Missing"]) == (403, "organization")


def test_a_key_in_a_url_opens_nothing_and_is_in_no_log(site: Site, verifier: VerifierProcess, token: Token) -> None:
    answer = site.ask(f"/?key={token.reveal()}")
    assert answer.status_code == (400 if site.name == "nginx" else 401)
    for text in (verifier.log, *(path.read_text() for path in site.folder.glob("*.log"))):
        assert token.reveal() not in text


def test_large_headers_open_nothing(site: Site) -> None:
    for size, expected in ((7_000, {401}), (31_000, {400, 401, 431}), (100_000, {400, 431})):
        answer = site.ask(headers={"Authorization": "Bearer " + "x" * size})
        assert answer.status_code in expected, size


def test_two_keys_open_nothing(site: Site, token: Token) -> None:
    answer = site.ask(headers=bearer(token) | {"X-Api-Key": token.reveal()})
    assert answer.status_code == site.passed_on(400)


def test_while_the_verifier_is_down_nothing_is_open(site: Site, verifier: VerifierProcess, token: Token) -> None:
    expected = 503 if site.name == "envoy" else 500
    verifier.stop()
    try:
        for headers in (bearer(token), {}):
            assert site.ask(headers=headers).status_code == expected
    finally:
        verifier.start()
    eventually(lambda: site.ask(headers=bearer(token)).status_code == 200, within=30, describe="it is open again")


HOSTILE_PATHS = (
    "/",
    "/../../../{other}/costs/View",
    "/%2e%2e/%2e%2e/%2e%2e/v1/authorize/{other}/costs/View",
    "/..%2f..%2f..%2f{other}%2fcosts%2fView",
    "//{other}/costs/View",
    "/v1/authorize/{other}/costs/View",
    "/?capability=costs&level=View",
    "/?namespace={other}&capability=costs&level=View",
    "/things?" + "&".join(f"field{number}=1" for number in range(100)),
    "*",
)


@pytest.fixture
def path_site(world: World, verifier: VerifierProcess, tmp_path: Path) -> Iterator[Site]:
    """Give an Envoy that puts the question in front of the path of the request."""
    (port,) = free_ports(1)
    with application() as behind:
        process = envoy_with_path(tmp_path, port, verifier.port, behind, world.api.namespace)
        process.start()
        site = Site("envoy", port, process, tmp_path)
        try:
            eventually(lambda: site.ask().status_code == 401, within=30, describe="Envoy serves")
            yield site
        finally:
            process.stop()


def test_a_question_in_the_path_is_not_changed_by_the_path_that_follows(
    path_site: Site, world: World, verifier: VerifierProcess
) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"), api_key("reader", "alice", access="View"))
    token, reader = known(world, verifier, "laptop"), known(world, verifier, "reader")
    answer = path_site.ask("/things/5?page=2&capability=members", "PUT", b"x", headers=bearer(token))
    assert told(answer) == identity(token, world)
    assert answer.json()["path"] == "/things/5?page=2&capability=members"
    for path in HOSTILE_PATHS:
        target = path.format(other=world.api.namespace)
        answered = spoken(path_site.port, head("GET", target, f"X-Api-Key: {reader.reveal()}"))
        assert status(answered) in {400, 403, 404}, (target, answered)
        assert status(answered) == 403 or target == "*"
