"""Who may read the record of use: whoever may get organizations/usage, with a token for nothing else."""

import requests

from support.api.client import fresh_namespace
from support.cluster.verified import known_key, let_read, service_token
from support.cluster.world import World
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure_dev.controlplane import ControlPlane


def ask(verifier: VerifierProcess, bearer: str, **query: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return requests.get(f"{verifier.url}/v1/usage", params=query, headers=headers, timeout=NEVER)


def test_the_record_needs_the_right_and_a_token_for_its_audience(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token, namespace = known_key(world, verifier), world.api.namespace
    reader, everywhere = (
        service_token(control_plane, namespace, "tenure-usage"),
        service_token(control_plane, namespace),
    )
    for bearer in ("", "made-up", token.reveal(), reader):
        assert ask(verifier, bearer, namespace=namespace).status_code == 403
    let_read(control_plane, namespace)
    eventually(
        lambda: ask(verifier, reader, namespace=namespace).status_code == 200, within=30, describe="the record is told"
    )
    record = ask(verifier, reader, namespace=namespace).json()
    assert set(record) == {"recordedSince", "cursor", "keys"}
    assert set(record["keys"]) == {token.key_id}
    assert set(ask(verifier, reader, namespace=namespace, since=record["cursor"]).json()["keys"]) <= {token.key_id}
    assert ask(verifier, everywhere, namespace=namespace).status_code == 403, "a token for the API server"
    assert ask(verifier, reader).status_code == 403, "all namespaces"
    with fresh_namespace(control_plane) as other:
        assert ask(verifier, reader, namespace=other.namespace).status_code == 403
    assert ask(verifier, reader, namespace=namespace, since="x").status_code == 400
