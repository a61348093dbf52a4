"""Tells whether a key's Secret has the labels, annotations and `tokenKey` that `secretTemplate` asks for now.

Tenure sets them when it writes a token into the Secret, and doesn't change a Secret otherwise. So a change waits for
the next token.
"""

from tenure.domain.conditions import renew_condition
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import Condition
from tenure.domain.secret import NO_TEMPLATE, template_digest


def template_conditions(status: ApiKeyStatus, observation: ApiKeyObservation) -> list[Condition]:
    """Return the condition about the template of a key with a token. There is none if neither has a template.

    There is also none for a token of an older version of Tenure, which didn't record its template.
    """
    key, organization = observation.api_key, observation.organization
    issued = status.issued.template_digest if status.issued is not None else None
    if issued is None or organization is None:
        return []
    asked = template_digest(key, organization)
    if asked == issued == NO_TEMPLATE:
        return []
    if asked == issued:
        reason = Reason.APPLIED
        message = f"Secret {key.name} has the labels, annotations and tokenKey of spec.secretTemplate."
    else:
        reason = Reason.AWAITING_NEXT_TOKEN
        message = (
            f"Secret {key.name} still has the labels, annotations and tokenKey from when its token was issued. "
            "What spec.secretTemplate and the organization's keys.secretMetadataPrefixes ask for now applies to the "
            f"next token. To have it now, set spec.rotation.request to {_next_request(key)}. The present token stays "
            "valid for a while."
        )
    condition = renew_condition(
        status.conditions,
        ConditionType.SECRET_TEMPLATE_APPLIED,
        holds=asked == issued,
        reason=reason,
        message=message,
        generation=key.metadata.generation,
        now=observation.now,
    )
    return [condition]


def _next_request(key: ApiKey) -> int:
    served = key.status.issued.request if key.status.issued is not None else None
    return max(served or 0, key.rotation.request or 0) + 1
