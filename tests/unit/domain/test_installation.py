"""What holds for all organizations: limits as they are written, and the stricter of these and an organization's own."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import organization
from tenure.domain.durations import parse_duration
from tenure.domain.installation import DEFAULTS, Installation, Limits
from tenure.domain.policy import WhenKeysExist

STRICTNESS = [WhenKeysExist.WARN, WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT, WhenKeysExist.DENY]

READ: dict[str, Limits] = {
    "": Limits(),
    " , ,": Limits(),
    "maxTTL=8760h": Limits(max_ttl="8760h"),
    "maxTTL=1h30m": Limits(max_ttl="1h30m"),
    "maxPerMember=1": Limits(max_per_member=1),
    "maxPerMember=1000": Limits(max_per_member=1000),
    "requireExpiry=true": Limits(require_expiry=True),
    "requireExpiry=false": Limits(),
    "whenKeysExist=Deny": Limits(WhenKeysExist.DENY),
    "maxTTL = 1h , maxPerMember= 5,requireExpiry =true, whenKeysExist=RequireAcknowledgement": Limits(
        WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT, 5, require_expiry=True, max_ttl="1h"
    ),
    "maxTTL=1h,maxTTL=2h": Limits(max_ttl="2h"),
}

REFUSED: dict[str, str] = {
    "maxttl=1h": "'maxttl' isn't a limit. Use maxTTL, maxOverlap, maxPerMember, requireExpiry, whenKeysExist, "
    "for example maxTTL=8760h",
    "max-ttl=1h": "'max-ttl' isn't a limit",
    "=1h": "'' isn't a limit",
    "maxTTL": "maxTTL: '' isn't allowed",
    "maxTTL=": "maxTTL: '' isn't allowed",
    "maxTTL=30d": "maxTTL: '30d' isn't allowed",
    "maxTTL=0s": "maxTTL: '0s' isn't allowed: it must be longer than zero",
    "maxTTL=-1h": "maxTTL: '-1h' isn't allowed",
    "maxTTL=1h=2h": "maxTTL: '1h=2h' isn't allowed",
    "maxPerMember=0": "maxPerMember: '0' isn't allowed: it must be a number from 1 to 1000",
    "maxPerMember=1001": "it must be a number from 1 to 1000",
    "maxPerMember=-1": "it must be a number from 1 to 1000",
    "maxPerMember=1.5": "it must be a number from 1 to 1000",
    "maxPerMember=many": "it must be a number from 1 to 1000",
    "maxPerMember=²": "it must be a number from 1 to 1000",
    "requireExpiry=yes": "requireExpiry: 'yes' isn't allowed: it must be true or false",
    "requireExpiry=True": "it must be true or false",
    "requireExpiry": "it must be true or false",
    "whenKeysExist=deny": "whenKeysExist: 'deny' isn't allowed: it must be one of Warn, RequireAcknowledgement, Deny",
    "whenKeysExist=": "it must be one of Warn, RequireAcknowledgement, Deny",
    "maxTTL=1h;maxPerMember=2": "maxTTL: '1h;maxPerMember=2' isn't allowed",
    "maxPerMember=2,nonsense": "'nonsense' isn't a limit",
}

DURATIONS = st.sampled_from([None, "1s", "1m", "60s", "1h", "24h", "1440m", "8760h"])
COUNTS = st.one_of(st.none(), st.integers(1, 1000))
FLAGS = st.sampled_from([None, False, True])
MODES = st.one_of(st.none(), st.sampled_from(STRICTNESS))


@pytest.mark.parametrize(("text", "limits"), READ.items(), ids=str)
def test_limits_are_read(text: str, limits: Limits) -> None:
    assert Limits.parse(text) == limits


@pytest.mark.parametrize(("text", "says"), REFUSED.items(), ids=str)
def test_limits_that_cant_be_understood_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Limits.parse(text)


def present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@given(
    own=st.tuples(MODES, COUNTS, FLAGS, DURATIONS),
    bound=st.tuples(MODES, COUNTS, FLAGS, DURATIONS),
    default=MODES,
    count_default=st.integers(1, 1000),
)
def test_the_stricter_holds(
    own: tuple[Any, Any, Any, Any],
    bound: tuple[Any, Any, Any, Any],
    default: WhenKeysExist | None,
    count_default: int,
) -> None:
    mode, count, flag, ttl = own
    acme = organization(
        keys=present(maxPerMember=count, requireExpiry=flag, maxTTL=ttl), role_changes=present(whenKeysExist=mode)
    )
    limits = Limits(bound[0] or WhenKeysExist.WARN, bound[1], require_expiry=bool(bound[2]), max_ttl=bound[3])
    installation = Installation(
        when_keys_exist=default or WhenKeysExist.WARN, limits=limits, max_per_member=count_default
    )

    policy = installation.policy(acme)

    modes = [mode or installation.when_keys_exist, limits.when_keys_exist]
    assert STRICTNESS.index(policy.when_keys_exist) == max(map(STRICTNESS.index, modes))
    assert policy.max_per_member == min(one for one in (count or count_default, bound[1]) if one is not None)
    assert policy.require_expiry is (bool(flag) or bool(bound[2]))
    lengths = [parse_duration(one) for one in (ttl, bound[3]) if one is not None]
    assert (policy.max_ttl is None) is (not lengths)
    assert policy.max_ttl is None or parse_duration(policy.max_ttl) == min(lengths)


def test_without_limits_an_organization_has_its_own_rules() -> None:
    assert DEFAULTS.policy(organization()).model_dump(exclude_none=True) == {
        "when_keys_exist": WhenKeysExist.WARN,
        "on_role_change": "Auto",
        "max_per_member": 100,
        "require_expiry": False,
        "default_overlap": "1h",
        "max_overlap": "168h",
    }


def test_an_organization_may_loosen_the_default_and_not_the_limit() -> None:
    warns = organization(role_changes={"whenKeysExist": "Warn"})
    assert Installation(when_keys_exist=WhenKeysExist.DENY).policy(warns).when_keys_exist is WhenKeysExist.WARN
    limited = Installation(limits=Limits(WhenKeysExist.DENY))
    assert limited.policy(warns).when_keys_exist is WhenKeysExist.DENY


def test_a_person_is_known_by_the_prefix() -> None:
    assert Installation().username("alice@acme.io") == "alice@acme.io"
    assert Installation("oidc:").username("alice@acme.io") == "oidc:alice@acme.io"
