"""What an installation decides about keys: a default for organizations that say nothing, and a bound for all.

Every default, bound and own rule: tests/unit/domain/admission/test_decide_price.py; here the options of the processes.
"""

from collections.abc import Iterator

import pytest

from support.cluster.team import PATIENCE, Team, team
from support.objects import manifests
from support.programs.installation import Installation
from support.run.eventually import eventually

WARN, ACKNOWLEDGE, DENY = "Warn", "RequireAcknowledgement", "Deny"
DEFAULT, BOUND = "--when-keys-exist={}", "--limits=whenKeysExist={}"

TABLE = {
    (): {None: WARN, DENY: DENY},
    (DEFAULT.format(DENY), BOUND.format(ACKNOWLEDGE)): {None: DENY, WARN: ACKNOWLEDGE},
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


def test_the_stricter_of_bound_and_own_rule_holds_and_status_shows_it(
    installed: tuple[tuple[str, ...], Team],
) -> None:
    options, given = installed
    for own, in_force in TABLE[options].items():
        given.set_rules(whenKeysExist=own)
        check(given, in_force)


def check(given: Team, in_force: str) -> None:
    """Assert what holds, before a change is stored and in the status."""

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
