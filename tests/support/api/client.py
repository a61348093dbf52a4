"""The API server in all the ways in which an object can be written, by whoever is impersonated."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from requests import codes

from support.api.api import Api, ApiRefusedError, Body
from tenure_dev.cluster import RunningCluster
from tenure_dev.controlplane import ControlPlane

APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

DRY_RUN: Mapping[str, str] = {"dryRun": "All"}

DELETES_AND_RECREATES = ("is immutable", "immutable field")
"""`kubectl apply --force` and GitOps tools answer these words by deleting the object and creating it again."""

LONGEST_MESSAGE = 2048

_DENIED = "denied the request: "


class Client(Api):
    """One namespace of the API server; every call is one request."""

    def with_headers(self, headers: Mapping[str, str]) -> "Client":
        """Send these headers with every request from now on, such as more of an impersonated identity."""
        self._session.headers.update(headers)
        return self

    def replace(self, plural: str, body: Mapping[str, Any], **params: str) -> Body:
        """Replace an object, as `kubectl replace` does."""
        return self._call("PUT", self._path(plural, body["metadata"]["name"]), json=dict(body), params=params)

    def apply(self, plural: str, body: Mapping[str, Any], **params: str) -> Body:
        """Apply an object on the server's side, with force."""
        params = {"fieldManager": "test", "force": "true", **params}
        path = self._path(plural, body["metadata"]["name"])
        return self._call("PATCH", path, json=dict(body), headers={"Content-Type": APPLY_PATCH}, params=params)

    def json_patch(self, plural: str, name: str, operations: Sequence[Body], **params: str) -> Body:
        """Patch an object by operations."""
        headers = {"Content-Type": JSON_PATCH}
        return self._call("PATCH", self._path(plural, name), json=list(operations), headers=headers, params=params)

    def post(self, path: str, body: Mapping[str, Any], **params: str) -> Body:
        """Create what lies outside of the namespace, such as a review."""
        return self._call("POST", path, json=dict(body), params=params)

    def read(self, path: str) -> Body:
        """Read what lies outside of the namespace."""
        return self._call("GET", path)

    def remove(self, path: str) -> Body:
        """Delete what lies outside of the namespace."""
        return self._call("DELETE", path)

    def delete_all(self, plural: str, **params: str) -> Body:
        """Delete a collection."""
        return self._call("DELETE", self._path(plural), params=params)

    def send_text(self, method: str, plural: str, text: bytes, media_type: str, **params: str) -> Body:
        """Send a document as it is."""
        return self._call(method, self._path(plural), data=text, headers={"Content-Type": media_type}, params=params)

    def service_account(self, name: str) -> None:
        """Create a Kubernetes ServiceAccount."""
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        self.post(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", body)

    def service_token(self, name: str, *audiences: str) -> str:
        """Return a token of a Kubernetes ServiceAccount, for the API server unless audiences are given."""
        spec = {"audiences": list(audiences)} if audiences else {}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self.post(path, body)["status"]["token"])


@contextmanager
def fresh_namespace(plane: ControlPlane, name: str = "", labels: Mapping[str, str] | None = None) -> Iterator[Client]:
    """Give a new namespace as the administrator sees it.

    It is deleted only where the cluster outlives the tests: that takes the API server longer than most tests do.
    """
    name = name or f"test-{uuid4().hex[:10]}"
    client = Client(plane, name)
    metadata = {"name": name, "labels": dict(labels or {})}
    client.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        yield client
    finally:
        if isinstance(plane, RunningCluster):
            left = refusal(lambda: client.remove(f"/api/v1/namespaces/{name}"))
            assert left is None or left.code == codes.not_found, left  # It may be what a test deletes.
        client.close()


def refusal(attempt: Callable[[], object]) -> ApiRefusedError | None:
    """The refusal of a request; None: it passed."""
    try:
        attempt()
    except ApiRefusedError as error:
        return error
    return None


def denial(attempt: Callable[[], object]) -> str:
    """The words in which a webhook of Tenure refuses a request, which it must do as all refusals are made."""
    error = refusal(attempt)
    assert error is not None, "it passed"
    return denial_of(error)


def denial_of(error: ApiRefusedError) -> str:
    """The words of a webhook's refusal, seen to be made as all of them are."""
    message = str(error.body["message"])
    assert (error.code, error.body["reason"]) == (403, "Forbidden"), error
    assert message.startswith("admission webhook "), message
    assert _DENIED in message, message
    assert len(message) <= LONGEST_MESSAGE, message
    assert not [words for words in DELETES_AND_RECREATES if words in message], message
    return message.partition(_DENIED)[2]
