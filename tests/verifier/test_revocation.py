"""From the answer to a role change to the first answer that is not valid: also while the operator is stopped."""

import time

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.soak import Figure, size

CHANGES = size(short=20, soak=200)


@pytest.mark.soak
@pytest.mark.parametrize("stopped", [False, True], ids=["operator running", "operator stopped"])
def test_a_role_change_is_seen_at_once(
    world: World, verifier: VerifierProcess, operator: OperatorProcess, figure: Figure, *, stopped: bool
) -> None:
    names = [f"member-{number:03}" for number in range(CHANGES)]
    world.create(organization(), *(member(name) for name in names), *(api_key(name, name) for name in names))
    tokens = world.issue(*names, within=120)
    eventually(
        lambda: all(verifier.code(token) == "Valid" for token in tokens.values()),
        within=60,
        every=1.0,
        describe="the verifier knows all keys",
    )
    if stopped:
        operator.stop()
    taken = []
    for name in names:
        world.change_role(name, "Viewer")
        began = time.monotonic()
        eventually(lambda: not verifier.verify(tokens[name])["valid"], every=0, describe=name)  # noqa: B023
        taken.append(time.monotonic() - began)
    taken.sort()
    p50, p99 = taken[CHANGES // 2], taken[CHANGES * 99 // 100 - 1]
    figure(f"{CHANGES} changes; first answer that is not valid: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    assert not stopped or not operator.running
