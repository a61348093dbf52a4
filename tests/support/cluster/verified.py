"""Keys that a verifier knows, and Kubernetes identities that may learn all about them."""

from contextlib import closing

from support.api.client import Client
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization, role, role_binding
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from tenure.domain import tokens
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev.controlplane import ControlPlane


def known_key(world: World, verifier: VerifierProcess, held: str = "Member", **spec: str) -> Token:
    """Have the key laptop issued for alice of acme, who holds a role, and wait until the verifier knows it."""
    world.create(organization(), member("alice", held), api_key("laptop", "alice", **spec))
    return known(world, verifier, "laptop")


def known(world: World, verifier: VerifierProcess, name: str) -> Token:
    """Wait until a key is issued and the verifier knows it."""
    token = world.issue(name, within=30)[name]
    wait_code(verifier, token, "Valid")
    return token


def known_narrow(world: World, verifier: VerifierProcess, name: str) -> Token:
    """Wait until a key that is limited to some capabilities is issued and the verifier knows it."""
    token = world.issue(name, within=30)[name]
    wait_code(verifier, token, "Forbidden")  # Without a capability in the question it isn't accepted.
    return token


def wait_code(verifier: VerifierProcess, token: Token, code: str, *, within: float = 30.0) -> None:
    """Wait until the token's own bearer is told a code."""
    eventually(lambda: verifier.code(token) == code, within=within, describe=f"the answer is {code}")


def service_token(plane: ControlPlane, namespace: str, *audiences: str) -> str:
    """A token of the namespace's default Kubernetes ServiceAccount."""
    with closing(Client(plane, namespace)) as client:
        # It is made a moment after its namespace.
        return eventually(lambda: client.service_token("default", *audiences), describe="a token")


def let_verify(plane: ControlPlane, namespace: str) -> None:
    """Let the namespace's default ServiceAccount learn all about its keys."""
    verifies = {"apiGroups": ["tenure.dev"], "resources": ["organizations/verify"], "verbs": ["create"]}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    binding = role_binding("verifies")
    reference = {**binding["roleRef"], "kind": "Role", "name": "verifies"}
    with closing(Client(plane, namespace)) as client:
        client.create("roles", {**role("verifies"), "rules": [verifies]})
        client.create("rolebindings", {**binding, "roleRef": reference, "subjects": [subject]})


def let_read(plane: ControlPlane, namespace: str) -> None:
    """Let the namespace's default ServiceAccount read when its keys were used."""
    reads = {"apiGroups": ["tenure.dev"], "resources": ["organizations/usage"], "verbs": ["get"]}
    binding = role_binding("reads-usage")
    reference = {**binding["roleRef"], "kind": "Role", "name": "reads-usage"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    with closing(Client(plane, namespace)) as client:
        client.create("roles", {**role("reads-usage"), "rules": [reads]})
        client.create("rolebindings", {**binding, "roleRef": reference, "subjects": [subject]})


def authorized(plane: ControlPlane, namespace: str) -> str:
    """A token whose bearer may learn all about the namespace's keys."""
    let_verify(plane, namespace)
    return service_token(plane, namespace)


def forged(token: Token) -> Token:
    """A token of the same public id with another secret: whoever knows an id can make one, the checksum is public."""
    other = Token.mint(bytes(ENTROPY_BYTES)).reveal()
    text = f"tnr_{token.key_id}_{other[17:49]}"
    return Token(text + tokens._checksum(text))  # noqa: SLF001 - what a forger reads in the code
