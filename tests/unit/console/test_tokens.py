"""Which ID tokens prove who somebody is, and which name Kubernetes gives to that person."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.datastructures import Headers

from support.programs.oidc import CLIENT, Provider, provider
from tenure.console.caller import ClusterCaller
from tenure.console.forms import Seals
from tenure.console.logins import Impersonation
from tenure.console.tokens import TokenVerifier, bearer_of, username_of
from tenure.errors import StartRefusedError, UnauthorizedError, UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection

OLGA = "olga@acme.io"


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("login")) as running:
        yield running


def verifier(login: Provider, **options: Any) -> TokenVerifier:
    return TokenVerifier(
        **{"issuer": login.url, "client_id": CLIENT, "claim": "email", "prefix": "", **options}, ca_file=login.ca
    )


async def test_a_valid_token_names_its_person(login: Provider) -> None:
    assert await verifier(login).username(login.token(OLGA)) == OLGA
    assert await verifier(login, prefix="oidc:").username(login.token(OLGA)) == f"oidc:{OLGA}"
    assert await verifier(login, claim="sub").username(login.token(sub="42", email_verified=False)) == "42"
    assert await verifier(login).username(login.token(aud=["other", CLIENT])) == OLGA


def unsigned(login: Provider) -> str:
    return jwt.encode(jwt.decode(login.token(), options={"verify_signature": False}), "", algorithm="none")


def signed_with_the_public_key(login: Provider) -> str:
    """Return a token whose secret is the public key, which a verifier takes that believes the token's algorithm."""
    public = login.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = (
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (
            {"alg": "HS256", "kid": login.key_id},
            jwt.decode(login.token(), options={"verify_signature": False}),
        )
    )
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{head}.{body}".encode(), public)
    return f"{head}.{body}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def of_another_curve(login: Provider) -> str:
    claims = jwt.decode(login.token(), options={"verify_signature": False})
    return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": login.key_id})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda login: login.token(exp=int(time.time()) - 60), id="expired"),
        pytest.param(lambda login: login.token(exp=None), id="never expires"),
        pytest.param(lambda login: login.token(nbf=int(time.time()) + 3600), id="not valid yet"),
        pytest.param(lambda login: login.token(iat=int(time.time()) + 3600), id="issued in the future"),
        pytest.param(lambda login: login.token(aud="another"), id="another client"),
        pytest.param(lambda login: login.token(aud=None), id="no client"),
        pytest.param(lambda login: login.token(iss="https://evil.example"), id="another issuer"),
        pytest.param(lambda login: login.token(iss=login.url + "/"), id="another path"),
        pytest.param(lambda login: login.token(email=None), id="no name"),
        pytest.param(lambda login: login.token(email_verified=None), id="nobody verified the address"),
        pytest.param(lambda login: login.token(email_verified="true"), id="verified in words"),
        pytest.param(lambda login: login.token(key=rsa.generate_private_key(65537, 2048)), id="another key"),
        pytest.param(lambda login: login.token(headers={"kid": "unknown"}), id="an unknown key"),
        pytest.param(unsigned, id="not signed"),
        pytest.param(signed_with_the_public_key, id="another algorithm"),
        pytest.param(of_another_curve, id="an algorithm of another key"),
        pytest.param(lambda login: login.token()[:-4] + "AAAA", id="altered"),
        pytest.param(lambda _: "a.b.c", id="no token at all"),
    ],
)
async def test_another_token_proves_nothing(login: Provider, make: Any) -> None:
    with pytest.raises(UnauthorizedError):
        await verifier(login).username(make(login))


@pytest.mark.parametrize(
    "name", ["", "system:admin", " olga", "olga ", "ol\nga", "ol\u202ega", "olga\r\nImpersonate-Group: x", "x" * 513, 7]
)
def test_some_names_are_nobodys(name: Any) -> None:
    with pytest.raises(UnauthorizedError):
        username_of({"sub": name}, "sub", "")


def test_a_prefix_makes_no_reserved_name() -> None:
    with pytest.raises(UnauthorizedError):
        username_of({"sub": "masters"}, "sub", "system:")


async def test_new_keys_are_asked_for_once_in_a_while(login: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    verifying = verifier(login)
    await verifying.username(login.token())
    asked = login.asked_for_keys
    for _ in range(5):
        with pytest.raises(UnauthorizedError):
            await verifying.username(login.token(headers={"kid": "unknown"}))
    assert login.asked_for_keys == asked, "anybody can send tokens of unknown keys"
    old = login.token()
    login.change_key("second")
    monkeypatch.setattr("tenure.console.tokens.REFRESH_SECONDS", 0.0)
    assert await verifying.username(login.token()) == OLGA
    with pytest.raises(UnauthorizedError):
        await verifying.username(old)


async def test_a_provider_that_is_away_or_another_one_is_told_from_a_bad_token(login: Provider) -> None:
    with pytest.raises(UnavailableError, match="can't be read"):
        await verifier(login, issuer="https://127.0.0.1:1").username(login.token())
    with pytest.raises(UnavailableError, match="it calls itself"):
        await verifier(login, issuer=login.url + "/").username(login.token())


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "Bearer a"), ("authorization", "Bearer b")],
        [("authorization", "Basic b2xnYTpvbGdh")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer a b")],
        [("authorization", "Bearer a\r\nx: y")],
        [("x-forwarded-access-token", "a"), ("x-forwarded-user", "olga")],
    ],
)
def test_only_one_bearer_token_counts(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(UnauthorizedError, match="Authorization: Bearer"):
        bearer_of(Headers(raw=[(name.encode(), value.encode()) for name, value in headers]))


async def test_exactly_the_person_is_impersonated(login: Provider) -> None:
    headers = Headers({"authorization": f"Bearer {login.token(OLGA, groups=['system:masters'])}"})
    connection = Connection("https://127.0.0.1:1", impersonated=[("Impersonate-Group", "x")])
    async with (
        Cluster(connection) as cluster,
        Impersonation(cluster, verifier(login), []).of(headers) as caller,
    ):
        assert isinstance(caller, ClusterCaller)
        assert caller.username == OLGA
        assert caller.cluster.connection.impersonated == [("Impersonate-User", OLGA)]


def test_a_key_of_forms_is_long_and_readable(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(StartRefusedError, match="No such file"):
        Seals.from_file(file)
    file.write_bytes(b"x" * 31)
    with pytest.raises(StartRefusedError, match="fewer than 32 bytes"):
        Seals.from_file(file)
    file.write_bytes(b"x" * 32)
    token = Seals.from_file(file).seal("olga", "role", "{}")
    assert Seals.from_file(file).is_sealed("olga", "role", {"seen": "{}", "token": token}), "another replica takes it"
