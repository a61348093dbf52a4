"""Asks the API server whose a bearer token is, and what a requester may do."""

from collections.abc import Mapping, Sequence
from typing import Any

from tenure.domain.permissions import Permission, Requester
from tenure.domain.resources.base import GROUP
from tenure.kube.cluster import Cluster

_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_AUTHENTICATED = "system:authenticated"
_READING = ("get", "list", "watch")
"""Verbs that show what is in a Secret."""

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path


async def is_permitted(cluster: Cluster, requester: Requester, permission: Permission) -> bool:
    """Whether the API server's authorizers grant a requester a permission.

    Raises:
        ApiError: the API server couldn't be asked.
    """
    attributes = {
        "group": GROUP,
        "resource": permission.plural,
        "verb": permission.verb,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    if permission.subresource:
        attributes["subresource"] = permission.subresource
    body = {"kind": "SubjectAccessReview", "spec": _spec(requester, attributes)}
    return await _is_allowed(cluster, f"{_AUTHORIZATION}/subjectaccessreviews", body)


async def find_reading_verb(cluster: Cluster, username: str, namespace: str, name: str) -> str | None:
    """Return a verb by which a user may read a Secret, or None, as far as no group of the user's decides.

    It asks by the review of a namespace, so a controller of some namespaces may ask about no other one.

    Raises:
        ApiError: the API server couldn't be asked.
    """
    user = Requester(username=username, groups=[_AUTHENTICATED])
    path = f"{_AUTHORIZATION}/namespaces/{namespace}/localsubjectaccessreviews"
    for verb in _READING:
        attributes = {"group": "", "resource": "secrets", "verb": verb, "namespace": namespace, "name": name}
        review = {
            "kind": "LocalSubjectAccessReview",
            "metadata": {"namespace": namespace},
            "spec": _spec(user, attributes),
        }
        if await _is_allowed(cluster, path, review):
            return verb
    return None


def _spec(requester: Requester, attributes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "user": requester.username,
        "uid": requester.uid,
        "groups": requester.groups,
        "extra": requester.extra,
        "resourceAttributes": attributes,
    }


async def _is_allowed(cluster: Cluster, path: str, review: Mapping[str, Any]) -> bool:
    answer = await cluster.request("POST", path, body={"apiVersion": "authorization.k8s.io/v1", **review})
    return answer["status"].get("allowed") is True


async def authenticate(cluster: Cluster, bearer: str, audiences: Sequence[str] = ()) -> Requester | None:
    """Return the user of a bearer token, or None if the API server accepts it for none of the audiences.

    Without audiences, the token must be for the API server itself.

    Raises:
        ApiError: the API server couldn't be asked.
    """
    body: dict[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": bearer}}
    if audiences:
        body["spec"]["audiences"] = [*audiences]
    status = (await cluster.request("POST", _TOKEN_REVIEWS, body=body)).get("status") or {}
    # An authenticator that doesn't support audiences accepts a token for all of them, and names none.
    if status.get("authenticated") is not True or (audiences and not {*audiences} & {*status.get("audiences", ())}):
        return None
    return Requester.model_validate(status["user"])
