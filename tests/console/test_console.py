"""The console of real people on a real control plane: what they see, what the cluster says, and which keys die."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.cluster.world import World
from support.programs.console_process import ConsoleProcess, console_process
from support.programs.judged import Judged
from support.programs.kubectl_tenure import PATIENCE, Person, member_of, person, sample_world
from support.run.eventually import eventually
from tenure.domain.resources import Membership
from tenure.kube.event_notes import read_events
from tenure.kube.events import event_body
from tenure.kube.session import opened


@pytest.fixture(scope="module")
def acme(judged: Judged) -> Iterator[World]:
    with sample_world(judged) as world:
        yield world


@pytest.fixture(scope="module")
def olga(judged: Judged, acme: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    return member_of(judged, acme, tmp_path_factory.mktemp("olga"), "olga", "Owner")


@pytest.fixture(scope="module")
def owner(olga: Person) -> Iterator[ConsoleProcess]:
    with console_process(olga) as console:
        yield console


def test_a_key_to_keep_is_approved_and_gets_a_new_token(owner: ConsoleProcess, acme: World) -> None:
    path = f"{acme.api.namespace}/members/bob/role/?to=Analyst&keep=bob-cli"
    former = acme.key("bob-cli")["status"]["keyId"]
    shown = owner.json(path)
    assert shown["verdict"]["allowed"], "the cluster tries the role change before the key is approved"
    assert [one["fate"] for one in shown["preview"]["keys"]] == ["reissued"]
    done = owner.post(path, {**owner.form(path), "keep": "bob-cli", "confirm": "bob"})
    assert done.status_code == 200, done.text
    assert acme.member("bob")["spec"]["role"] == "Analyst"

    def reissued() -> bool:
        key = acme.key("bob-cli")
        token = (key["status"].get("issued") or {}).get("role"), key["status"].get("keyId") != former
        return key["spec"]["forRole"] == "Analyst" and token == ("Analyst", True)

    eventually(reissued, within=PATIENCE, describe="the key has a token for the new role")
    (change, *_) = [one for one in owner.json(f"{acme.api.namespace}/members/bob/")["history"]["entries"] if one["by"]]
    assert (change["by"], "bob-cli" in change["what"]) == ("tenure-console", True)


def test_an_owner_changes_a_role_and_the_keys_are_dead(owner: ConsoleProcess, olga: Person, acme: World) -> None:
    place = acme.api.namespace
    assert "You are olga@acme.io in cluster" in owner.printed
    (row,) = owner.json("")["organizations"]
    assert (row["namespace"], row["member"], row["role"], row["members"]) == (place, "olga", "Owner", 5)
    path = f"{place}/members/alice/role/?to=Viewer"
    shown = owner.json(path)
    command = olga.tenure("preview", "alice", "Viewer", "-o", "json").stdout
    assert shown["verdict"]["allowed"]
    assert f'"acknowledgement": "{shown["preview"]["acknowledgement"]}"' in command
    revoked = [one["key"]["name"] for one in shown["preview"]["keys"] if one["fate"] == "revoked"]
    assert revoked == ["ci-deploy", "laptop"]
    form = owner.form(path)
    assert owner.post(path, form).status_code == 422, "her name isn't typed"
    assert acme.member("alice")["spec"]["role"] == "Member"
    done = owner.post(path, {**form, "confirm": "alice"})
    assert done.status_code == 200, done.text
    assert "ci-deploy, laptop" in done.text
    changed = acme.member("alice")
    assert changed["spec"]["role"] == "Viewer"
    assert "tenure-console" in {entry["manager"] for entry in changed["metadata"]["managedFields"]}

    def gone() -> bool:
        return all(acme.api.get("apikeys", name) is None for name in revoked)

    eventually(gone, within=PATIENCE, describe="the keys are gone")
    assert owner.json(f"{place}/members/alice/")["keys"] == []


def test_a_page_that_others_overtook_changes_nothing(owner: ConsoleProcess, judged: Judged, acme: World) -> None:
    path = f"{acme.api.namespace}/members/anna/role/?to=Viewer"
    form = owner.form(path, confirm="anna")
    acknowledged = {"tenure.dev/acknowledge-key-deletion": "Member: cost-report"}
    patch = json.dumps({"metadata": {"annotations": acknowledged}, "spec": {"role": "Member"}})
    judged.plane.kubectl("patch", "membership", "anna", "-n", acme.api.namespace, "--type=merge", f"--patch={patch}")
    answer = owner.post(path, form)
    assert answer.status_code == 409
    assert "spec.role" in answer.text
    assert acme.member("anna")["spec"]["role"] == "Member"


def test_an_owner_invites_and_hands_over(owner: ConsoleProcess, acme: World) -> None:
    place = acme.api.namespace
    path = f"{place}/invite/?to=Viewer&addresses=zoe@acme.io,max@acme.io"
    answer = owner.post(path, owner.form(path))
    assert answer.status_code == 200, answer.text
    assert [acme.member(name)["spec"]["role"] for name in ("zoe", "max")] == ["Viewer", "Viewer"]
    path = f"{place}/keys/bob-cli/suspend/"
    assert owner.post(path, owner.form(path)).status_code == 200
    assert acme.key("bob-cli")["spec"]["suspended"] is True


def test_the_last_owner_stays_and_the_webhook_says_why(owner: ConsoleProcess, olga: Person, acme: World) -> None:
    page = owner.json(f"{acme.api.namespace}/members/olga/role/?to=Member")
    assert not page["verdict"]["allowed"]
    patch = f"--patch={json.dumps(page['changes'][0]['patch'])}"
    refused = olga.run("patch", "membership", "olga", "--type=merge", "--dry-run=server", patch, code=1).stderr
    assert page["verdict"]["message"] in refused, "kubectl says the same, word for word"
    assert page["verdict"]["message"] in olga.tenure("preview", "olga", "Member", code=3).stdout.replace("\n  ", "\n")
    assert 'method="post"' not in owner.get(f"{acme.api.namespace}/members/olga/role/?to=Member").text


PAGES = (
    *("/members/", "/members/ci/", "/members/ci/role/?to=Viewer", "/members/ci/removal/", "/members/ci/suspend/"),
    *("/keys/", "/keys/pipeline/", "/keys/pipeline/rotate/", "/keys/pipeline/reissue/", "/keys/pipeline/revoke/"),
    *("/keys/pipeline/hand-over/?to=olga", "/invite/", "/invite/?to=Viewer&addresses=eve@acme.io", "/suspend/"),
)


def test_an_owner_sees_every_page(owner: ConsoleProcess, acme: World) -> None:
    assert [owner.get(acme.api.namespace + path).status_code for path in PAGES] == [200] * len(PAGES)


def test_who_may_not_is_told_so(judged: Judged, acme: World, tmp_path: Path) -> None:
    place = acme.api.namespace
    bob = member_of(judged, acme, tmp_path, "bob", "Viewer")
    with console_process(bob, f"--namespace={place}") as console:
        assert [console.get(place + path).status_code for path in PAGES] == [200] * len(PAGES), "he may see everything"
        assert [row["namespace"] for row in console.json("")["organizations"]] == [place]
        path = f"{place}/members/ci/role/?to=Viewer"
        page = console.json(path)
        assert 'cannot patch resource "memberships"' in page["verdict"]["message"]
        answer = console.post(path, {**page["form"], "to": "Viewer", "confirm": page["confirm"]})
        assert (answer.status_code, "cannot patch resource" in answer.text) == (403, True)
    assert acme.member("ci")["spec"]["role"] == "Member"
    otto = person(judged.plane, place, tmp_path, "otto@elsewhere.example")
    with console_process(otto, "--read-only") as console:
        for path in PAGES:
            answer = console.get(place + path)
            assert (answer.status_code, "you may not list" in answer.text) == (403, True), path


async def test_events_are_read_with_the_rights_of_the_person(
    judged: Judged, acme: World, olga: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = acme.api.namespace
    about = Membership.from_body(acme.member("ci"))
    event = event_body(
        about,
        datetime.now(UTC),
        reason="Tried",
        type_="Normal",
        note="a note",
        occurrence="1",
        controller="x",
        action="y",
    )
    acme.api.create("events", event)
    found = {}
    for somebody in (person(judged.plane, place, tmp_path), olga):
        monkeypatch.setenv("KUBECONFIG", str(somebody.kubeconfig))
        async with opened("", place) as session:
            found[somebody] = [await read_events(session.cluster, "Membership", place, name) for name in ("ci", "anna")]
    (about_ci, about_anna), (hidden, _) = found.values()
    assert [(one.reason, one.note, one.reporter) for one in about_ci.notes if one.reporter == "x"] == [
        ("Tried", "a note", "x")
    ]
    assert [one for one in about_anna.notes if one.reporter == "x"] == []
    assert "You may not list Events" in hidden.hidden
