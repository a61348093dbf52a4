"""No token is anywhere but in its Secret: a search of all that was stored, sent and said, ever.

The search knows tokens raw, in base64 at any offset, percent-encoded and in hexadecimal, and proves that it finds them.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from support.api.etcd import current_revision, writes_between
from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER
from support.cluster.world import World
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization, secret
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.soak import Figure, size
from tenure_dev.controlplane import ControlPlane

FAULTS = size(short=[(4, 7)], soak=[(4, 7), (3, 5), (5, 3), (2, 9)])
"""One write in so many is answered with an error, and one in so many with one although it was stored."""

TOKEN = re.compile(rb"tnr_[0-9A-Za-z]{12}_([0-9A-Za-z]{38})")
"""A token; the group is the part that is secret."""

Places = Mapping[str, bytes]


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        yield proxy


@pytest.fixture
def operator(proxy: Proxy, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Give an operator that logs all it can, behind the proxy."""
    options = ("--namespace", namespace, "--resync", "1", "--log-level", "debug")
    with OperatorProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "operator.log", *options) as operator:
        yield operator


@pytest.fixture
def stored(etcd: str) -> Callable[[], Places]:
    """Give all that was written to etcd since the test began, replaced and deleted values among it."""
    since = current_revision(etcd) + 1

    def read() -> Places:
        writes = writes_between(etcd, since, current_revision(etcd))
        return {f"etcd {write.key} at {write.revision}": write.value for write in writes}

    return read


@pytest.mark.soak
@pytest.mark.parametrize("faults", FAULTS, ids=str)
def test_tokens_are_in_secrets_only(
    world: World,
    operator: OperatorProcess,
    proxy: Proxy,
    stored: Callable[[], Places],
    *,
    kubectl: NamespacedKubectl,
    figure: Figure,
    faults: tuple[int, int],
) -> None:
    fail_some_writes(proxy, *faults)
    live_through_everything(world)

    objects = stored()
    written, read = f"etcd /registry/secrets/{world.api.namespace}/", "kubectl get secrets"
    secrets = {place for place in objects if place.startswith(written)}
    tokens = {match[1] for place in secrets for match in TOKEN.finditer(objects[place])}
    places = {**objects, **sent(proxy), "log": operator.log.encode()}
    places |= {f"kubectl get {kind}": kubectl("get", kind, "-oyaml").stdout.encode() for kind in ("tenure", "events")}
    places[read] = kubectl("get", "secrets", "-oyaml").stdout.encode()
    found = found_in(places, tokens)
    writes = ("sent POST /api/v1/", "sent PATCH /api/v1/")
    requests = {place for place in found if place.startswith(writes) and "/secrets" in place}

    figure(f"{len(tokens)} tokens looked for in {len(places)} places")
    # laptop, approved, renewed, edited and bobs had two tokens each; expiring and conflict had one.
    assert len(tokens) >= 12
    assert min(len(secrets & found), len(requests)) >= len(tokens)
    assert read in found
    assert found <= secrets | requests | {read}


@pytest.mark.parametrize("status", [500, 422])
def test_an_answer_that_quotes_the_token_leaks_nothing(
    world: World, operator: OperatorProcess, proxy: Proxy, stored: Callable[[], Places], status: int
) -> None:
    """Others may refuse a Secret too, such as an admission webhook, and quote it."""
    refused: list[bytes] = []

    async def quote(request: Request) -> Answer:
        if request.method != "POST" or request.resource != "secrets":
            return None
        refused.append(base64.b64decode(request.json["data"]["token"]))
        return Reply.failure(status, "Refused", f"{refused[-1].decode()} in {request.body.decode()}")

    proxy.on_request = quote
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    eventually(lambda: len(refused) > 1, describe="the Secret is refused twice")
    proxy.on_request = None
    world.issue("laptop", within=30)

    tokens = {match[1] for text in refused for match in TOKEN.finditer(text)}
    assert len(tokens) == len(refused)
    objects = {place: text for place, text in stored().items() if not place.startswith("etcd /registry/secrets/")}
    assert any("/apikeys/" in place for place in objects)
    assert found_in({**objects, "log": operator.log.encode()}, tokens) == set()


def fail_some_writes(proxy: Proxy, refused: int, told_wrong: int) -> None:
    """Answer one write in so many with an error, and one in so many with one although it was stored.

    By lot: an issue takes two writes, and if every second one failed, it would always be the same.
    """
    lots = Random(f"{refused} {told_wrong}")

    def hits(request: Request, many: int) -> bool:
        return request.is_write and lots.random() < 1 / many

    async def before(request: Request) -> Answer:
        return Reply.failure(500, "InternalError") if hits(request, refused) else None

    async def after(request: Request, reply: Reply) -> Answer:
        del reply
        return Reply.failure(500, "InternalError") if hits(request, told_wrong) else None

    proxy.on_request, proxy.on_response = before, after


def live_through_everything(world: World) -> None:
    """Take keys through conflict, drift, revision, rotation, expiry and a role change, until all is at rest."""
    world.create(organization(keys={"onRoleChange": "Revoke"}), member("alice"), member("bob"), secret("conflict"))
    world.create(*(api_key(name, "alice") for name in ("laptop", "renewed", "edited", "conflict")))
    world.create(api_key("approved", "alice", forRole="Member"), api_key("expiring", "alice", ttl="1h"))
    world.create(api_key("bobs", "bob"))
    first = world.issue("laptop", "renewed", "edited", "approved", "expiring", "bobs", within=60)
    world.wait_reason("conflict", "SecretConflict", within=60)

    world.api.delete("secrets", "conflict")
    world.api.patch("secrets", "edited", {"stringData": {"token": "chosen by a user"}})
    world.change_key("renewed", revision=2)
    world.change_key("bobs", rotation={"request": 1})
    world.change_key("expiring", expiresAt="2026-01-01T00:00:00Z")
    world.issue("conflict", within=60)
    for name in ("edited", "renewed", "bobs"):
        world.wait_new_token(name, first[name], within=60)
    world.wait_reason("expiring", "Expired", within=60)

    world.change_role("alice", "Viewer")
    world.change_key("approved", forRole="Viewer")
    world.wait_new_token("approved", first["approved"], within=60)
    world.wait_reason("laptop", "RoleChanged", within=60)
    world.change_key("laptop", revision=2)
    world.wait_new_token("laptop", first["laptop"], within=60)


def sent(proxy: Proxy) -> Places:
    """Return the requests that the operator made."""
    requests = [exchange.request for exchange in proxy.exchanges]
    return {
        f"sent {request.method} {request.url} #{number}": b"\n".join(
            [request.url.encode(), str(dict(request.headers)).encode(), request.body]
        )
        for number, request in enumerate(requests)
    }


def found_in(places: Places, tokens: Iterable[bytes]) -> set[str]:
    """Return the places where a token is found in any form, or anything that has a token's shape."""
    needle = re.compile(b"|".join(re.escape(form) for token in tokens for form in forms(token)))
    return {place for place, text in places.items() if needle.search(text) or TOKEN.search(text)}


def forms(secret: bytes) -> Iterator[bytes]:
    """Give the ways in which the secret part of a token may be written."""
    yield secret
    yield secret.hex().encode()
    yield "".join(f"%{byte:02X}" for byte in secret).encode()
    for offset, beginning in ((0, 0), (1, 2), (2, 3)):
        # The characters that depend on what is before and after are left out.
        encoded = base64.b64encode(b"\0" * offset + secret)
        yield encoded[beginning : (offset + len(secret)) // 3 * 4]


def test_the_search_knows_a_token_in_any_form() -> None:
    token = b"tnr_8fK2mQ7xLw3Z_" + b"0123456789" * 3 + b"abcdefgh"
    secret = token[-38:]
    hidden = {
        "raw": b"x" + token,
        "secret part": secret,
        "base64": b'{"token":"' + base64.b64encode(token) + b'"}',
        "base64 in a document": base64.b64encode(b'{"token":"' + token + b'"}'),
        "base64 in another": base64.b64encode(b'{"a_token":"' + token + b'"}'),
        "base64 in a third": base64.b64encode(b'{"my_token":"' + token + b'"}'),
        "percent-encoded": "".join(f"%{byte:02X}" for byte in token).encode(),
        "hexadecimal": token.hex().encode(),
    }
    assert found_in({**hidden, "nothing": b"tnr_8fK2mQ7xLw3Z_ is its id"}, [secret]) == set(hidden)
