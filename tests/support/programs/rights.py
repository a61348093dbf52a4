"""Who holds which of the rights that a process asks for at its start: everybody but one right."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

from tenure.kube.right import Place, Right, When
from tenure.kube.rights import groups_of
from tenure.observability.metrics import Component

RBAC = "rbac.authorization.k8s.io"

Body = dict[str, Any]


def rights_of(program: Component, *places: Place, when: Collection[When] | None = None) -> list[Right]:
    """The rights of a program in these places, under these conditions; None: under any."""
    groups = [one for one in groups_of(program) if one.place in places and (when is None or one.when in when)]
    return [right for group in groups for right in group.rights]


def title(right: Right, verb: str) -> str:
    """A right as the refusal names it, such as `get secrets named tenure-webhook-ca`."""
    group = f".{right.group}" if right.group else ""
    return f"{verb} {right.resource}{group}" + (f" named {right.name}" if right.name else "")


def refusal(*missing: str) -> str:
    """What a process says that may not start for want of these rights."""
    return (
        f"tenure: missing rights: {'; '.join(missing)}. Grant them to the user or ServiceAccount that this process "
        "runs as. If you installed Tenure with Helm, run helm upgrade"
    )


def rule(right: Right, but: str = "") -> Body:
    """The rule that grants a right, but for a verb."""
    named: Body = {"resourceNames": [right.name]} if right.name else {}
    verbs = [verb for verb in right.verbs if verb != but]
    return {"apiGroups": [right.group], "resources": [right.label], "verbs": verbs, **named}


def grant(user: str, rules: Sequence[Body], namespace: str = "") -> list[Body]:
    """A role of a new name and its binding: in a namespace, or in the whole cluster."""
    kind, name = "Role" if namespace else "ClusterRole", f"tenure-test-{uuid4().hex[:10]}"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    subject = {"apiGroup": RBAC, "kind": "User", "name": user}
    rules = [one for one in rules if one["verbs"]]
    role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules}
    binding = {"apiVersion": f"{RBAC}/v1", "kind": f"{kind}Binding", "metadata": metadata, "subjects": [subject]}
    return [role, {**binding, "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name}}]
