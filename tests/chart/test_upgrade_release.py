"""An upgrade of the release from the version before, under load, and back: no key is lost, none issued anew."""

import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jq
import pytest
import yaml

from support.api.audit import Audit
from support.api.client import Client, fresh_namespace
from support.cluster import people
from support.cluster.identity import CONTROLLER
from support.cluster.service_network import ServiceNetwork
from support.cluster.world import World
from support.load.key_churn import KeyChurn
from support.load.load import load_beside
from support.load.role_changes import FORBIDDEN_ROLE, RoleChanges
from support.objects import manifests
from support.programs.release import PREVIOUS, SAME_DEFINITIONS, Site, Version, present, previous
from support.run.eventually import eventually
from support.run.soak import Figure, size
from tenure.domain.tokens import Token
from tenure_dev.build import find_or_build
from tenure_dev.chart import CHART
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

KEYS, MEMBERS, CHANGING = size(short=40, soak=200), 10, 10
TURNED = ("turned-0", "turned-1", "turned-2")
"""Keys that the present version rotates before the way back."""
ISSUED = KEYS + len(TURNED)
RATE = 10
NEW_KEYS = KeyChurn("new", members=10, older=40)
PATIENCE = 120.0
CHANGES = RoleChanges("changing", CHANGING)
ROLLBACK = "helm rollback"
NEWER_FIELD = "fieldOfANewerVersion"

Issued = Mapping[str, tuple[str, str, str, str]]


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """Give the way back."""
    return str(request.param)


@pytest.fixture
def old(tmp_path: Path, way: str) -> Version:
    """Give the version before. `helm rollback` takes the definitions back too, so there they may differ."""
    return previous(tmp_path / "previous", PREVIOUS if way == ROLLBACK else SAME_DEFINITIONS)


@pytest.fixture
def new(tmp_path: Path) -> Version:
    """Give the present version, with a field in the keys' status that the one before doesn't know."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    path = chart / "files" / "crds" / "apikeys.yaml"
    definition = yaml.safe_load(path.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["status"]["properties"][NEWER_FIELD] = {"type": "string", "description": "of a newer version"}
    path.write_text(yaml.safe_dump(definition))
    return present(chart)


@pytest.fixture
def versions(old: Version, new: Version) -> tuple[Version, Version]:
    return old, new


@pytest.fixture
def site(old: Version, tmp_path: Path) -> Iterator[Site]:
    """Give a cluster on which the version before was installed and runs."""
    with ExitStack() as stack:
        services = stack.enter_context(ServiceNetwork())
        folder = tmp_path / "plane"
        plane = stack.enter_context(
            ControlPlane.start(find_or_build(), folder, audit=True, apiserver_args=services.apiserver_args)
        )
        site = Site(plane, services, tmp_path, stack)
        site.helm("install", "tenure", str(old.chart), "--create-namespace")
        plane.kubectl("wait", "--for=condition=Established", "--timeout=300s", "crd/apikeys.tenure.dev")
        site.replace_all(old)
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    """Give an organization with issued keys, members who change or get more keys, and an outsider.

    Only webhooks keep the outsider away.
    """
    with fresh_namespace(site.plane, "acme") as client:
        subjects = [people.subject(person.user) for person in (people.OUTSIDER, people.LIMITED_GITOPS)]
        people.bind(site.plane, "acme", "grants", subjects[1:], people.granting(people.LIMITED_GITOPS.grants))
        people.bind(site.plane, "acme", "writes", subjects, people.plain())
        people.wait_permitted(client, people.OUTSIDER.user, "patch", "memberships")
        items = [manifests.organization()]
        items += [manifests.member(f"member-{number}") for number in range(MEMBERS)]
        items += [manifests.member(f"changing-{number}") for number in range(CHANGING)]
        items += [manifests.member(f"{NEW_KEYS.prefix}-{number}") for number in range(NEW_KEYS.members)]
        items += [manifests.api_key(f"key-{number}", f"member-{number % MEMBERS}") for number in range(KEYS)]
        items += [manifests.api_key(name, "member-0") for name in TURNED]
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        site.plane.kubectl("create", "--filename=-", "--namespace=acme", input=document)
        World(client).wait_valid_keys(ISSUED, within=PATIENCE)
        yield client


def issued(client: Client) -> Issued:
    """Key id, hash, time of issue and Secret of each key, but of those that come and go."""
    return {
        body["metadata"]["name"]: (
            body["status"]["keyId"],
            body["status"]["hash"],
            body["status"]["issued"]["at"],
            body["status"]["secretUID"],
        )
        for body in client.list("apikeys")
        if body["metadata"]["name"].startswith("key-")
    }


def secrets(client: Client) -> dict[str, tuple[str, str]]:
    found = [body for body in client.list("secrets") if body["metadata"]["name"].startswith("key-")]
    return {body["metadata"]["name"]: (body["metadata"]["uid"], body["data"]["token"]) for body in found}


def check_new_keys(client: Client, audit: Audit) -> None:
    """Those that came during it all and stayed are issued, once each, and the older ones not again; then they go."""
    names = [body["metadata"]["name"] for body in client.list("apikeys")]
    stayed = [name for name in names if name.startswith(NEW_KEYS.prefix)]
    assert stayed, "all of the last ones were refused"
    World(client).issue(*stayed, within=PATIENCE)
    written = [entry for entry in audit.writes(resource="secrets") if entry.namespace == "acme"]
    created = Counter(entry.name for entry in written if (entry.verb, entry.code) == ("create", 201))
    assert {name: created[name] for name in names} == {name: int(name in stayed) for name in names}
    for name in stayed:
        client.delete("apikeys", name)
    eventually(lambda: len(client.list("secrets")) == ISSUED, within=PATIENCE, describe="their Secrets are gone")


def authorities(plane: ControlPlane) -> set[str]:
    body = json.loads(plane.kubectl("get", "validatingwebhookconfiguration", "tenure", "-o=json").stdout)
    return {webhook["clientConfig"].get("caBundle", "") for webhook in body["webhooks"]}


def write_newer_field(client: Client) -> None:
    """Write what a newer version would write; nobody but the controller writes status."""
    controller = client.as_user(CONTROLLER)
    for number in range(KEYS):
        controller.patch("apikeys", f"key-{number}", {"status": {NEWER_FIELD: "kept"}}, "status")


def roll_back(site: Site, old: Version, way: str) -> None:
    if way == ROLLBACK:
        site.helm("rollback", "tenure", "1")
    else:
        site.helm("upgrade", "tenure", str(old.chart), "--set=crds.enabled=false")


@pytest.mark.soak
@pytest.mark.parametrize("way", [ROLLBACK, "the chart before, without its definitions"], indirect=True)
def test_no_key_is_lost_or_issued_anew_and_no_write_goes_unjudged(
    site: Site, client: Client, versions: tuple[Version, Version], way: str, figure: Figure
) -> None:
    old, new = versions
    audit = Audit(site.plane.audit_log or Path())
    before, tokens, trusted = issued(client), secrets(client), authorities(site.plane)
    assert (len(before), len(tokens)) == (KEYS, KEYS)

    with (
        load_beside(site.plane, CHANGES.forbidden, rate=RATE) as refused,
        load_beside(site.plane, CHANGES.permitted, rate=RATE) as passed,
        load_beside(site.plane, NEW_KEYS.call, rate=RATE // 4) as keys,
    ):
        site.helm("upgrade", "tenure", str(new.chart))
        assert authorities(site.plane) == trusted, "an upgrade took the authority away"
        site.replace_all(new)
        write_newer_field(client)
        upgraded = issued(client), secrets(client)
        turned = prepare_way_back(site, client)
        roll_back(site, old, way)
        assert authorities(site.plane) == trusted, "a rollback took the authority away"
        site.replace_all(old)

    figure(f"{way}: {dict(refused.codes)} for an outsider, {dict(passed.codes)} for somebody entitled")
    figure(f"{way}: {dict(keys.codes)} for keys that come and go")
    assert upgraded == (before, tokens)
    check_new_keys(client, audit)
    World(client).wait_valid_keys(ISSUED, within=PATIENCE)
    assert (issued(client), secrets(client)) == (before, tokens)
    written = [entry for entry in audit.writes(user=people.OUTSIDER.user, resource="memberships") if entry.code < 300]
    assert written == []
    assert FORBIDDEN_ROLE not in {body["spec"]["role"] for body in client.list("memberships")}
    # 500: a replica's connections ended with it. 403 and 429: definitions changed, and the API server can't list for a
    # moment. What can't be judged is refused, and GitOps tools try again.
    assert set(refused.codes) <= {403, 429, 500}, refused.errors
    assert set(passed.codes) <= {200, 403, 429, 500}, passed.errors
    assert refused.codes[403] > refused.codes.total() / 2, refused.errors
    assert passed.codes[200] > passed.codes.total() / 2, passed.errors
    assert set(keys.codes) <= {200, 201, 403, 404, 429, 500}, keys.errors
    assert keys.codes[201] > keys.codes.total() / 4, keys.errors
    check_old_code_works_on(site, client, turned, keeps=way != ROLLBACK)


def prepare_way_back(site: Site, client: Client) -> dict[str, tuple[Token, Token]]:
    """Delete the narrowed keys and rotate others. Return their tokens: the former and the present one, which work."""
    check_narrowed_keys_are_found(site, client)
    world, tokens = World(client), dict[str, tuple[Token, Token]]()
    before = {name: world.token(name) for name in TURNED}
    for name in TURNED:
        world.change_key(name, rotation={"request": 1, "overlap": "100h"})
    for name, former in before.items():
        assert former is not None
        tokens[name] = former, world.wait_new_token(name, former, within=PATIENCE)
    both = [token for pair in tokens.values() for token in pair]
    eventually(lambda: accepted(site, both) == set(both), within=PATIENCE, describe="both tokens are accepted")
    assert not [key for key in client.list("apikeys") if "next" in key["status"]]
    return tokens


def accepted(site: Site, tokens: Sequence[Token]) -> set[Token]:
    """Return the tokens that the verifier accepts."""
    assert site.verifier is not None
    return {token for token in tokens if site.verifier.code(token) == "Valid"}


def check_narrowed_keys_are_found(site: Site, client: Client) -> None:
    """Create a narrowed key, and delete what the page about the way back finds."""
    client.create("apikeys", manifests.api_key("narrow", "member-1", capabilities=["costs"]))
    World(client).issue("narrow", within=PATIENCE)
    page = (CHECKOUT / "docs" / "operations" / "upgrade.md").read_text().partition("## Narrowed keys")[2]
    command = page.partition("```console\n")[2].partition("```")[0].strip()
    words = shlex.split(command)
    cut = words.index("|")
    shown, (program, option, expression) = site.plane.kubectl(*words[1:cut]).stdout, words[cut + 1 :]
    assert (words[0], program, option) == ("kubectl", "jq", "-r")
    assert jq.compile(expression).input_text(shown).all() == ["acme narrow"]
    site.plane.kubectl("delete", "apikey", "narrow", "--namespace=acme")
    World(client).wait_gone("secrets", "narrow", within=PATIENCE)


def check_rotated_keys(site: Site, client: Client, turned: Mapping[str, tuple[Token, Token]], *, knows: bool) -> None:
    """The old code accepts the present tokens, reads and writes the status, and issues none anew.

    If it doesn't know rotations, the former tokens have ended.
    """
    world = World(client)
    former, present = ([pair[number] for pair in turned.values()] for number in range(2))
    assert accepted(site, [*former, *present]) == {*present, *(former if knows else ())}
    world.change_key(TURNED[0], suspended=True)
    world.wait_reason(TURNED[0], "Suspended", within=PATIENCE)
    world.change_key(TURNED[0], suspended=None)
    world.wait_reason(TURNED[0], "Issued", within=PATIENCE)
    assert {name: world.token(name) for name in TURNED} == dict(zip(TURNED, present, strict=True))
    eventually(lambda: accepted(site, present) == set(present), within=PATIENCE, describe="they work on")


def check_old_code_works_on(
    site: Site, client: Client, turned: Mapping[str, tuple[Token, Token]], *, keeps: bool
) -> None:
    """The old code writes a status, verifies tokens, and keeps what it doesn't know as long as the schema does."""
    world = World(client)
    world.change_key("key-0", suspended=True)
    status: dict[str, Any] = world.wait_reason("key-0", "Suspended", within=PATIENCE)["status"]
    assert (status.get(NEWER_FIELD) == "kept") is keeps
    token = world.token("key-1")
    assert token is not None
    assert site.verifier is not None
    verifier = site.verifier
    eventually(lambda: verifier.code(token) == "Valid", within=PATIENCE, describe="the token is verified")
    check_rotated_keys(site, client, turned, knows=keeps)
