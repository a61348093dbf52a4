"""The parts that the three kinds share: metadata, conditions, and how a model becomes part of a CRD."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from tenure.domain import durations
from tenure.domain.resources.sharing import SHARED, shared_time

GROUP = "tenure.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "tenure"

FIELD_MANAGER = "tenure"
"""The field manager of Tenure's writes."""

RULES = "x-kubernetes-validations"

NAME_LENGTH = 63
"""Maximum length of a name, because names become label values."""

GITOPS_ANNOTATIONS = ("argocd.argoproj.io/tracking-id",)
GITOPS_LABELS = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")

_KUBECTL = frozenset(
    {
        "kubectl",
        "kubectl-annotate",
        "kubectl-client-side-apply",
        "kubectl-create",
        "kubectl-edit",
        "kubectl-label",
        "kubectl-last-applied",
        "kubectl-patch",
        "kubectl-replace",
        "kubectl-set",
        "kubectl-tenure",
        "tenure-console",
    }
)
"""The field managers of kubectl's and Tenure's commands, which people run. Programs have other names."""


def format_time(moment: datetime) -> str:
    """Return an instant in UTC as Kubernetes writes it, e.g. `2027-02-22T08:30:00Z`."""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


_ZONE = re.compile(r"(?P<local>.+)(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)")


def _in_utc(value: Any, parse: ValidatorFunctionWrapHandler) -> datetime:
    """Return the instant in UTC.

    The API server accepts more than Python: instants outside of its calendar, which become the calendar's first or last
    second, and zones that are a day away from UTC, for example +24:00.
    """
    moment: datetime
    try:
        moment, offset = parse(value), timedelta()
    except ValidationError:
        zone = _ZONE.fullmatch(value) if isinstance(value, str) else None
        if zone is None:
            raise
        moment, offset = parse(f"{zone['local']}Z"), timedelta(hours=int(zone["hours"]), minutes=int(zone["minutes"]))
        offset = -offset if zone["sign"] == "-" else offset
    try:
        return shared_time((moment - offset).astimezone(UTC))
    except OverflowError:
        return _LAST if moment.year == _LAST.year else _FIRST


DateTime = Annotated[
    AwareDatetime,
    WrapValidator(_in_utc),
    PlainSerializer(format_time, return_type=str, when_used="json-unless-none"),
]
"""An instant in UTC. It is written with whole seconds, as Kubernetes writes times."""


Day = date
"""A day in UTC, for example 2026-11-29."""


_NO_FIELDS: set[str] = set()
_FEW_FIELDS = 10


class Model(BaseModel):
    """A part of a resource. Its attribute docstrings become the CRD's descriptions."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    rules: ClassVar[Sequence["Rule"]] = ()
    """CEL rules that the API server checks on this part."""

    foreign: ClassVar[frozenset[str]] = frozenset()
    """Fields of a status that another program writes. The controller reads them and leaves them out of its writes."""

    def model_post_init(self, _: Any, /) -> None:
        """Drop what takes memory for nothing: a record of the fields that were set, and a table of their names.

        Python shares the table among the objects of a class if attributes are set one by one. Pydantic sets a whole
        dict. The shared table has room for 30 names, so it is larger than a small object's own.
        """
        object.__setattr__(self, "__pydantic_fields_set__", _NO_FIELDS)
        values = self.__dict__
        if len(values) > _FEW_FIELDS:
            object.__delattr__(self, "__dict__")
            for name, value in values.items():
                object.__setattr__(self, name, value)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema[RULES] = [rule.to_schema() for rule in cls.rules]
        return schema


@dataclass(frozen=True)
class Rule:
    """A CEL rule of the CRD, with a message that names the field and says what to do.

    No message contains "is immutable" or "immutable field". GitOps tools and `kubectl apply --force` react to these by
    deleting the object and creating it again, which would revoke all keys of the member.
    """

    expression: str
    message: str
    field: str | None = None
    """Path below this part, e.g. `.role`. The API server shows it beside the message."""

    reason: Literal["FieldValueInvalid", "FieldValueForbidden"] = "FieldValueInvalid"

    def to_schema(self) -> dict[str, JsonValue]:
        """Return the rule as an item of `x-kubernetes-validations`."""
        place: dict[str, JsonValue] = {"fieldPath": self.field} if self.field else {}
        return {"rule": self.expression, "message": self.message, "reason": self.reason, **place}


def list_map(*keys: str) -> dict[str, JsonValue]:
    """Return the schema extension of a list whose items are identified by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def shaped(pattern: str, meaning: str, *, max_length: int) -> Any:
    """Return a field for a text with a pattern.

    Models check the pattern itself, and the API server checks it in a CEL rule whose message is `meaning`. A `pattern`
    in the schema would put the regular expression into the message, which is hard to read.
    """
    rule = Rule(f"self.matches(r'{pattern}')", meaning)
    return Field(max_length=max_length, pattern=pattern, json_schema_extra={RULES: [rule.to_schema()]})


LIST_SET: dict[str, JsonValue] = {"x-kubernetes-list-type": "set"}
"""Schema extension of a list without repetition."""


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    wide: bool = False


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """A standard Kubernetes condition. Its types and reasons are API."""

    type: Annotated[str, SHARED] = Field(max_length=316)
    """Ready says whether the object is in effect. Stalled says that waiting won't change that."""

    status: ConditionStatus
    """True, False or Unknown."""

    reason: Annotated[str, SHARED] = Field(max_length=1024)
    """The reason in one word, for programs. The reference lists all reasons."""

    message: str = Field(max_length=32768)
    """The reason in a sentence, and what to do about it."""

    observed_generation: int | None = None
    """The metadata.generation that this condition describes."""

    last_transition_time: DateTime
    """When `status` last changed."""


Name = Annotated[
    str,
    shaped(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "must be an object's name of lower-case letters, digits, dashes and dots, for example alice",
        max_length=NAME_LENGTH,
    ),
    SHARED,
]
"""The name of an object in the same namespace."""


Duration = Annotated[str, shaped(durations.PATTERN, f"must be {durations.MEANING}", max_length=durations.MAX_LENGTH)]
"""A length of time in hours, minutes and seconds."""


class ObjectMeta(Model):
    """The part of `metadata` that decisions need."""

    name: str
    namespace: Annotated[str, SHARED]
    uid: str
    resource_version: str
    generation: int = 0
    creation_timestamp: DateTime
    deletion_timestamp: DateTime | None = None
    gitops_mark: str | None = None
    """The label or annotation by which a GitOps tool claims the object, or None. Such a tool recreates the object after
    a deletion."""

    handmade: bool = False
    """Whether people made and changed the object with kubectl, and no program did. A program may recreate it after a
    deletion, and its field manager is the only mark that every program leaves."""

    owned: bool = False
    """Whether the object has an ownerReference, so that the garbage collector can delete it without a check."""

    @property
    def deleting(self) -> bool:
        """Whether the object's deletion has started. A finalizer may keep the object for a while."""
        return self.deletion_timestamp is not None


def _condensed(metadata: Any) -> Any:
    """Reduce labels, annotations and ownerReferences to the facts that decisions need, to save memory."""
    if not isinstance(metadata, Mapping):
        return metadata
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    marks = [key for key in GITOPS_ANNOTATIONS if key in annotations]
    marks += [key for key in GITOPS_LABELS if key in labels]
    mark: dict[str, Any] = {"gitopsMark": marks[0]} if marks else {}
    if "managedFields" in metadata:
        mark["handmade"] = not marks and _is_handmade(metadata["managedFields"])
    return {**metadata, **mark, "owned": bool(metadata.get("ownerReferences"))}


def _is_handmade(entries: Any) -> bool:
    """Return whether all field managers of an object are kubectl's, apart from those of its status."""
    managers = {entry.get("manager") for entry in entries or () if not entry.get("subresource")}
    return bool(managers) and managers <= _KUBECTL


class Resource(Model):
    """An object of one of the three kinds. The class is the kind's address in the API: group, version and plural."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    short_name: ClassVar[str]
    description: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    selectable: ClassVar[Sequence[str]] = ()
    """JSON paths that `kubectl get --field-selector` understands."""

    metadata: Annotated[ObjectMeta, BeforeValidator(_condensed)]

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Parse an object as the API server sent it.

        Raises:
            pydantic.ValidationError: the object doesn't fit the schema.
        """
        return cls.model_validate(body)

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace, which is its organization's."""
        return self.metadata.namespace
