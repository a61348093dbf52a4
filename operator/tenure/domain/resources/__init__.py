"""The three kinds as models: the single source of the CRD schemas and of every name in the API."""

from tenure.domain.resources.apikey import ApiKey
from tenure.domain.resources.base import Resource
from tenure.domain.resources.membership import Membership
from tenure.domain.resources.organization import Organization

KINDS: tuple[type[Resource], ...] = (Organization, Membership, ApiKey)

__all__ = ["KINDS", "ApiKey", "Membership", "Organization", "Resource"]
