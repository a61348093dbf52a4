"""The API server over plain HTTP, for tests that count milliseconds and read answers' codes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import requests

from support.run.slowness import NEVER
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import API_VERSION
from tenure_dev.controlplane import ControlPlane

PATHS: Mapping[str, str] = {
    **{resource.plural: f"/apis/{API_VERSION}" for resource in (Organization, Membership, ApiKey)},
    "configmaps": "/api/v1",
    "secrets": "/api/v1",
    "events": "/apis/events.k8s.io/v1",
    "namespaces": "/api/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
}
MERGE_PATCH = "application/merge-patch+json"

Body = dict[str, Any]


class ApiRefusedError(AssertionError):
    """The API server answered with an error; `code` and `body` hold it."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__(f"{answer.request.method} {answer.request.path_url}: {answer.status_code} {answer.text}")
        self.code = answer.status_code
        self.body: Body = answer.json()


class Api:
    """One namespace of the API server, as its administrator or as somebody else; every call is one request."""

    def __init__(
        self,
        plane: ControlPlane,
        namespace: str,
        server: str | None = None,
        *,
        user: str = "",
        groups: Sequence[str] = (),
    ) -> None:
        self.namespace = namespace
        self.plane = plane
        self._server = server or plane.server
        self._session = requests.Session()
        self._session.verify = str(plane.certificate_authority)
        self._session.cert = (str(Path(plane.admin.certificate)), str(Path(plane.admin.key)))
        self._session.trust_env = False
        if user:
            self._session.headers["Impersonate-User"] = user
        for group in groups:  # requests holds one value a header; a second group is never needed.
            self._session.headers["Impersonate-Group"] = group

    def as_user(self, user: str, *groups: str) -> Self:
        """Return the same namespace as somebody else sees it, by impersonation; at most one group."""
        return type(self)(self.plane, self.namespace, self._server, user=user, groups=groups)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def create(self, plural: str, body: Mapping[str, Any], **params: str) -> Body:
        """Create an object and return it as stored. Tenure takes it for made by a person."""
        params = {"fieldManager": "kubectl-create", **params}
        return self._call("POST", self._path(plural), json=dict(body), params=params)

    def get(self, plural: str, name: str) -> Body | None:
        """Return an object, or None where there is none of that name."""
        try:
            return self._call("GET", self._path(plural, name))
        except ApiRefusedError as error:
            if error.code == requests.codes.not_found:
                return None
            raise

    def list(self, plural: str, **params: str) -> list[Body]:
        """Return all objects of a kind."""
        items: list[Body] = self._call("GET", self._path(plural), params=params)["items"]
        return items

    def patch(self, plural: str, name: str, body: Mapping[str, Any], subresource: str = "", **params: str) -> Body:
        """Merge a patch into an object and return it as stored."""
        path = self._path(plural, name) + (f"/{subresource}" if subresource else "")
        if plural == "apikeys" and not subresource:
            params = {"fieldManager": "kubectl-patch", **params}
        return self._call("PATCH", path, json=dict(body), headers={"Content-Type": MERGE_PATCH}, params=params)

    def delete(self, plural: str, name: str, params: Mapping[str, str] | None = None, **options: Any) -> Body:
        """Delete an object, with DeleteOptions."""
        body = {"kind": "DeleteOptions", **options}
        return self._call("DELETE", self._path(plural, name), json=body, params=params or {})

    def review(self, path: str, body: Mapping[str, Any]) -> Body:
        """Post a review, which creates nothing, and return its answer."""
        return self._call("POST", path, json=dict(body))

    def _path(self, plural: str, name: str = "") -> str:
        return f"{PATHS[plural]}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def _call(self, method: str, path: str, **kwargs: Any) -> Body:
        answer = self._session.request(method, self._server + path, timeout=NEVER, **kwargs)
        if not answer.ok:
            raise ApiRefusedError(answer)
        body: Body = answer.json()
        return body
