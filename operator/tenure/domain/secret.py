"""Builds the Secret that delivers a token, and reads the facts from a stored one."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.apikey import Stamp
from tenure.domain.resources.base import API_VERSION, GROUP
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.tokens import Token
from tenure.errors import MalformedTokenError

TYPE = f"{GROUP}/api-key"
DATA_KEY = "token"
STAMP_ANNOTATION = f"{GROUP}/issued-under"
"""Annotation with the tenure of the token inside. After a crash Tenure adopts a Secret only while that tenure lasts.
Otherwise a role change during the outage would revive a token of the old role."""

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
                f"{GROUP}/membership": api_key.spec.membership,
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
        "data": {DATA_KEY: base64.b64encode(token.reveal().encode()).decode()},
    }


def stamp_text(stamp: Stamp) -> str:
    """Return a stamp as one line of JSON. It omits the time of issue, so equal tenures give equal lines."""
    facts = stamp.model_dump(by_alias=True, mode="json", exclude={"at"}, exclude_none=True)
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
        )

    def is_owned_by(self, api_key: ApiKey) -> bool:
        """Return whether this ApiKey controls the Secret, proved by its uid."""
        return self.owner_uid == api_key.metadata.uid

    def holds_issued_token(self, api_key: ApiKey) -> bool:
        """Return whether the Secret and the token in it are those that the key's status names."""
        return (
            self.uid == api_key.status.secret_uid and self.token is not None and self.token.hash == api_key.status.hash
        )


def is_adoptable(facts: SecretFacts, api_key: ApiKey, stamp: Stamp) -> bool:
    """Return whether an existing Secret is the key's own, written just before a crash and under the same tenure."""
    return (
        facts.is_owned_by(api_key)
        and facts.token is not None
        and facts.stamp == stamp_text(stamp)
        and facts.uid != api_key.status.secret_uid
    )


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
    """Return a short digest of the labels and annotations that a key's template sets on its Secret."""
    return _digest(*_template(api_key, organization))


def _digest(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([labels, annotations], sort_keys=True).encode()).hexdigest()[:16]


NO_TEMPLATE = _digest({}, {})
"""The digest of a template that sets nothing, and of none."""


def _token(body: Mapping[str, Any]) -> Token | None:
    try:
        return Token(base64.b64decode(body["data"][DATA_KEY], validate=True).decode("ascii"))
    except (KeyError, TypeError, ValueError, binascii.Error, MalformedTokenError):
        return None


def _template(api_key: ApiKey, organization: Organization) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations that the organization lets the key set on its Secret."""
    template = api_key.spec.secret_template
    if template is None:
        return {}, {}

    def allowed(wanted: Mapping[str, str] | None) -> dict[str, str]:
        return {key: value for key, value in (wanted or {}).items() if may_carry(key, organization)}

    return allowed(template.labels), allowed(template.annotations)
