"""The state of a namespace without what differs from run to run, to be compared with what it should be."""

from collections import Counter

from support.cluster.world import Body, World


def state(world: World) -> Body:
    """Tell of keys, Secrets, statuses, the record of alice's role change, and how many Events each kind has."""
    members = {body["metadata"]["name"]: body["status"] for body in world.api.list("memberships")}
    (acme,) = world.api.list("organizations")
    record = members["alice"].get("lastRoleChange") or {}
    return {
        "keys": {body["metadata"]["name"]: key_state(body) for body in world.api.list("apikeys")},
        "secrets": {body["metadata"]["name"] for body in world.api.list("secrets")},
        "listed": {name: {key["name"] for key in status.get("keys") or ()} for name, status in members.items()},
        "counts": acme["status"].get("keys"),
        "record": {
            **{field: record[field] for field in ("from", "to") if field in record},
            **{key["name"]: key["fate"] for key in record.get("keys", [])},
        },
        "events": dict(Counter(event["regarding"]["kind"] for event in world.api.list("events"))),
    }


def key_state(key: Body) -> str:
    """Tell a key's reason, and its stamp where it works, as in `Issued: Viewer 2, revision 1`."""
    status = key["status"]
    reasons = {condition["type"]: str(condition["reason"]) for condition in status.get("conditions", ())}
    if reasons.get("Ready") != "Issued":
        return reasons.get("Ready", "")
    issued = status["issued"]
    text = f"Issued: {issued['role']} {issued['membershipGeneration']}, revision {issued['revision']}"
    return f"{text}, token {issued['sequence']} beside its former one" if "previous" in status else text


def counts(valid: int = 0, *, ended: int = 0) -> dict[str, int]:
    """Return the key counts of an organization in which nothing waits and nothing is suspended."""
    return {"valid": valid, "suspended": 0, "waiting": 0, "ended": ended}
