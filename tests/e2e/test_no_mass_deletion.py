"""No mass deletion by mistake: whatever lists and watches say, a Secret goes only when a consistent read proves it."""

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import pytest

from support.api.api import Api
from support.api.audit import Audit
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import World
from support.faults.exchange import DROP, Answer, Exchange, Reply
from support.faults.lies import NOT_SERVED, answer_lists, answer_reads, emptied, fail_watch, record_lists
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, manifest, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.soak import size
from support.run.sweeps import lists_through, wait_sweeps
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

LIES = size(short=1, soak=10)
"""How often the watches end and everything is listed anew, each time with the same lie."""

KEYS = ("laptop", "ci", "server", "pager", "robot")

EXPIRED = Reply.watch_failure(410, "Expired")
TRUNCATED = Reply(200, b'{"type": "MODIFIED", "object": {"apiVer', {"Content-Type": "application/json"})

Start = Callable[[str], OperatorProcess]


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        yield proxy


@pytest.fixture
def start(proxy: Proxy, world: World, tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts the operator behind the proxy, with a resync in seconds."""
    started = []

    def start(resync: str) -> OperatorProcess:
        kubeconfig, log = proxy.kubeconfig(tmp_path / "proxy.kubeconfig"), tmp_path / "operator.log"
        started.append(OperatorProcess(kubeconfig, log, "--namespace", world.api.namespace, "--resync", resync))
        return started[-1].start()

    yield start
    for operator in started:
        operator.stop()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("kinds", "served"),
    [
        pytest.param({"memberships"}, True, id="memberships"),
        pytest.param({"memberships"}, False, id="memberships, which aren't served either"),
        pytest.param({"organizations", "memberships", "apikeys"}, True, id="everything"),
    ],
)
def test_an_empty_list_deletes_nothing(
    world: World, proxy: Proxy, start: Start, control_plane: ControlPlane, *, kinds: set[str], served: bool
) -> None:
    start("1")
    _populate(world)
    before = _secrets(world)
    empty = answer_lists(emptied(record_lists(control_plane, world.api.namespace, kinds)))

    proxy.on_request = empty if served else answer_reads("memberships", NOT_SERVED, empty)
    for _ in range(LIES):
        proxy.cut_watches()
        wait_sweeps(lists_through(proxy))
        assert _secrets(world) == before

    proxy.reset()
    _check_serves(world, before)


@pytest.mark.soak
def test_an_old_list_deletes_nothing(world: World, proxy: Proxy, start: Start, control_plane: ControlPlane) -> None:
    start("1")
    world.create(
        organization(),
        *(member(name) for name in ("alice", "carol", "dave")),
        api_key("laptop", "alice"),
        api_key("pager", "carol", forRole="Viewer"),
        api_key("server", "bob"),
    )
    first = world.issue("laptop")["laptop"]
    world.wait_reason("pager", "RoleMismatch")
    world.wait_reason("server", "MembershipNotFound")
    old = record_lists(control_plane, world.api.namespace)

    world.change_key("laptop", revision=2)
    world.change_key("pager", forRole="Member")
    world.change_role("dave", "Viewer")
    world.create(member("bob", "Owner"), service_account("deploy"), api_key("ci", "dave"), api_key("robot", "deploy"))
    world.wait_new_token("laptop", first)
    world.issue(*KEYS)
    before = _secrets(world)
    wait_sweeps(lists_through(proxy))  # So the next list is older than one that was seen.

    proxy.on_request = answer_lists(old)
    for _ in range(LIES):
        proxy.cut_watches()
        wait_sweeps(lists_through(proxy))
        assert _secrets(world) == before

    proxy.reset()
    _check_serves(world, before)


@pytest.mark.parametrize(
    ("answer", "and_list"),
    [
        pytest.param(EXPIRED, None, id="410 in the watch"),
        pytest.param(Reply.failure(410, "Expired"), None, id="410"),
        pytest.param(Reply.watch_failure(500, "InternalError"), None, id="500 in the watch"),
        pytest.param(TRUNCATED, None, id="truncated"),
        pytest.param(EXPIRED, TRUNCATED, id="410 in the watch, and a truncated list"),
        pytest.param(DROP, None, id="hung up"),
    ],
)
def test_a_broken_watch_deletes_nothing_and_is_made_good(
    world: World, proxy: Proxy, start: Start, answer: Answer, and_list: Answer
) -> None:
    operator = start("300")
    _populate(world)
    before = _secrets(world)

    proxy.on_request, asked = fail_watch("memberships", answer, and_list=and_list), len(proxy.exchanges)
    proxy.cut_watches()

    _wait_served(operator, lambda: _is_watched(proxy.exchanges[asked:]))
    _check_recovers(world, operator, before)


def _is_watched(exchanges: Sequence[Exchange]) -> bool:
    """Whether a watch of Memberships was passed on to the API server among these."""
    return any(
        exchange.request.is_watch and exchange.request.resource == "memberships"
        for exchange in exchanges
        if exchange.status == HTTPStatus.OK and exchange.reply is None
    )


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane that may be broken without disturbing other tests."""
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("own-plane"), audit=True, crds=CRDS) as plane:
        yield plane


@pytest.fixture
def own_world(own_plane: ControlPlane) -> Iterator[World]:
    """Give a namespace there."""
    name = f"test-{uuid4().hex[:10]}"
    own_plane.kubectl("create", "namespace", name)
    api = Api(own_plane, name)
    yield World(api)
    api.close()


@pytest.fixture(params=[pytest.param(True, id="its namespace"), pytest.param(False, id="all namespaces")])
def own_operator(
    own_plane: ControlPlane, own_world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OperatorProcess]:
    """Give an operator there that serves the namespace, or all."""
    scope = ("--namespace", own_world.api.namespace) if request.param else ()
    operator = OperatorProcess(config_of(own_plane, CONTROLLER), tmp_path / "operator.log", *scope).start()
    yield operator
    operator.stop()


def test_keys_outlive_a_restart_of_the_api_server(
    own_plane: ControlPlane, own_world: World, own_operator: OperatorProcess
) -> None:
    _populate(own_world)
    before = _secrets(own_world)

    own_plane.restart_apiserver()

    _check_recovers(own_world, own_operator, before)


def test_keys_end_with_the_definition_of_their_members_and_go_on_with_new_members(
    own_plane: ControlPlane, own_world: World, own_operator: OperatorProcess
) -> None:
    _populate(own_world)
    tokens = own_world.issue(*KEYS)
    members = own_world.api.list("memberships")

    # That deletes the Memberships one by one first.
    audit = Audit(own_plane.audit_log or Path())
    own_plane.kubectl("delete", "crd", "memberships.tenure.dev")
    eventually(lambda: _has_missed_memberships(own_operator, audit), within=30, describe="the operator notices")
    own_plane.apply_crds(CRDS)
    assert "Valid" not in {own_world.verdict(token) for token in tokens.values()}
    for body in members:
        own_world.create(manifest(body))

    reasons = dict.fromkeys(KEYS, "MembershipGone")  # pager's forRole doesn't approve it for another Membership.
    _wait_served(own_operator, lambda: {name: own_world.reason("apikeys", name) for name in KEYS} == reasons)
    assert not {own_world.token(name) for name in KEYS} & {*tokens.values()}
    for name in KEYS:
        own_world.change_key(name, revision=2)
    again = own_world.issue(*KEYS, within=30)
    assert {own_world.verdict(token) for token in again.values()} == {"Valid"}
    assert "Valid" not in {own_world.verdict(token) for token in tokens.values()}


def _has_missed_memberships(operator: OperatorProcess, audit: Audit) -> bool:
    """Whether it asked for Memberships in vain, or learned that there is no such kind, or ended."""
    in_vain = any(
        "/memberships" in entry.path and entry.user_agent.startswith("tenure") and entry.code == HTTPStatus.NOT_FOUND
        for entry in audit.entries()
    )
    return in_vain or "Unresolved resources" in operator.log or not operator.running


def _populate(world: World) -> None:
    world.create(
        organization(),
        member("alice"),
        member("bob", "Owner"),
        member("carol"),
        service_account("deploy"),
        api_key("laptop", "alice"),
        api_key("ci", "alice"),
        api_key("server", "bob"),
        api_key("pager", "carol", forRole="Member"),
        api_key("robot", "deploy"),
    )
    world.issue(*KEYS)
    world.wait_rest()  # With nothing left to write, only a watch shows what happens next.


def _secrets(world: World) -> dict[str, tuple[str, str]]:
    """By name what tells whether a Secret was touched: uid and resourceVersion."""
    stored = [body["metadata"] for body in world.api.list("secrets")]
    return {metadata["name"]: (metadata["uid"], metadata["resourceVersion"]) for metadata in stored}


def _check_serves(world: World, before: dict[str, tuple[str, str]]) -> None:
    """Check that every key is as it was, and that the next role change ends the one key that it should."""
    world.create(api_key("another", "alice"))
    world.issue("another", *KEYS, within=30)
    assert _secrets(world).items() >= before.items()
    assert {world.verdict(token) for token in world.issue(*KEYS).values()} == {"Valid"}
    world.change_role("bob", "Viewer")
    world.wait_gone("secrets", "server", within=30)
    assert _secrets(world).keys() == {*before, "another"} - {"server"}


def _check_recovers(world: World, operator: OperatorProcess, before: dict[str, tuple[str, str]]) -> None:
    """Check that the next new key and the next role change are served, and no other Secret was touched."""
    world.create(api_key("another", "alice"))
    _wait_served(operator, lambda: world.reason("apikeys", "another") == "Issued")
    world.change_role("bob", "Viewer")
    _wait_served(operator, lambda: world.api.get("secrets", "server") is None)

    after = _secrets(world)
    assert {name: after.get(name) for name in before} == {**before, "server": None}


def _wait_served(operator: OperatorProcess, check: Callable[[], bool]) -> None:
    """Wait for the operator to do something; if it ended, it must have said why, and is started again."""

    def served() -> bool:
        if not operator.running:
            assert operator.exit_code == 1
            assert operator.log.splitlines()[-1].startswith("tenure: ")
            operator.start()
        return check()

    eventually(served, within=30, describe="the operator serves again")
