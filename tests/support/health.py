"""What an object's health should be to a sync engine, by its conditions."""

from typing import Any

Body = dict[str, Any]


def conditions(body: Body) -> dict[str, Body]:
    """The conditions of an object, by type."""
    return {condition["type"]: condition for condition in body["status"].get("conditions", ())}


def expected_health(body: Body) -> str:
    """Healthy, Progressing or Degraded; a suspended object is as its owners want it."""
    found = conditions(body)
    ready = found.get("Ready", {"status": "Unknown", "reason": ""})
    if body["status"]["observedGeneration"] != body["metadata"]["generation"]:
        return "Progressing"
    if ready["status"] == "True" or ready["reason"] == "Suspended":
        return "Healthy"
    return "Degraded" if "Stalled" in found or ready["reason"] == "NoOwner" else "Progressing"
