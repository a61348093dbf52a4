"""How many letters may be sent. The settings import it, so it imports no models."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many letters may be sent, at most."""

    installation_an_hour: int = 500
    organization_an_hour: int = 100
    address_a_day: int = 5
    """To one address, of all organizations and kinds."""

    resends_a_day: int = 3
    """Of an invitation, if people ask for it, or if a role change made the link invalid."""
