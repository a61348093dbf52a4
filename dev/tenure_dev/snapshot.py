"""Read all objects of a namespace at one moment."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tenure.domain.conditions import ready_reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.tokens import Token
from tenure_dev.kubectl import Kubectl

_RESOURCES = "organizations,memberships,apikeys,secrets"


@dataclass(frozen=True)
class Snapshot:
    """The objects of the three kinds and the tokens in one namespace."""

    organizations: tuple[Organization, ...]
    memberships: Mapping[str, Membership]
    keys: Mapping[str, ApiKey]
    tokens: Mapping[str, Token]
    """Tokens by the name of their Secret."""

    @classmethod
    def take(cls, kubectl: Kubectl, namespace: str) -> Self:
        """Read all objects with one call of kubectl."""
        output = kubectl("get", _RESOURCES, "--namespace", namespace, "--output=json").stdout
        items: list[dict[str, Any]] = json.loads(output)["items"]

        def of_kind(kind: str) -> list[dict[str, Any]]:
            return [item for item in items if item["kind"] == kind]

        keys = (ApiKey.from_body(body) for body in of_kind("ApiKey"))
        members = (Membership.from_body(body) for body in of_kind("Membership"))
        return cls(
            organizations=tuple(Organization.from_body(body) for body in of_kind("Organization")),
            memberships={member.name: member for member in members},
            keys={key.name: key for key in keys},
            tokens={
                body["metadata"]["name"]: Token(base64.b64decode(body["data"]["token"]).decode())
                for body in of_kind("Secret")
                if body["type"] == "tenure.dev/api-key"
            },
        )

    @property
    def settled(self) -> bool:
        """Whether the operator has reported on the present generation of every object."""
        everything = (*self.organizations, *self.memberships.values(), *self.keys.values())
        return bool(everything) and all(
            one.metadata.generation == one.status.observed_generation  # type: ignore[attr-defined]
            for one in everything
        )

    def all_issued(self) -> bool:
        """Tell whether every key is issued and has its Secret."""
        return self.settled and all(
            ready_reason(key.status.conditions) == "Issued" and name in self.tokens for name, key in self.keys.items()
        )
