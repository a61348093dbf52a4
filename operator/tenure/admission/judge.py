"""The one way in: a request, its kind's rules, a judgement."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tenure.admission.apikeys import judge_api_key
from tenure.admission.context import Context
from tenure.admission.memberships import judge_membership
from tenure.admission.organizations import judge_organization
from tenure.domain.admission.bounds import metadata_refusals
from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.request import AdmissionRequest, Change
from tenure.domain.admission.reverts import reverted_warning
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import GROUP, VERSION

_JUDGES: Mapping[type[Resource], Callable[[Context, Change[Any]], Awaitable[Judgement]]] = {
    Organization: judge_organization,
    Membership: judge_membership,
    ApiKey: judge_api_key,
}


async def judge(context: Context, resource: type[Resource], request: AdmissionRequest) -> Judgement:
    """Judge a request that reached the path of a kind.

    Raises:
        ValueError: the request doesn't belong there, or its objects don't fit together.
        ApiError: the API server couldn't be asked what the judgement rests on.
    """
    asked = request.resource
    if (asked.group, asked.version, asked.resource) != (GROUP, VERSION, resource.plural) or request.sub_resource:
        raise ValueError(
            f"{asked.resource}.{asked.version}.{asked.group}/{request.sub_resource} isn't judged on this path"
        )
    change: Change[Any] = Change.of(request, resource)
    judgement = Judgement().refuse(*metadata_refusals(change)).warn(reverted_warning(change))
    return judgement.join(await _JUDGES[resource](context, change)) if change.matters else judgement
