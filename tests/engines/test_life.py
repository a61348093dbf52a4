"""An organization's whole life, as the real engines drive it from Git."""

import json

import pytest

from support.cluster.world import World
from support.engines.engine import Engine, Sync
from support.objects.repository import KEYS, Address
from support.programs.sync import INCIDENT
from support.run.eventually import eventually

ACKNOWLEDGE = "tenure.dev/acknowledge-key-deletion"
PRICE = "Viewer: ci-deploy, laptop"
ORGANIZATION: Address = ("Organization", "acme")
OWNER: Address = ("Membership", "olga")
GIVEN_UP = "(retried 5 times)"
WITHIN = 60.0


def is_flux(sync: Sync) -> bool:
    return sync.engine.namespace == "flux-system"


def demote_alice(sync: Sync) -> None:
    """Change a role, and approve a key for the new one, in the same commit."""
    sync.repository.member("alice")["spec"]["role"] = "Viewer"
    sync.repository.key("ci-deploy")["spec"]["forRole"] = "Viewer"


def acknowledge(sync: Sync) -> None:
    sync.repository.member("alice")["metadata"]["annotations"] = {ACKNOWLEDGE: PRICE}


def test_the_samples_are_applied_and_healthy(sync: Sync, world: World) -> None:
    sync.settle()
    assert world.issue(*KEYS, within=WITHIN)
    world.wait_counted(within=WITHIN)
    before = sync.repository.versions()
    sync.settle("Change nothing")
    assert sync.repository.versions() == before


def test_a_refused_role_change_shows_and_changes_nothing_until_it_is_acknowledged(sync: Sync, world: World) -> None:
    """The role and `forRole` are in one commit. Only the role is refused, and no token is lost."""
    sync.settle()
    tokens = world.issue(*KEYS, within=WITHIN)
    demote_alice(sync)
    sync.refused(f'{ACKNOWLEDGE}: "{PRICE}"')
    assert world.member("alice")["spec"]["role"] == "Member"
    assert world.key("ci-deploy")["spec"].get("forRole") == (None if is_flux(sync) else "Viewer")
    assert {name: world.verdict(token) for name, token in tokens.items()} == dict.fromkeys(tokens, "Valid")

    acknowledge(sync)
    sync.repository.remove(("ApiKey", "laptop"))
    sync.settle("Acknowledge the price")
    new = world.wait_new_token("ci-deploy", tokens["ci-deploy"], within=WITHIN)
    assert world.key("ci-deploy")["status"]["issued"]["role"] == "Viewer"
    assert [world.verdict(token) for token in (new, tokens["ci-deploy"], tokens["laptop"], tokens["pipeline"])] == [
        *("Valid", "NotFound", "NotFound", "Valid")
    ]


def test_a_revoked_key_stays_revoked_and_degraded_while_its_file_is_there(sync: Sync, world: World) -> None:
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["laptop"]
    sync.repository.member("alice")["spec"]["role"] = "Viewer"
    acknowledge(sync)
    sync.push()
    world.wait_reason("laptop", "RoleChanged", within=WITHIN)
    sync.says("Failed" if is_flux(sync) else "Degraded")
    assert world.verdict(token) == "RoleChanged"
    assert world.token("laptop") is None
    sync.repository.remove(("ApiKey", "laptop"), ("ApiKey", "ci-deploy"))
    sync.settle("Remove the revoked keys")
    world.wait_gone("apikeys", "laptop", within=WITHIN)


def test_a_key_that_is_handed_over_outlives_its_former_holder(sync: Sync, world: World) -> None:
    sync.settle()
    tokens = world.issue(*KEYS, within=WITHIN)
    sync.repository.key("laptop")["spec"]["membership"] = "bob"
    sync.settle("Hand laptop over to bob")
    new = world.wait_new_token("laptop", tokens["laptop"], within=WITHIN)
    assert [world.verdict(token) for token in (new, tokens["laptop"])] == ["Valid", "Valid"]
    sync.repository.remove(("Membership", "alice"), ("ApiKey", "ci-deploy"))
    sync.settle("Remove alice")
    world.wait_gone("secrets", "ci-deploy", within=WITHIN)
    assert world.token("laptop") == new
    assert world.verdict(new) == "Valid"
    assert world.verdict(tokens["laptop"]) != "Valid"


def test_a_member_who_is_removed_loses_their_keys(sync: Sync, world: World) -> None:
    sync.settle()
    tokens = world.issue(*KEYS, within=WITHIN)
    sync.repository.remove(("Membership", "bob"), ("ApiKey", "bob-cli"))
    sync.settle("Remove bob")
    assert world.verdict(tokens["bob-cli"]) != "Valid"
    world.wait_gone("secrets", "bob-cli", within=WITHIN)
    assert world.verdict(tokens["laptop"]) == "Valid"


def test_beside_a_refused_change_argocd_applies_the_others_and_flux_nothing(sync: Sync, world: World) -> None:
    sync.settle()
    tokens = world.issue(*KEYS, within=WITHIN)
    sync.repository.member("alice")["spec"]["role"] = "Viewer"
    sync.repository.member("anna")["metadata"]["annotations"] = {"acme.io/note": "applied"}
    sync.repository.remove(("Membership", "bob"), ("ApiKey", "bob-cli"))
    sync.refused(ACKNOWLEDGE)
    waits = is_flux(sync)
    assert ("acme.io/note" not in world.member("anna")["metadata"].get("annotations", {})) is waits
    assert (world.verdict(tokens["bob-cli"]) == "Valid") is waits


def test_a_refused_removal_blocks_what_argocd_applies_and_not_flux(sync: Sync, world: World) -> None:
    """Argo CD prunes before it applies, and Flux afterwards."""
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    sync.repository.remove(OWNER, ("ApiKey", "olga-admin"))
    sync.repository.member("anna")["metadata"]["annotations"] = {"acme.io/note": "applied"}
    sync.refused("olga is the only Owner of Organization acme")
    applied = "acme.io/note" in world.member("anna")["metadata"].get("annotations", {})
    assert applied is is_flux(sync)
    assert world.member("olga")["spec"]["role"] == "Owner"


def test_an_organization_is_handed_over_in_two_commits(sync: Sync, world: World) -> None:
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    anna = sync.repository.member("anna")
    anna["spec"]["role"] = "Owner"
    anna["metadata"]["annotations"] = {ACKNOWLEDGE: "Owner: cost-report"}
    sync.repository.remove(("ApiKey", "cost-report"))
    sync.settle("Make anna an Owner")
    sync.repository.remove(OWNER, ("ApiKey", "olga-admin"))
    sync.settle("Remove olga")
    world.wait_gone("memberships", "olga", within=WITHIN)


def test_an_organization_is_handed_over_in_one_commit_by_argocd_and_never_by_flux(sync: Sync, world: World) -> None:
    """Flux asks first whether every object passes, and the new Owner isn't stored yet."""
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    for name, role, key in (("anna", "Owner", "cost-report"), ("olga", "Viewer", "olga-admin")):
        member = sync.repository.member(name)
        member["spec"]["role"] = role
        member["metadata"]["annotations"] = {ACKNOWLEDGE: f"{role}: {key}"}
        sync.repository.remove(("ApiKey", key))
    if not is_flux(sync):
        sync.settle("Swap the Owners")
        return
    sync.refused("olga is the only Owner of Organization acme")
    assert world.member("anna")["spec"]["role"] == "Analyst"


def test_an_organization_is_removed_in_two_commits(sync: Sync, world: World) -> None:
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    sync.repository.files[ORGANIZATION]["spec"]["deletionProtection"] = False
    sync.settle("Take the protection off")
    sync.repository.remove(*list(sync.repository.files))
    sync.settle("Remove the organization")
    eventually(lambda: sync.repository.live() == {}, within=WITHIN, describe="no object is left")
    eventually(lambda: world.api.list("secrets") == [], within=WITHIN, describe="no Secret is left")


def test_a_suspension_by_a_manager_of_its_own_stays(sync: Sync, world: World) -> None:
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["laptop"]
    suspend(sync, f"--field-manager={INCIDENT}")
    sync.settle("Change nothing")
    assert world.verdict(token) == "Suspended"


def test_a_suspension_by_kubectl_is_reverted_by_flux_alone(sync: Sync, world: World) -> None:
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["laptop"]
    suspend(sync)
    sync.settle("Change nothing")
    assert (world.verdict(token) == "Valid") is is_flux(sync)


def suspend(sync: Sync, *options: str) -> None:
    patch = json.dumps({"spec": {"suspendedMembers": [{"name": "alice", "reason": "INC-4711"}]}})
    target = ("patch", "organization", "acme", f"--namespace={sync.name}", "--type=merge", f"--patch={patch}")
    sync.engine.plane.kubectl(*target, *options)


def test_a_revision_that_kubectl_raised_stops_flux_until_the_file_has_it(sync: Sync, world: World) -> None:
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["laptop"]
    target = ("apikey", "laptop", f"--namespace={sync.name}", "--type=merge")
    sync.engine.plane.kubectl("patch", *target, '--patch={"spec": {"revision": 2}}')
    world.wait_new_token("laptop", token, within=WITHIN)
    if is_flux(sync):
        sync.refused("revision")
    else:
        sync.settle("Change nothing")
    sync.repository.key("laptop")["spec"]["revision"] = 2
    sync.settle("Commit the revision")


def test_a_revision_by_server_side_apply_of_a_manager_of_its_own_stays(sync: Sync, world: World) -> None:
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["laptop"]
    body = {
        "apiVersion": "tenure.dev/v1alpha1",
        "kind": "ApiKey",
        "metadata": {"name": "laptop", "namespace": sync.name},
        "spec": {"revision": 2},
    }
    apply = ("apply", "--server-side", f"--field-manager={INCIDENT}", "--filename=-")
    sync.engine.plane.kubectl(*apply, input=json.dumps(body))
    world.wait_new_token("laptop", token, within=WITHIN)
    sync.settle("Change nothing")
    assert world.key("laptop")["spec"]["revision"] == 2


def test_a_lost_namespace_is_restored_with_new_tokens(sync: Sync, world: World) -> None:
    """Argo CD tries to put keys back while the namespace is being deleted, and needs another commit after that."""
    sync.settle()
    tokens = world.issue(*KEYS, within=WITHIN)
    sync.engine.plane.kubectl("delete", "namespace", sync.name, "--timeout=300s")
    sync.push("Restore")
    if not sync.wait(lambda attempt: attempt.applied or GIVEN_UP in attempt.message, "applied, or given up").applied:
        sync.settle("Restore once more, as the page says")
    renewed = world.issue(*KEYS, within=WITHIN)
    assert not {token.hash for token in tokens.values()} & {token.hash for token in renewed.values()}
    assert [world.verdict(token) for token in renewed.values()] == ["Valid"] * len(KEYS)


def test_a_deleted_application_leaves_the_organization_alone(sync: Sync, world: World, engine: Engine) -> None:
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["laptop"]
    own = engine.organization(sync.name)[-1]
    target = (own["kind"], own["metadata"]["name"], f"--namespace={engine.namespace}")
    engine.plane.kubectl("delete", *target, "--timeout=120s")
    assert world.verdict(token) == "Valid"
    assert set(sync.repository.live()) == set(sync.repository.files)
    engine.apply(own)


@pytest.mark.parametrize("what", ["members", "everything"])
def test_a_mistaken_prune_keeps_the_protected_owner_and_nothing_else(sync: Sync, world: World, what: str) -> None:
    """`deletionProtection` protects the Organization and its last Owner, and no other member or key."""
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    kept = {ORGANIZATION, OWNER} if what == "everything" else {ORGANIZATION, OWNER, ("ApiKey", "olga-admin")}
    removed = [address for address in sync.repository.files if what == "everything" or address not in kept]
    sync.repository.remove(*removed)
    sync.push("Remove too much")
    eventually(lambda: set(sync.repository.live()) == kept, within=WITHIN, describe=f"{kept} is left")
    if what == "everything":
        sync.says("Organization acme is protected")
