"""Parses an admission request of the API server into the change that it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from pydantic import Field

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.operations import Operation
from tenure.domain.permissions import Requester
from tenure.domain.resources import Resource
from tenure.domain.resources.base import Model

R = TypeVar("R", bound=Resource)

_KEPT_BY_SERVER = {"resourceVersion", "generation"}
"""Metadata that no client can set, and that changes with the rest of an object."""

_NAMESPACE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_OBJECT_NAME = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
"""These become parts of paths, so nothing else is allowed, for example no `../`."""

_RELEASABLE = ("finalizers", "ownerReferences")
_MANAGED = "managedFields"

_UNSTORED = {"uid": "", "resourceVersion": "", "creationTimestamp": "1970-01-01T00:00:00Z"}
"""Metadata that an object may lack before it is stored."""


class ReviewedResource(Model):
    """The kind of the object under review."""

    group: str
    version: str
    resource: str


class ReviewedMetadata(Model):
    """The metadata of an object under review that checks need and the models of the kinds don't have."""

    name: str = Field(pattern=_OBJECT_NAME, max_length=253)
    namespace: str | None = None

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[dict[str, Any]] | None = None
    managed_fields: list[dict[str, Any]] | None = None


class RequestOptions(Model):
    """Options of the request."""

    field_manager: str = ""


class AdmissionRequest(Model):
    """The request of an AdmissionReview, `admission.k8s.io/v1`."""

    uid: str = Field(min_length=1, max_length=128)
    operation: Operation
    resource: ReviewedResource
    sub_resource: str = ""
    namespace: str = Field(pattern=_NAMESPACE, max_length=63)
    user_info: Requester
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    dry_run: bool = False
    options: RequestOptions | None = None


@dataclass(frozen=True)
class Change(Generic[R]):
    """What a request does to an object."""

    operation: Operation
    requester: Requester
    namespace: str
    old: R | None
    """The object before the change. None if it is created."""

    new: R | None
    """The object after the change. None if it is deleted."""

    old_body: Mapping[str, Any]
    new_body: Mapping[str, Any]
    dry_run: bool = False
    field_manager: str = ""
    """The field manager of the request. The default of `kubectl patch`, for example, is `kubectl-patch`."""

    @classmethod
    def of(cls, request: AdmissionRequest, resource: type[R]) -> Self:
        """Parse the change that a request asks for.

        Raises:
            ValueError: an object is missing, or the operation doesn't have one that was sent.
            pydantic.ValidationError: an object doesn't fit the schema.
        """
        wanted = (request.operation is not Operation.CREATE, request.operation is not Operation.DELETE)
        if wanted != (request.old_object is not None, request.object is not None):
            raise ValueError(f"the objects don't fit the operation {request.operation}")
        for body in filter(None, (request.object, request.old_object)):
            if _metadata(body).get("namespace", request.namespace) != request.namespace:
                raise ValueError("an object is in another namespace than the request")
        return cls(
            operation=request.operation,
            requester=request.user_info,
            namespace=request.namespace,
            old=_parse(resource, request.old_object),
            new=_parse(resource, request.object),
            old_body=request.old_object or {},
            new_body=request.object or {},
            dry_run=request.dry_run,
            field_manager=request.options.field_manager if request.options else "",
        )

    @property
    def subject(self) -> R:
        """The object as it will be, or as it was if it is deleted."""
        known = self.new or self.old
        if known is None:
            raise ValueError("a change has an object")
        return known

    @property
    def removes(self) -> bool:
        """Whether an object that exists is deleted, or handed to the garbage collector."""
        return self.old is not None and (self.new is None or self.given_to_collector)

    @property
    def gains_owner(self) -> bool:
        """Whether an ownerReference is added, so that the garbage collector may delete the object without a check."""
        before, after = _owners(self.old_body), _owners(self.new_body)
        return self.new is not None and any(owner not in before for owner in after)

    @property
    def given_to_collector(self) -> bool:
        """Whether an object that exists is handed to the garbage collector."""
        return self.old is not None and self.gains_owner

    @property
    def changes_spec(self) -> bool:
        """Whether the spec of an object changes that exists before and after."""
        both = self.old is not None and self.new is not None
        return both and self.old_body.get("spec") != self.new_body.get("spec")

    @property
    def changed_metadata(self) -> tuple[str, ...]:
        """The fields of `metadata` that change of an object that exists before and after, sorted by name.

        Every change also changes `managedFields`, so this field is named only if no other one changes.
        """
        if self.old is None or self.new is None:
            return ()
        before, after = _metadata(self.old_body), _metadata(self.new_body)
        fields = {field for field in {*before, *after} - _KEPT_BY_SERVER if before.get(field) != after.get(field)}
        return tuple(sorted(fields - {_MANAGED} or fields))

    @property
    def releases(self) -> bool:
        """Whether an object that is being deleted only loses finalizers or owner references, so that it can go."""
        if self.old is None or not self.old.metadata.deleting or self.changes_spec:
            return False
        before, after = _metadata(self.old_body), _metadata(self.new_body)
        return all(
            field in _RELEASABLE and all(one in (before.get(field) or ()) for one in after.get(field) or ())
            for field in self.changed_metadata
        )

    @property
    def only_removes(self) -> bool:
        """Whether an object is deleted, or handed to the garbage collector and not changed otherwise."""
        return self.removes and not self.changes_spec and set(self.changed_metadata) <= {"ownerReferences"}

    @property
    def only_metadata(self) -> bool:
        """Whether only metadata changes, in a way that neither removes nor releases the object."""
        return bool(self.changed_metadata) and not (self.removes or self.changes_spec or self.releases)

    @property
    def matters(self) -> bool:
        """Whether the change needs a right of the requester or is subject to a rule.

        A storage migration, which writes an object as it is, doesn't matter.
        """
        return self.removes or self.old is None or self.changes_spec or self.only_metadata

    def field(self, spec: str) -> str:
        """Return the path of the changed fields: `spec`, unless only metadata changes."""
        return ", ".join(f"metadata.{field}" for field in self.changed_metadata) if self.only_metadata else spec

    @property
    def acknowledgements(self) -> tuple[str | None, str | None]:
        """The acknowledgement annotation before and after the change."""
        before, after = (_metadata(body).get("annotations") or {} for body in (self.old_body, self.new_body))
        return before.get(ANNOTATION), after.get(ANNOTATION)


def _parse(resource: type[R], body: Mapping[str, Any] | None) -> R | None:
    if body is None:
        return None
    ReviewedMetadata.model_validate(_metadata(body))
    return resource.from_body({**body, "metadata": {**_UNSTORED, **_metadata(body)}})


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _owners(body: Mapping[str, Any]) -> list[object]:
    """Return the ownerReferences, with only those fields by which the garbage collector finds the owner."""
    references = _metadata(body).get("ownerReferences") or ()
    return [
        tuple(reference.get(field) for field in ("apiVersion", "kind", "name", "uid"))
        if isinstance(reference, Mapping)
        else reference
        for reference in references
    ]
