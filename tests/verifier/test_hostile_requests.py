"""Requests as no client library sends them, word for word on a socket: they open nothing, and break nothing.

The ids name the rows that these are.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from support.api.api import Api
from support.api.raw_http import head, spoken, status
from support.cluster.identity import VERIFIER, config_of
from support.cluster.verified import known, known_key, wait_code
from support.cluster.world import World
from support.objects.manifests import api_key
from support.programs.shared_operator import SharedOperator
from support.programs.verifier_process import Body, VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure.verifier.http.app import FAILURES_PER_MINUTE
from tenure_dev.controlplane import ControlPlane

NOBODYS = Token.mint(bytes(range(ENTROPY_BYTES))).reveal()


@pytest.fixture(scope="module")
def home(control_plane: ControlPlane, shared_operator: SharedOperator) -> Iterator[World]:
    """Give one namespace to all these tests, since none of them changes anything there."""
    with closing(Api(control_plane, shared_operator.take())) as api:
        yield World(api)


@pytest.fixture(scope="module")
def token(home: World, verifier: VerifierProcess) -> Token:
    """Give a key that works."""
    return known_key(home, verifier)


@pytest.fixture(scope="module")
def suspended(home: World, token: Token, verifier: VerifierProcess) -> Token:
    """Give a key that doesn't."""
    assert verifier.code(token) == "Valid"
    home.create(api_key("suspended", "alice"))
    key = known(home, verifier, "suspended")
    home.change_key("suspended", suspended=True)
    wait_code(verifier, key, "Suspended")
    return key


def authorize(*lines: str, query: str = "") -> bytes:
    return head("GET", f"/v1/authorize{query}", *lines)


def post(path: str, body: bytes, *lines: str) -> bytes:
    return head("POST", path, f"Content-Length: {len(body)}", *lines) + body


HEADS: dict[str, tuple[Callable[[str], bytes], set[int]]] = {
    "B-65 no Authorization": (lambda _: authorize(), {401}),
    "B-65 Bearer": (lambda _: authorize("Authorization: Bearer"), {401}),
    "B-65 Bearer and a space": (lambda _: authorize("Authorization: Bearer "), {401}),
    "B-65 no scheme": (lambda text: authorize(f"Authorization: {text}"), {401}),
    "B-65 Basic": (lambda text: authorize(f"Authorization: Basic {text}"), {401}),
    "B-65 two Authorization headers": (lambda text: authorize(*[f"Authorization: Bearer {text}"] * 2), {401}),
    "B-65 two X-Api-Key headers": (lambda text: authorize(*[f"X-Api-Key: {text}"] * 2), {400}),
    "B-65 two schemes": (lambda text: authorize(f"Authorization: Bearer {text}", f"X-Api-Key: {text}"), {400}),
    "B-65 two tokens in one header": (lambda text: authorize(f"Authorization: Bearer {text}, {text}"), {401}),
    "B-66 key as a value": (lambda text: authorize(query=f"?key={text}"), {400}),
    "B-66 key as a name": (lambda text: authorize(query=f"?{text}=1"), {400}),
    "B-66 key, percent-encoded": (lambda text: authorize(query=f"?key={text.replace('_', '%5F')}"), {400}),
    "B-66 key, beside one in a header": (
        lambda text: authorize(f"Authorization: Bearer {text}", query=f"?access_token={text}"),
        {400},
    ),
    "B-66 key in the path": (lambda text: head("GET", f"/v1/authorize/{text}"), {400}),
    "B-66 key as the capability": (lambda text: head("GET", f"/v1/authorize/acme/{text}/Full/"), {400}),
    "B-66 key behind the level": (lambda text: head("GET", f"/v1/authorize/acme/costs/Full/{text}?key={text}"), {401}),
    "a path with encoded slashes": (
        lambda text: head("GET", "/v1/authorize%2Facme%2Fcosts%2FView", f"X-Api-Key: {text}"),
        {404},
    ),
    "a path that leads to another namespace": (
        lambda text: head("GET", "/v1/authorize/other/costs/View/../../../acme/costs/View", f"X-Api-Key: {text}"),
        {403},
    ),
    "a path with a query that asks for less": (
        lambda text: head("GET", "/v1/authorize/other/costs/View/?namespace=acme", f"X-Api-Key: {text}"),
        {403},
    ),
    "Basic with the key as the user": (
        lambda text: authorize(f"Authorization: Basic {b64encode(f'{text}:'.encode()).decode()}"),
        {401},
    ),
    "another scheme and Bearer": (
        lambda text: authorize(f"X-Api-Key: {text}", "Authorization: Basic eDp5", f"Authorization: Bearer {text}"),
        {400},
    ),
    "B-71 NUL": (lambda text: authorize(f"X-Api-Key: {text}\0"), {400, 401}),
    "B-71 beyond ASCII": (lambda text: authorize(f"X-Api-Key: {text}\u00e9"), {400, 401}),
    "B-71 equals sign": (lambda text: authorize(f"X-Api-Key: {text}="), {401}),
    "B-71 JSON": (lambda text: authorize('X-Api-Key: {"token": "' + text + '"}'), {401}),
    "B-71 SQL": (lambda text: authorize(f"X-Api-Key: {text}' OR '1'='1"), {401}),
    "B-71 jndi": (lambda _: authorize("X-Api-Key: ${jndi:ldap://example.com/a}"), {401}),
    "B-71 a header in a header": (lambda text: authorize(f"X-Api-Key: a\r\nX-Tenure-Role: Owner\r\nX: {text}"), {401}),
    "B-71 a bare line feed": (lambda text: authorize(f"X-Api-Key: a\nAuthorization: Basic {text}"), {400, 401}),
    "B-71 1 MB": (lambda _: authorize("X-Api-Key: " + "x" * 1_000_000), {0, 400, 431}),
    "B-77 unknown capability": (lambda text: authorize(f"X-Api-Key: {text}", query="?capability=fly"), {400}),
    "B-77 star": (lambda text: authorize(f"X-Api-Key: {text}", query="?capability=*"), {400}),
    "B-77 empty": (lambda text: authorize(f"X-Api-Key: {text}", query="?capability="), {400}),
    "B-77 level None": (lambda text: authorize(f"X-Api-Key: {text}", query="?capability=costs&level=None"), {400}),
    "B-77 twice": (lambda text: authorize(f"X-Api-Key: {text}", query="?capability=costs&capability=members"), {400}),
    "B-77 10,000 parameters": (
        lambda text: authorize(f"X-Api-Key: {text}", query="?" + "&".join(["capability=costs"] * 10_000)),
        {400, 431},
    ),
}


@pytest.mark.parametrize(("said", "expected"), HEADS.values(), ids=HEADS)
def test_no_head_opens_anything(
    verifier: VerifierProcess, token: Token, said: Callable[[str], bytes], expected: set[int]
) -> None:
    answer = spoken(verifier.port, said(token.reveal()))
    assert status(answer) in expected, answer[:300]
    assert b"x-tenure-role" not in answer.lower()
    assert token.reveal() not in verifier.log
    assert verifier.code(token) == "Valid", "it goes on"


BODIES: dict[str, tuple[str, object, int]] = {
    "B-71 1 MB": ("/v1/verify", {"token": "x" * 1_000_000}, 413),
    "B-71 2 kB": ("/v1/verify", {"token": "x" * 2_000}, 400),
    "B-71 a list": ("/v1/verify", {"token": [NOBODYS]}, 400),
    "B-71 a lone surrogate": ("/v1/verify", {"token": "\ud800"}, 400),
    "B-73 no spec": ("/v1/tokenreview", {}, 400),
    "B-73 no token": ("/v1/tokenreview", {"spec": {}}, 400),
    "B-73 empty": ("/v1/tokenreview", {"spec": {"token": ""}}, 200),
    "B-73 a number": ("/v1/tokenreview", {"spec": {"token": 5}}, 400),
    "B-73 a list": ("/v1/tokenreview", {"spec": {"token": [NOBODYS]}}, 400),
    "B-73 1 MB": ("/v1/tokenreview", {"spec": {"token": "x" * 1_000_000}}, 413),
    "B-75 audiences of a wrong type": ("/v1/tokenreview", {"spec": {"token": NOBODYS, "audiences": 5}}, 200),
    "B-75 10,000 audiences": ("/v1/tokenreview", {"spec": {"token": "", "audiences": ["a"] * 10_000}}, 200),
    "B-77 capability is a list": ("/v1/verify", {"token": NOBODYS, "capability": ["costs"] * 5_000}, 400),
    "B-77 capability is empty": ("/v1/verify", {"token": NOBODYS, "capability": ""}, 400),
    "B-77 capability is a star": ("/v1/verify", {"token": NOBODYS, "capability": "*"}, 400),
    "B-77 10,000 fields": ("/v1/verify", {"token": "", **{f"f{number}": 0 for number in range(4_500)}}, 400),
}


@pytest.mark.parametrize(("path", "document", "expected"), BODIES.values(), ids=BODIES)
def test_no_body_opens_anything(verifier: VerifierProcess, path: str, document: object, expected: int) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    body = json.dumps({**review, **document} if path == "/v1/tokenreview" and isinstance(document, dict) else document)
    answer = spoken(verifier.port, post(path, body.encode()))
    assert status(answer) == expected, answer[:300]
    assert b'"valid": true' not in answer
    assert b'"authenticated": true' not in answer


@pytest.mark.parametrize(
    "versions",
    ["authentication.k8s.io/v1beta1", "v1", "", None],
    ids=["B-73 v1beta1", "B-73 v1", "B-73 empty", "B-73 null"],
)
def test_a_review_of_another_version_is_refused(verifier: VerifierProcess, token: Token, versions: str | None) -> None:
    body = {"apiVersion": versions, "kind": "TokenReview", "spec": {"token": token.reveal()}}
    answer = requests.post(f"{verifier.url}/v1/tokenreview", json=body, timeout=NEVER)
    assert (answer.status_code, "authenticated" in answer.text) == (400, False)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Host"], ids="B-79 {}".format)
def test_headers_do_not_dodge_the_limiter_and_keys_that_work_are_never_held_up(
    control_plane: ControlPlane, token: Token, suspended: Token, tmp_path: Path, name: str
) -> None:
    config = config_of(control_plane, VERIFIER)
    with VerifierProcess(config, tmp_path / "verifier.log") as verifier, requests.Session() as session:

        def failed(number: int) -> str:
            address = f"10.0.{number // 256}.{number % 256}"
            value = {"Forwarded": f"for={address}", "Host": f"{address}.example.com"}.get(name, address)
            headers = {name: value, "X-Real-IP": address, "X-Api-Key": suspended.reveal()}
            answer = session.get(f"{verifier.url}/v1/authorize", headers=headers, timeout=NEVER)
            assert answer.status_code == 401, "whoever else is behind the same proxy is still told so"
            return str(answer.json()["code"])

        # Enough for one of two minutes, where one ends in between.
        answers = [failed(number) for number in range(2 * FAILURES_PER_MINUTE + 100)]
        assert set(answers) == {"Suspended", "Unauthorized"}
        eventually(lambda: verifier.log.count("Suspended") == len(answers), within=10, describe="each has its log line")
        # Everything behind one proxy has one address: whoever works there goes on, and another address isn't concerned.
        assert {verifier.authorize(token).status_code for _ in range(50)} == {200}
        assert failed_at(verifier, "127.0.0.9", suspended) == {"code": "Suspended"}


def failed_at(verifier: VerifierProcess, address: str, token: Token) -> Body:
    connection = HTTPConnection("127.0.0.1", verifier.port, timeout=NEVER, source_address=(address, 0))
    connection.request("GET", "/v1/authorize", headers={"X-Api-Key": token.reveal()})
    document: Body = json.load(connection.getresponse())
    connection.close()
    return document


def test_nothing_of_this_left_a_traceback_or_a_torn_line(verifier: VerifierProcess) -> None:
    assert "Traceback" not in verifier.log
    for line in verifier.log.splitlines():
        if "code" in (document := json.loads(line)):
            assert document["code"].isalpha()
            assert document["key_id"] is None or document["key_id"].isalnum()
