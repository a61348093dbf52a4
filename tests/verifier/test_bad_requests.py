"""Requests that make no sense are refused, never answered with 500 or with `valid`."""

import time
from collections.abc import Callable

import pytest
import requests

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import Token

RECEIPT_SECONDS = 0.03
"""A little less than the 40 ms that a kernel waits before it sends a receipt alone: no figure of ours."""

RECEIPTS_AT_ONCE = 20

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def token(world: World, verifier: VerifierProcess) -> Token:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    token = world.issue("laptop", within=30)["laptop"]
    eventually(lambda: verifier.code(token) == "Valid", within=30, describe="the verifier knows the key")
    return token


MANGLED: dict[str, Callable[[str], str]] = {
    "B-67 prefix": lambda text: "tmr" + text[3:],
    "B-67 truncated": lambda text: text[:-1],
    "B-67 one more": lambda text: text + "0",
    "B-67 lower case": str.lower,
    "B-67 newline": lambda text: text + "\n",
    "B-67 space": lambda text: " " + text,
    "B-67 percent": lambda text: text.replace("_", "%5F"),
    "B-67 homoglyph": lambda text: text.replace("t", "\u0442", 1),
    "B-67 a digit": lambda text: text[:20] + ("0" if text[20] != "0" else "1") + text[21:],
    "B-71 NUL": lambda text: text + "\0",
}


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_a_mangled_token_is_none(verifier: VerifierProcess, token: Token, mangle: Callable[[str], str]) -> None:
    assert verifier.verify(mangle(token.reveal())) == {"valid": False}


BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"{", 400),
    "a list": (b"[]", 400),
    "null": (b"null", 400),
    "no token": (b"{}", 400),
    "a number": (b'{"token": 5}', 400),
    "another field": (b'{"token": "x", "hash": "y"}', 400),
    "bad UTF-8": (b'{"token": "\xff\xfe"}', 400),
    "deep": (b"[" * 50000, 400),
    "B-77 capability": (b'{"token": "x", "capability": "everything"}', 400),
    "B-77 star": (b'{"token": "x", "capability": "*"}', 400),
    "level None": (b'{"token": "x", "capability": "costs", "level": "None"}', 400),
    "B-71 1 MB": (b'{"token": "' + b"x" * 1_000_000 + b'"}', 413),
}


@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
def test_a_body_that_makes_no_sense_is_refused(verifier: VerifierProcess, body: bytes, status: int) -> None:
    answer = requests.post(f"{verifier.url}/v1/verify", data=body, headers=JSON, timeout=NEVER)
    assert answer.status_code == status, answer.text
    assert "valid" not in answer.json()


@pytest.mark.parametrize("text", ["", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "x" * 60_000], ids=["empty", "a JWT", "60 kB"])
def test_a_review_of_what_is_not_ours_authenticates_nobody(verifier: VerifierProcess, text: str) -> None:
    assert verifier.review({"token": text}).json()["status"] == {"authenticated": False}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/verify", 405),
        ("PUT", "/v1/verify", 405),
        ("POST", "/v1/authorize", 401),
        ("GET", "/", 404),
        ("GET", "/v2/verify", 404),
        ("GET", "/metrics", 404),
        ("DELETE", "/openapi.json", 405),
    ],
)
def test_other_paths_and_methods(verifier: VerifierProcess, method: str, path: str, status: int) -> None:
    assert requests.request(method, verifier.url + path, timeout=NEVER).status_code == status


def test_b_78_a_kept_connection_sees_a_revocation(world: World, verifier: VerifierProcess, token: Token) -> None:
    with requests.Session() as session:
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        assert session.get(f"{verifier.url}/v1/authorize", headers=headers, timeout=NEVER).status_code == 200
        world.change_role("alice", "Viewer")

        def refused() -> bool:
            return session.get(f"{verifier.url}/v1/authorize", headers=headers, timeout=NEVER).status_code == 401

        eventually(refused, within=10, describe="the same connection is refused")


def test_answers_on_a_kept_connection_wait_for_nothing(verifier: VerifierProcess) -> None:
    """Head and body are two writes; where the second waits for the first one's receipt, each answer takes 40 ms."""
    with requests.Session() as session:

        def comes_before_a_receipt() -> bool:
            began = time.perf_counter()
            session.get(f"{verifier.url}/v1/authorize", timeout=NEVER)
            return time.perf_counter() - began < RECEIPT_SECONDS

        for _ in range(RECEIPTS_AT_ONCE):  # At first, each is sent at once.
            session.get(f"{verifier.url}/v1/authorize", timeout=NEVER)
        eventually(comes_before_a_receipt, every=0, describe="an answer comes before a receipt would")


def test_the_document_describes_what_is_served(verifier: VerifierProcess) -> None:
    document = requests.get(f"{verifier.url}/openapi.json", timeout=NEVER).json()
    assert set(document["paths"]) == {
        "/v1/verify",
        "/v1/authorize",
        "/v1/authorize/{namespace}/{capability}/{level}/{rest}",
        "/v1/tokenreview",
        "/v1/usage",
    }


def test_nothing_of_this_left_a_traceback(verifier: VerifierProcess) -> None:
    assert "Traceback" not in verifier.log
