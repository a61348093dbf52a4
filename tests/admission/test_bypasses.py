"""Ways around admission: whichever way a change takes, it is refused as it would be on the direct one.

Rows bear the number of the table of bad inputs (B-…) or of the list of bypasses (1.7). The outsider has every right
that Kubernetes itself asks for, and no grant.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from support.api.kubectl import NamespacedKubectl
from support.api.speech import say
from support.cases import attacks
from support.cases.attacks import Attack
from support.cluster.acme import SELECTED, Acme, attacked
from support.cluster.people import ADMINISTRATOR, GITOPS, LIMITED_GITOPS, MEMBER, OUTSIDER, OWNER, VIEWER
from support.objects import manifests

if TYPE_CHECKING:
    from admission.conftest import Judged

LACKS_BOTH = "otto@elsewhere.example lacks grant-member, grant-owner on organizations.tenure.dev/acme"
LACKS_MEMBER = "lacks grant-member on organizations.tenure.dev/acme"
LACKS_OWNER = "lacks grant-owner on organizations.tenure.dev/acme"
TO_OWNER = {"spec": {"role": "Owner"}}
TO_VIEWER = {"spec": {"role": "Viewer"}}
PROTECTED = "spec.deletionProtection: Organization acme is protected"
LAST = "olga is the only Owner of Organization acme"

FORGED = {"kopf.zalando.org/last-handled-configuration": "{"}
OWNED = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "4711"}]}

CHANGES: Mapping[str, Attack] = {
    **attacks.titled("1.7 made Owner", attacks.ways("memberships", "alice", TO_OWNER, LACKS_BOTH)),
    **attacks.titled(
        "1.7 demoted beside labels for selectors",
        attacks.ways("memberships", "alice", {**TO_VIEWER, "metadata": {"labels": SELECTED}}, "lacks grant-member"),
    ),
    "1.7 made Owner by JSON patch that removes and adds": attacks.json_patch(
        "memberships",
        "alice",
        [{"op": "remove", "path": "/spec/role"}, {"op": "add", "path": "/spec/role", "value": "Owner"}],
        LACKS_BOTH,
    ),
    "1.7 a new member by server-side apply": attacks.apply(manifests.member("otto", "Owner"), LACKS_OWNER),
    "1.7 a new member with labels for selectors": attacks.create(
        manifests.marked(manifests.member("otto", "Viewer"), labels=SELECTED), "lacks grant-viewer"
    ),
    "1.7 a new member with a generated name": attacks.create(
        {**manifests.member("otto", "Owner"), "metadata": {"generateName": "otto-"}}, LACKS_OWNER
    ),
    "1.7 a member from a backup, with its status": attacks.create(
        {**manifests.member("otto", "Owner"), "status": {"role": "Owner", "observedGeneration": 1}}, LACKS_OWNER
    ),
    "B-13 a Viewer makes themselves Owner under another name": attacks.create(
        {**manifests.member("vic", "Owner"), "metadata": {"name": "vic-2"}}, LACKS_OWNER
    ).by(VIEWER),
    **{
        f"B-14 a Member makes themselves Owner {way}": attack.by(MEMBER)
        for way, attack in attacks.ways(
            "memberships", "mia", TO_OWNER, "mia@acme.io can't raise their own role"
        ).items()
    },
    "B-15 a Member creates an Owner": attacks.create(manifests.member("otto", "Owner"), LACKS_OWNER).by(MEMBER),
    "B-17 provenance forged": attacks.create(
        manifests.marked(manifests.member("otto", "Owner"), annotations={"tenure.dev/granted-by": "olga@acme.io"}),
        LACKS_OWNER,
    ),
    "B-26 a Member makes a key for somebody else": attacks.create(
        manifests.api_key("stolen", "alice"), LACKS_MEMBER
    ).by(MEMBER),
    **{
        f"B-26 a Member has somebody else's key made anew {way}": attack.by(MEMBER)
        for way, attack in attacks.ways("apikeys", "laptop", {"spec": {"revision": 2}}, LACKS_MEMBER).items()
    },
    **{
        f"B-26 a Member has somebody else's key {what}": attacks.patch(
            "apikeys", "laptop", {"spec": spec}, LACKS_MEMBER
        ).by(MEMBER)
        for what, spec in {"approved": {"forRole": "Owner"}, "suspended": {"suspended": True}}.items()
    },
    "a key planted for a role that its maker can't give": attacks.create(
        manifests.api_key("planted", "alice", forRole="Owner"), f"spec.forRole: {LIMITED_GITOPS.user} {LACKS_OWNER}"
    ).by(LIMITED_GITOPS),
    "a key approved for a role that nobody but an Owner can give": attacks.patch(
        "apikeys", "laptop", {"spec": {"forRole": "Owner"}}, f"spec.forRole: {LIMITED_GITOPS.user} {LACKS_OWNER}"
    ).by(LIMITED_GITOPS),
    **{
        f"a Member takes somebody else's key by a hand-over {way}": attack.by(MEMBER)
        for way, attack in attacks.ways("apikeys", "laptop", {"spec": {"membership": "mia"}}, LACKS_MEMBER).items()
    },
    **{
        f"a key is handed over to {whom}": attacks.patch("apikeys", "laptop", {"spec": spec}, LACKS_OWNER).by(
            LIMITED_GITOPS
        )
        for whom, spec in {
            "an Owner": {"membership": "olga"},
            "an Owner, and its token revoked": {"membership": "olga", "revision": 2},
            "a Viewer, and approved for Owner": {"membership": "vic", "forRole": "Owner", "revision": 2},
        }.items()
    },
    "a key is handed over to a name to be taken": attacks.patch(
        "apikeys", "laptop", {"spec": {"membership": "gone"}}, "there is no Membership gone in namespace"
    ).by(LIMITED_GITOPS),
    **attacks.titled(
        "B-34 made Owner beside Kopf's annotation",
        attacks.ways("memberships", "alice", {**TO_OWNER, "metadata": {"annotations": FORGED}}, LACKS_BOTH),
    ),
}

REMOVALS: Mapping[str, Attack] = {
    "1.7 deletion of all Memberships": attacks.delete_all("memberships", "lacks grant-"),
    "1.7 deletion of all Members": attacks.delete_all("memberships", LACKS_MEMBER, fieldSelector="spec.role=Member"),
    "1.7 deletion of all ApiKeys": attacks.delete_all("apikeys", LACKS_MEMBER),
    "1.7 deletion of all Organizations": attacks.delete_all("organizations", PROTECTED),
    **{
        f"1.7 {policy} deletion of {plural}/{name}": attacks.delete(plural, name, says, propagationPolicy=policy)
        for plural, name, says in (
            ("memberships", "alice", LACKS_MEMBER),
            ("apikeys", "laptop", LACKS_MEMBER),
            ("organizations", "acme", PROTECTED),
        )
        for policy in ("Orphan", "Foreground", "Background")
    },
    "1.7 deletion without grace": attacks.delete("memberships", "alice", LACKS_MEMBER, gracePeriodSeconds=0),
    **{
        f"B-38 an ownerReference on {plural}/{name} {way}": attack
        for plural, name, says in (
            ("memberships", "alice", LACKS_MEMBER),
            ("apikeys", "laptop", LACKS_MEMBER),
            ("organizations", "acme", PROTECTED),
        )
        for way, attack in attacks.ways(plural, name, {"metadata": OWNED}, says).items()
    },
    "B-38 a Member's ownerReference on somebody else's key": attacks.patch(
        "apikeys", "laptop", {"metadata": OWNED}, LACKS_MEMBER
    ).by(MEMBER),
    "B-22 the last Owner is demoted": attacks.patch("memberships", "olga", TO_VIEWER, LAST).by(ADMINISTRATOR),
    "B-22 the last Owner demotes themselves": attacks.patch("memberships", "olga", TO_VIEWER, LAST).by(OWNER),
    "B-23 the last Owner is removed": attacks.delete("memberships", "olga", LAST).by(GITOPS),
    "B-23 the last Owner is removed with all Owners": attacks.delete_all(
        "memberships", LAST, fieldSelector="spec.role=Owner"
    ).by(ADMINISTRATOR),
    "1.7 all are removed by whoever may remove all but Owners": attacks.delete_all(
        "memberships", "lacks grant-owner", fieldSelector="spec.role=Owner"
    ).by(LIMITED_GITOPS),
}


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Acme]:
    """Give an organization that survives all of these attacks."""
    with attacked(judged.plane) as acme:
        acme.world.issue("laptop", within=30)
        yield acme


@pytest.mark.parametrize("attack", attacks.rows(CHANGES, REMOVALS))
def test_a_way_around_admission_is_refused_and_changes_nothing(acme: Acme, attack: Attack) -> None:
    attacks.check_refused(acme, attack)


ALICE_AS_OWNER = manifests.member("alice", "Owner")
COMMANDS: Mapping[str, tuple[Sequence[str], str]] = {
    "B-15 replace --force": (["replace", "--force", "--filename=-"], LACKS_MEMBER),
    "1.7 replace --force --cascade=orphan": (["replace", "--force", "--cascade=orphan", "--filename=-"], LACKS_MEMBER),
    "1.7 replace": (["replace", "--filename=-"], LACKS_BOTH),
    "1.7 apply --force": (["apply", "--force", "--filename=-"], LACKS_BOTH),
    "1.7 apply --server-side --force-conflicts": (
        ["apply", "--server-side", "--force-conflicts", "--filename=-"],
        LACKS_BOTH,
    ),
    "1.7 delete --cascade=orphan": (["delete", "membership", "alice", "--cascade=orphan"], LACKS_MEMBER),
    "1.7 delete --cascade=foreground": (["delete", "membership", "alice", "--cascade=foreground"], LACKS_MEMBER),
    "1.7 delete --force --grace-period=0": (
        ["delete", "membership", "alice", "--force", "--grace-period=0"],
        LACKS_MEMBER,
    ),
    "1.7 delete --all": (["delete", "memberships", "--all"], "lacks grant-"),
    "1.7 delete --all of every kind": (["delete", "organizations,memberships,apikeys", "--all"], PROTECTED),
}


@pytest.mark.parametrize(("command", "says"), COMMANDS.values(), ids=COMMANDS)
def test_kubectl_knows_no_way_around_admission(acme: Acme, command: Sequence[str], says: str) -> None:
    kubectl, before = NamespacedKubectl(acme.plane.kubectl, acme.client.namespace), acme.state()
    heard = say(kubectl, *command, input=json.dumps(ALICE_AS_OWNER), as_user=OUTSIDER.user)
    assert not heard.passed
    assert says in heard.errors
    assert acme.state() == before
