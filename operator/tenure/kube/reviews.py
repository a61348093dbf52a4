"""SubjectAccessReviews: asking the API server what somebody may do."""

from tenure.domain.admission.authority import Permission
from tenure.domain.admission.request import Requester
from tenure.domain.resources.base import GROUP
from tenure.kube.cluster import Cluster

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


async def is_permitted(cluster: Cluster, requester: Requester, permission: Permission) -> bool:
    """Whether the API server's authorizers grant somebody a permission.

    Raises:
        ApiError: they couldn't be asked.
    """
    attributes = {
        "group": GROUP,
        "resource": permission.plural,
        "verb": permission.verb,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    spec = {
        "user": requester.username,
        "uid": requester.uid,
        "groups": requester.groups,
        "extra": requester.extra,
        "resourceAttributes": attributes,
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = await cluster.request("POST", _REVIEWS, body=body)
    return answer["status"].get("allowed") is True
