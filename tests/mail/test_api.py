"""The API for resends and links: for callers who may update the Membership, by tokens of its own audience."""

from pathlib import Path
from typing import Any

import pytest
import requests

from mail.conftest import Replicas, accept
from support.cluster.world import World
from support.objects import manifests
from support.programs.kubectl_tenure import person
from support.run.slowness import NEVER

Body = dict[str, Any]
RULE = {"apiGroups": ["tenure.dev"], "resources": ["memberships"], "resourceNames": ["alice"]}


@pytest.fixture
def invited(world: World) -> World:
    """Give an organization in which alice has to accept, as the controller has noted it."""
    world.organization(invitations={"mode": "RequireAcceptance"})
    long_ago = "2020-01-01T00:00:00Z"
    since = {"invitationsSince": long_ago, "acceptanceSince": long_ago}
    world.api.patch("organizations", "acme", {"status": since}, subresource="status")
    world.create(manifests.member("alice", "Viewer"), manifests.member("bob"))
    for name, verbs in {"editor": ["update"], "reader": ["get", "list", "watch"]}.items():
        rights = {"metadata": {"name": name}, "rules": [{**RULE, "verbs": verbs}]}
        world.api.create("roles", {**manifests.role(name), **rights})
        world.api.plane.kubectl("create", "serviceaccount", name, f"--namespace={world.api.namespace}")
        subject = f"--serviceaccount={world.api.namespace}:{name}"
        world.api.plane.kubectl(
            "create", "rolebinding", name, f"--role={name}", subject, f"--namespace={world.api.namespace}"
        )
    return world


def token(world: World, name: str, *, audience: str = "tenure-mail") -> str:
    created = world.api.plane.kubectl(
        *("create", "token", name, f"--namespace={world.api.namespace}", f"--audience={audience}")
    )
    return created.stdout.strip()


def ask(replicas: Replicas, world: World, what: str, bearer: str | None, name: str = "alice") -> requests.Response:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    url = f"http://127.0.0.1:{replicas.ports[0]}/tenure/v1/invitations/{world.api.namespace}/{name}:{what}"
    return requests.post(url, headers=headers, timeout=NEVER)


def invitation(world: World, name: str = "alice") -> Body:
    found: Body = world.member(name).get("status", {}).get("invitation", {})
    return found


def test_a_link_of_the_api_is_accepted(invited: World, replicas: Replicas) -> None:
    answer = ask(replicas, invited, "link", token(invited, "editor"))
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["subject"], given["role"]) == ("alice@acme.io", "Viewer")
    assert given["letter"]["subject"] == "Join acme as Viewer"
    assert f"\n{given['link']}\n" in given["letter"]["text"]
    assert invitation(invited) == {"generation": 1, "expiresAt": given["expiresAt"]}
    assert answer.headers["cache-control"] == "no-store"

    (url, _) = replicas.urls(given["link"].rpartition("/")[2])
    accept(url)

    assert "acceptedAt" in invitation(invited)
    again = ask(replicas, invited, "link", token(invited, "editor"))
    assert (again.status_code, again.json()["error"]) == (409, "alice has accepted the invitation")


def test_a_request_for_a_letter_waits_in_the_status_for_the_leader(invited: World, replicas: Replicas) -> None:
    bearer = token(invited, "editor")
    first, second = (ask(replicas, invited, "resend", bearer) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json() == {"requestedAt": invitation(invited)["requestedAt"]}


def test_kubectl_tenure_asks_for_a_letter(invited: World, replicas: Replicas, tmp_path: Path) -> None:
    root = person(invited.api.plane, invited.api.namespace, tmp_path)
    mail = ("--resend", f"--mail-url=http://127.0.0.1:{replicas.ports[0]}/tenure")

    assert (
        "alice: another letter was asked for"
        in root.tenure(*("invite", "alice@acme.io", *mail, "--service-account=editor")).stdout
    )

    assert "requestedAt" in invitation(invited)
    assert (
        "lacks update on memberships.tenure.dev/alice"
        in root.tenure(*("invite", "alice", *mail, "--service-account=reader"), code=1).stdout
    )
    assert (
        "there is no ServiceAccount 'nobody'"
        in root.tenure(*("invite", "alice", *mail, "--service-account=nobody"), code=1).stderr
    )


@pytest.mark.parametrize("what", ["link", "resend"])
def test_only_who_may_update_the_membership_is_answered(invited: World, replicas: Replicas, what: str) -> None:
    editor, reader = token(invited, "editor"), token(invited, "reader")
    refused = {
        "nobody": ask(replicas, invited, what, None).status_code,
        "made up": ask(replicas, invited, what, "x.y.z").status_code,
        "for another audience": ask(replicas, invited, what, token(invited, "editor", audience="x")).status_code,
        "may only read": ask(replicas, invited, what, reader).status_code,
        "another member": ask(replicas, invited, what, editor, "bob").status_code,
        "one that isn't there": ask(replicas, invited, what, editor, "carol").status_code,
        "no name at all": ask(replicas, invited, what, editor, "..%2Facme").status_code,
    }
    assert refused == {
        "nobody": 401,
        "made up": 401,
        "for another audience": 401,
        "may only read": 403,
        "another member": 403,
        "one that isn't there": 403,
        "no name at all": 404,
    }
    assert invitation(invited) == {}
