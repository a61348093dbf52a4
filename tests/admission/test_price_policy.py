"""What an installation decides about keys: a default for organizations that say nothing, and a bound for all."""

from collections.abc import Iterator

import pytest

from support import manifests
from support.eventually import eventually
from support.installation import Installation
from support.team import PATIENCE, Team, team

WARN, ACKNOWLEDGE, DENY = "Warn", "RequireAcknowledgement", "Deny"
DEFAULT, BOUND = "--when-keys-exist={}", "--limits=whenKeysExist={}"

TABLE = {
    (): {None: WARN, WARN: WARN, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (DEFAULT.format(ACKNOWLEDGE),): {None: ACKNOWLEDGE, WARN: WARN, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (DEFAULT.format(DENY),): {None: DENY, WARN: WARN, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (BOUND.format(ACKNOWLEDGE),): {None: ACKNOWLEDGE, WARN: ACKNOWLEDGE, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (BOUND.format(DENY),): {None: DENY, WARN: DENY, ACKNOWLEDGE: DENY, DENY: DENY},
    (DEFAULT.format(DENY), BOUND.format(ACKNOWLEDGE)): {
        None: DENY,
        WARN: ACKNOWLEDGE,
        ACKNOWLEDGE: ACKNOWLEDGE,
        DENY: DENY,
    },
}
"""By the options of an installation: what holds where an organization says this, or nothing."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give a control plane whose operator and webhooks can be started with any options."""
    with Installation.start(tmp_path_factory.mktemp("installation")) as given:
        yield given


@pytest.fixture(scope="module", params=TABLE, ids=lambda options: " ".join(options) or "no options")
def installed(installation: Installation, request: pytest.FixtureRequest) -> Iterator[tuple[tuple[str, ...], Team]]:
    """Give a team under an installation with certain options, and these."""
    bodies = [manifests.member("olga", "Owner"), manifests.member("alice"), manifests.api_key("laptop", "alice")]
    with installation.serving(*request.param), team(installation.plane, bodies) as given:
        yield request.param, given


@pytest.mark.parametrize("own", [None, WARN, ACKNOWLEDGE, DENY], ids=lambda own: f"organization says {own}")
def test_the_stricter_of_bound_and_own_rule_holds_and_status_shows_it(
    installed: tuple[tuple[str, ...], Team], own: str | None
) -> None:
    options, given = installed
    in_force = TABLE[options][own]
    given.set_rules(whenKeysExist=own)

    plain = given.change_role("alice", "Viewer", None, "--dry-run=server")
    approved = given.change_role("alice", "Viewer", "Viewer: laptop", "--dry-run=server")
    assert (plain.passed, approved.passed) == (in_force == WARN, in_force != DENY)
    assert ("acknowledge-key-deletion" in plain.refusal) == (in_force == ACKNOWLEDGE)
    assert ("whenKeysExist: Deny" in plain.refusal) == (in_force == DENY)
    assert given.remove("alice", "--dry-run=server").passed

    def shown() -> str | None:
        acme = given.world.api.get("organizations", "acme")
        seen = acme and acme["status"].get("observedGeneration") == acme["metadata"]["generation"]
        return acme["status"]["policy"]["whenKeysExist"] if acme and seen else None

    eventually(lambda: shown() == in_force, within=PATIENCE, describe=f"status shows {in_force}")
