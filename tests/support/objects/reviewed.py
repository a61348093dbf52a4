"""Changes as the webhook sees them, from objects as people write them."""

from collections.abc import Sequence
from typing import Any, TypeVar

from support.api.api import Body
from support.api.review import review, stored
from tenure.domain.admission.request import AdmissionRequest, Change
from tenure.domain.resources import Resource
from tenure.domain.resources.base import GROUP, VERSION

R = TypeVar("R", bound=Resource)

NAMESPACE = "acme"
ROOT = "root@elsewhere.example"


def request(kind: type[Resource], /, *, old: Body | None, new: Body | None, **fields: Any) -> AdmissionRequest:
    """The request of a review; its operation follows from the objects unless `fields` says otherwise."""
    operation = "CREATE" if old is None else "DELETE" if new is None else "UPDATE"
    made = {
        "operation": operation,
        "resource": {"group": GROUP, "version": VERSION, "resource": kind.plural},
        "object": new,
        "oldObject": old,
        "userInfo": {"username": ROOT},
        **fields,
    }
    return AdmissionRequest.model_validate(review(NAMESPACE, **made)["request"])


def change(
    resource: type[R],
    *,
    old: Body | None = None,
    new: Body | None = None,
    username: str = ROOT,
    groups: Sequence[str] = (),
    **fields: Any,
) -> Change[R]:
    """A change from one manifest to another; None: it is created, or deleted."""
    place = fields.get("namespace", NAMESPACE)
    before, after = (None if body is None else _stored(body, place) for body in (old, new))
    user = {"username": username, "groups": list(groups)}
    asked = request(resource, old=before, new=after, userInfo=user, **fields)
    return Change.of(asked, resource)


def _stored(body: Body, namespace: str) -> Body:
    """The object as the API server holds it; what the test says of its metadata stands."""
    return stored(body, namespace, **{"uid": f"uid-of-{body['metadata'].get('name')}"[:64], **body["metadata"]})
