"""Builds the Secret that delivers a token, and reads the facts from a stored one."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.base import API_VERSION, FIELD_MANAGER, GROUP
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.resources.stamp import Stamp
from tenure.domain.tokens import Token
from tenure.domain.views import token_views
from tenure.errors import MalformedTokenError

TYPE = f"{GROUP}/api-key"
DATA_KEY = "token"
STAMP_ANNOTATION = f"{GROUP}/issued-under"
"""Annotation with the tenure of the token inside. After a crash Tenure adopts a Secret only while that tenure lasts.
Otherwise a role change during the outage would revive a token of the old role."""

FENCE_ANNOTATION = f"{GROUP}/announced"
"""Annotation with the public id of a token that is about to be announced in the place of another process' token.

It changes the Secret, so that a delivery by the other process, which read the Secret before, fails."""

_UNSTAMPED = {"at", "membership", "sequence", "request"}
"""The fields of a stamp that say nothing about the tenure."""

_MAX_PREFIX = 253
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LAST_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_ALLOWED = "Use at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit"

RESERVED_PREFIXES = (
    "app.kubernetes.io/",
    "argocd.argoproj.io/",
    "helm.toolkit.fluxcd.io/",
    "kubectl.kubernetes.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "tenure.dev/",
    "velero.io/",
)
"""Prefixes that Tenure never copies to a Secret, because the tools behind them would adopt, prune or back it up."""


def secret_body(
    api_key: ApiKey, token: Token, stamp: Stamp, subject_kind: SubjectKind, organization: Organization
) -> dict[str, Any]:
    """Return the Secret of a key as a body to create."""
    labels, annotations = _template(api_key, organization)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": TYPE,
        "metadata": {
            "name": api_key.name,
            "namespace": api_key.namespace,
            "labels": {
                **labels,
                "app.kubernetes.io/managed-by": "tenure",
                f"{GROUP}/membership": stamp.membership or api_key.spec.membership,
                f"{GROUP}/subject-kind": subject_kind.value,
                "velero.io/exclude-from-backup": "true",
            },
            "annotations": {**annotations, STAMP_ANNOTATION: stamp_text(stamp)},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": ApiKey.kind,
                    "name": api_key.name,
                    "uid": api_key.metadata.uid,
                    "controller": True,
                }
            ],
        },
        "data": dict.fromkeys(_data_keys(api_key), base64.b64encode(token.reveal().encode()).decode()),
    }


def stamp_text(stamp: Stamp) -> str:
    """Return a stamp as one line of JSON. It has only the tenure, so equal tenures give equal lines."""
    facts = stamp.model_dump(by_alias=True, mode="json", exclude=_UNSTAMPED, exclude_none=True)
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class SecretFacts:
    """The facts that Tenure needs of a Secret that it read under a key's name."""

    uid: str
    created: str
    """`metadata.creationTimestamp`, by the API server's clock."""

    owner_uid: str | None
    """uid of the ApiKey that controls it, or None."""

    token: Token | None
    """The token inside, or None if there is no well-formed one."""

    stamp: str | None
    """The tenure that the token was issued under, as `stamp_text` writes it."""

    version: str = ""
    """`metadata.resourceVersion`."""

    written: str | None = None
    """When Tenure last changed the Secret, by the API server's clock. None if the Secret doesn't tell."""

    labels: frozenset[str] = frozenset()
    """Names of its labels."""

    annotations: frozenset[str] = frozenset()
    """Names of its annotations."""

    copies: frozenset[str] = frozenset()
    """Names of the other data keys that hold the same token."""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read the facts from a Secret as the API server sent it."""
        metadata = body["metadata"]
        controllers = (
            reference["uid"]
            for reference in metadata.get("ownerReferences") or ()
            if reference.get("controller") and reference.get("apiVersion", "").startswith(f"{GROUP}/")
        )
        return cls(
            uid=metadata["uid"],
            created=metadata["creationTimestamp"],
            owner_uid=next(controllers, None),
            token=_token(body) if body.get("type") == TYPE else None,
            stamp=(metadata.get("annotations") or {}).get(STAMP_ANNOTATION),
            version=metadata["resourceVersion"],
            written=_written(metadata.get("managedFields") or ()),
            labels=frozenset(metadata.get("labels") or ()),
            annotations=frozenset(metadata.get("annotations") or ()),
            copies=_copies(body),
        )

    def written_at(self, now: datetime) -> datetime:
        """Return when Tenure last wrote the Secret. It isn't in the future, even if somebody edits the record of it."""
        times = [datetime.fromisoformat(text) for text in (self.created, self.written) if text]
        return min(max(times), now.replace(microsecond=0))

    def is_owned_by(self, api_key: ApiKey) -> bool:
        """Return whether this ApiKey controls the Secret, proved by its uid."""
        return self.owner_uid == api_key.metadata.uid

    def holds_issued_token(self, api_key: ApiKey) -> bool:
        """Return whether the Secret and the token in it are those that the key's status names."""
        return (
            self.uid == api_key.status.secret_uid and self.token is not None and self.token.hash == api_key.status.hash
        )


def secret_patch(body: Mapping[str, Any], facts: SecretFacts, organization: Organization) -> dict[str, Any]:
    """Return the merge patch that gives a Secret the token and the metadata of `body`, if it is still as it was read.

    It removes labels and annotations that the organization lets keys set and that the key doesn't set any more. It
    removes the former token under each name.
    """
    metadata = body["metadata"]

    def changed(field: str, present: Iterable[str]) -> dict[str, str | None]:
        dropped = {name: None for name in present if may_carry(name, organization)}
        return {**dropped, **metadata[field]}

    fence = {FENCE_ANNOTATION: None} if FENCE_ANNOTATION in facts.annotations else {}
    return {
        "metadata": {
            "uid": facts.uid,
            "resourceVersion": facts.version,
            "labels": changed("labels", facts.labels),
            "annotations": {**fence, **changed("annotations", facts.annotations)},
        },
        "data": {**dict.fromkeys(facts.copies), **body["data"]},
    }


def fence_patch(facts: SecretFacts, key_id: str) -> dict[str, Any]:
    """Return the merge patch that keeps other processes from writing into a Secret that they read before."""
    annotations = {FENCE_ANNOTATION: key_id}
    return {"metadata": {"uid": facts.uid, "resourceVersion": facts.version, "annotations": annotations}}


def is_adoptable(facts: SecretFacts, api_key: ApiKey, stamp: Stamp) -> bool:
    """Return whether an existing Secret is the key's own, written just before a crash and under the same tenure."""
    return (
        facts.is_owned_by(api_key)
        and facts.token is not None
        and facts.stamp == stamp_text(stamp)
        and (facts.uid != api_key.status.secret_uid or facts.token.hash not in _known_hashes(api_key))
    )


def _known_hashes(api_key: ApiKey) -> set[str | None]:
    return {view.status.hash for view in token_views(api_key)}


def may_carry(name: str, organization: Organization | None) -> bool:
    """Return whether the organization lets keys set a label or annotation of this name on their Secrets."""
    keys = organization.spec.keys if organization is not None else None
    prefixes = tuple((keys and keys.secret_metadata_prefixes) or ())
    return name.startswith(prefixes) and not name.startswith(RESERVED_PREFIXES)


def find_template_flaw(field: str, name: str, value: str) -> str | None:
    """Return why Kubernetes would reject a label or annotation of a Secret, or None if it wouldn't.

    `field` is `labels` or `annotations`.
    """
    prefix, slash, last = name.rpartition("/")
    if slash and not (len(prefix) <= _MAX_PREFIX and _PREFIX.fullmatch(prefix)):
        return f"{prefix!r} isn't a DNS name in lower case"
    if not _LAST_PART.fullmatch(last):
        return f"{last!r} isn't a name. {_ALLOWED}"
    if field == "labels" and value and not _LAST_PART.fullmatch(value):
        return f"the value {value!r} isn't a label's. {_ALLOWED}, or use an annotation"
    return None


def template_digest(api_key: ApiKey, organization: Organization) -> str:
    """Return a short digest of what a key's template sets on its Secret: labels, annotations and further data keys."""
    return _digest(*_template(api_key, organization), *(_data_keys(api_key) - {DATA_KEY}))


def _digest(*parts: Mapping[str, str] | str) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


NO_TEMPLATE = _digest({}, {})
"""The digest of a template that sets nothing, and of none."""


def _written(entries: Iterable[Mapping[str, Any]]) -> str | None:
    """Return when Tenure last changed the object, as its managedFields say."""
    own = (entry for entry in entries if entry.get("manager") == FIELD_MANAGER)
    return max((entry["time"] for entry in own if "time" in entry), default=None)


def _token(body: Mapping[str, Any]) -> Token | None:
    try:
        return Token(base64.b64decode(body["data"][DATA_KEY], validate=True).decode("ascii"))
    except (KeyError, TypeError, ValueError, binascii.Error, MalformedTokenError):
        return None


def _copies(body: Mapping[str, Any]) -> frozenset[str]:
    data = body.get("data")
    if not isinstance(data, Mapping) or DATA_KEY not in data:
        return frozenset()
    return frozenset(name for name, value in data.items() if value == data[DATA_KEY]) - {DATA_KEY}


def _data_keys(api_key: ApiKey) -> set[str]:
    """Return the names under which the Secret holds the token."""
    template = api_key.spec.secret_template
    further = template.token_key if template is not None else None
    return {DATA_KEY, further} if further is not None else {DATA_KEY}


def _template(api_key: ApiKey, organization: Organization) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations that the organization lets the key set on its Secret."""
    template = api_key.spec.secret_template
    if template is None:
        return {}, {}

    def allowed(wanted: Mapping[str, str] | None) -> dict[str, str]:
        return {key: value for key, value in (wanted or {}).items() if may_carry(key, organization)}

    return allowed(template.labels), allowed(template.annotations)
