"""Reads what is stored with kubectl, page by page, and nothing else: the reader needs no other right than to list."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from tenure_dev.invariants.judge import Violation, violations
from tenure_dev.invariants.stored import SECRET_TYPE, Body, Stored
from tenure_dev.kubectl import Kubectl

RIGHTS = (
    {"apiGroups": ["tenure.dev"], "resources": ["organizations", "memberships", "apikeys"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]},
)
"""The rules of a ClusterRole for whoever reads. It reads tokens, so give it to nobody else."""

_GROUP = "/apis/tenure.dev/v1alpha1"
_PAGE = 1000


def read(kubectl: Kubectl, namespace: str = "") -> Stored:
    """Read all objects of Tenure's kinds and the Secrets of their type, in one namespace or in all.

    Keys come before members, so that no key is judged by a member who is older than its stamp.

    Raises:
        KubectlError: the API server refused it.
    """
    place = f"/namespaces/{namespace}" if namespace else ""
    keys = list(_items(kubectl, f"{_GROUP}{place}/apikeys"))
    memberships = list(_items(kubectl, f"{_GROUP}{place}/memberships"))
    organizations = list(_items(kubectl, f"{_GROUP}{place}/organizations"))
    secrets = list(_items(kubectl, f"/api/v1{place}/secrets", fieldSelector=f"type={SECRET_TYPE}"))
    return Stored(organizations, memberships, keys, secrets, datetime.now(UTC))


def find_violations(kubectl: Kubectl, namespace: str = "") -> list[Violation]:
    """Read what is stored, and return what is wrong with it."""
    return list(violations(read(kubectl, namespace)))


def _items(kubectl: Kubectl, path: str, **query: str) -> Iterator[Body]:
    query["limit"] = str(_PAGE)
    while True:
        page = json.loads(kubectl("get", "--raw", f"{path}?{urlencode(query)}").stdout)
        yield from page["items"]
        if not page["metadata"].get("continue"):
            return
        query["continue"] = page["metadata"]["continue"]
