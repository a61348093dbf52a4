"""The impact as JSON for programs. Its fields are API: new ones may come, and none is renamed or removed."""

import json
from typing import Any

from tenure.domain.impact.compare import Comparison
from tenure.domain.impact.keys import HandOver, KeyChange
from tenure.domain.impact.members import Impact
from tenure.domain.impact.organizations import OrganizationChange, OrganizationRemoval
from tenure.domain.impact.tokens import LostToken
from tenure.domain.resources import ApiKey

Fields = dict[str, Any]


def as_json(comparison: Comparison) -> str:
    """Render the comparison as one JSON object for programs."""
    document = {
        "passes": comparison.passes,
        "changes": list(map(_member, comparison.members)),
        "removedOrganizations": list(map(_removal, comparison.removals)),
        "changedOrganizations": list(map(_organization, comparison.organizations)),
        "changedKeys": list(map(_key, comparison.keys)),
        "lostTokens": list(map(_token, comparison.tokens)),
        "describedKeys": list(map(_described, comparison.described.values())),
    }
    # A CI system may read a command anywhere in a line.
    return json.dumps(document, indent=2).replace("##", "#\\u0023") + "\n"


def _member(impact: Impact) -> Fields:
    return {
        "namespace": impact.member.namespace,
        "membership": impact.member.name,
        "subject": impact.subject,
        "from": impact.old_role,
        "to": impact.new_role,
        "file": impact.file,
        "whenKeysExist": impact.when_keys_exist,
        "ends": impact.revoked,
        "goesOn": impact.reissued,
        "stays": impact.kept,
        "keyIds": impact.key_ids,
        "uses": impact.uses,
        "leftBehind": impact.left_behind,
        "remark": " ".join(impact.remarks) or None,
        "missingAcknowledgement": impact.acknowledgement,
        "acknowledgementFlaw": impact.flaw or None,
        "refusals": impact.refusals,
        "passes": impact.passes,
        "isRefused": impact.is_refused,
    }


def _removal(gone: OrganizationRemoval) -> Fields:
    return {
        "namespace": gone.organization.namespace,
        "organization": gone.organization.name,
        "file": gone.file,
        "ends": gone.revoked,
        "stranded": gone.stranded,
        "refusals": gone.refusals,
        "passes": gone.passes,
    }


def _organization(change: OrganizationChange) -> Fields:
    return {
        "namespace": change.organization.namespace,
        "organization": change.organization.name,
        **_change(change),
    }


def _key(change: KeyChange) -> Fields:
    return {
        "namespace": change.key.namespace,
        "apiKey": change.key.name,
        "membership": change.member,
        "handsOver": None if change.hand_over is None else _hand_over(change.hand_over),
        **_change(change),
    }


def _hand_over(change: HandOver) -> Fields:
    return {
        "from": change.former,
        "to": change.member,
        "formerTokenValidFor": change.valid_for or None,
        "formerToken": change.outlook or None,
    }


def _change(change: OrganizationChange | KeyChange) -> Fields:
    return {
        "change": change.change,
        "fields": change.fields,
        "file": change.file,
        "remarks": change.remarks,
        "refusals": change.refusals,
        "passes": change.passes,
    }


def _described(key: ApiKey) -> Fields:
    return {
        "namespace": key.namespace,
        "apiKey": key.name,
        "description": key.spec.description,
        "capabilities": key.spec.capabilities,
    }


def _token(token: LostToken) -> Fields:
    return {
        "namespace": token.key.namespace,
        "apiKey": token.key.name,
        "membership": token.member,
        "keyId": token.key_id or None,
        "use": token.use or None,
        "fate": token.fate,
        "reason": token.verdict,
    }
