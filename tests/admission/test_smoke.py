"""What everybody meets first: a role change with its price, refused, acknowledged, and shown."""

from support.api.api import ApiRefusedError
from support.cluster.world import World
from support.objects import manifests


def test_an_acknowledged_role_change_passes_and_an_unacknowledged_one_does_not(world: World) -> None:
    world.organization(roleChanges={"whenKeysExist": "RequireAcknowledgement"})
    world.create(manifests.member("olga", "Owner"), manifests.member("alice"), manifests.api_key("laptop", "alice"))
    token = world.issue("laptop")["laptop"]
    refusal = None
    try:
        world.change_role("alice", "Viewer")
    except ApiRefusedError as error:
        refusal = error
    assert refusal is not None
    assert (refusal.code, refusal.body["reason"]) == (403, "Forbidden")
    assert 'tenure.dev/acknowledge-key-deletion: "Viewer: laptop"' in refusal.body["message"]
    world.change_role("alice", "Viewer", annotations={"tenure.dev/acknowledge-key-deletion": "Viewer: laptop"})
    assert world.verdict(token) == "RoleChanged"
