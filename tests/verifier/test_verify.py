"""What a token is worth: every code on real objects, and every capability of every role."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from support.api.raw_http import head, spoken, status
from support.cluster.verified import known, known_key, known_narrow, wait_code
from support.cluster.world import World
from support.objects.manifests import api_key, held, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from tenure.domain.roles import CAPABILITIES, Access, Capability, Level, Role
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure.domain.verification import Code

Act = Callable[[World], object]

ENDINGS: dict[Code, Act] = {
    Code.VALID: lambda _: None,
    Code.ROLE_CHANGED: lambda world: world.change_role("alice", "Viewer"),
    Code.ROLE_MISMATCH: lambda world: world.change_key("laptop", forRole="Viewer", revision=2),
    Code.EXPIRED: lambda world: world.change_key("laptop", expiresAt="2026-01-01T00:00:00Z"),
    Code.SUSPENDED: lambda world: world.change_key("laptop", suspended=True),
    Code.MEMBERSHIP_GONE: lambda world: world.api.delete("memberships", "alice"),
    Code.ORGANIZATION_GONE: lambda world: world.api.delete("organizations", "acme"),
    Code.NOT_FOUND: lambda world: world.api.delete("apikeys", "laptop"),
}


@pytest.mark.parametrize("code", ENDINGS, ids=lambda code: f"B-70 {code.value}")
def test_each_code_is_reached(world: World, verifier: VerifierProcess, code: Code) -> None:
    token = known_key(world, verifier)
    ENDINGS[code](world)
    eventually(lambda: verifier.code(token) == code, within=30, describe=f"the answer is {code}")
    assert verifier.verify(token)["valid"] is (code is Code.VALID)


def test_a_token_that_is_replaced_is_dead_and_the_new_one_works(world: World, verifier: VerifierProcess) -> None:
    old = known_key(world, verifier)
    world.change_key("laptop", revision=2)
    new = world.wait_new_token("laptop", old, within=30)
    eventually(lambda: verifier.code(new) == "Valid", within=30, describe="the new token works")
    assert verifier.verify(old)["valid"] is False


def test_b_70_a_key_that_is_being_deleted_does_not_work(world: World, verifier: VerifierProcess) -> None:
    world.create(organization(), member("alice"), held(api_key("laptop", "alice")))
    token = known(world, verifier, "laptop")
    world.api.delete("apikeys", "laptop")
    eventually(lambda: verifier.code(token) == "NotFound", within=30, describe="the key is going")
    world.api.patch("apikeys", "laptop", {"metadata": {"finalizers": None}})


def test_a_namesake_organization_of_another_namespace_opens_nothing_here(
    world: World, verifier: VerifierProcess
) -> None:
    token, own = known_key(world, verifier), world.api.namespace
    assert verifier.authorize(token, namespace=own, organization="acme").status_code == 200
    answer = verifier.authorize(token, namespace="acme", organization="acme")
    assert (answer.status_code, answer.headers["X-Tenure-Missing"]) == (403, "namespace")
    assert verifier.verify(token, namespace="acme") == {"valid": False, "code": "Forbidden"}
    assert verifier.verify(token, namespace=own) == {"valid": True, "code": "Valid"}


def test_what_is_no_token_and_what_nobody_issued(verifier: VerifierProcess) -> None:
    assert verifier.verify("hello") == {"valid": False}
    assert verifier.verify(Token.mint(bytes(range(ENTROPY_BYTES)))) == {"valid": False}


def test_a_token_that_is_to_be_replaced_is_dead_before_the_new_one_is_there(
    world: World, verifier: VerifierProcess, operator: OperatorProcess
) -> None:
    token = known_key(world, verifier)
    operator.stop()
    world.change_key("laptop", revision=2)
    wait_code(verifier, token, "Pending")
    assert verifier.authorize(token).status_code == 401


def test_what_is_malformed_is_counted_as_such(verifier: VerifierProcess) -> None:
    verifier.verify("tnr_")
    assert 'tenure_verify_total{code="Malformed"}' in verifier.ask("metrics")[1]


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("access", Access, ids=lambda access: access.value)
def test_every_capability_is_as_the_table_says(
    world: World, verifier: VerifierProcess, role: Role, access: Access
) -> None:
    world.create(
        organization(),
        member("alice", role.value),
        api_key("laptop", "alice", access=access.value),
    )
    token = known(world, verifier, "laptop")
    for capability in Capability:
        most = min(CAPABILITIES[role][capability], Level.VIEW if access is Access.VIEW else Level.FULL)
        for level in (Level.VIEW, Level.FULL):
            opens = most >= level
            answer = verifier.verify(token, capability=capability.value, level=level.label)
            assert answer["valid"] is opens, (capability, level)
            assert answer["code"] == ("Valid" if opens else "Forbidden")
            authorized = verifier.authorize(token, capability=capability.value, level=level.label)
            assert authorized.status_code == (200 if opens else 403)
            if not opens:
                assert authorized.headers["x-tenure-missing"] == f"{capability.value}={level.label}"


def test_a_service_accounts_key_follows_its_live_role(world: World, verifier: VerifierProcess) -> None:
    world.create(organization(), service_account("ci"), api_key("pipeline", "ci"))
    token = known(world, verifier, "pipeline")

    def full() -> str:
        return verifier.code(token, capability="clusters", level="Full")

    eventually(lambda: full() == "Valid", within=30, describe="a Member's rights")
    world.change_role("ci", "Viewer")
    eventually(lambda: full() == "Forbidden", within=30, describe="a Viewer's rights")
    assert verifier.code(token, capability="clusters", level="View") == "Valid"


def test_b_70_another_organization_is_not_opened(world: World, verifier: VerifierProcess) -> None:
    token = known_key(world, verifier)
    assert verifier.code(token, organization="acme") == "Valid"
    assert verifier.code(token, organization="globex") == "Forbidden"
    questions: list[dict[str, str]] = [{}, {"capability": "costs"}, {"capability": "members", "level": "Full"}]
    for asked in questions:
        answer = verifier.authorize(token, None, organization="globex", **asked)
        assert (answer.status_code, answer.headers["x-tenure-missing"]) == (403, "organization")


def test_a_proxy_learns_who_it_is(world: World, verifier: VerifierProcess) -> None:
    token = known_key(world, verifier)
    answer = verifier.authorize(None, {"X-Api-Key": token.reveal()}, capability="costs")
    shown = {name: value for name, value in answer.headers.items() if name.startswith("x-tenure-")}
    assert shown == {
        "x-tenure-key-id": token.key_id,
        "x-tenure-namespace": world.api.namespace,
        "x-tenure-organization": "acme",
        "x-tenure-member": "alice",
        "x-tenure-subject": "alice@acme.io",
        "x-tenure-role": "Member",
        "x-tenure-access": "Full",
        "x-tenure-capabilities": "clusters=Full,billing=View,costs=Full",
    }


def test_a_narrowed_key_opens_its_capabilities_alone_and_so_do_its_next_tokens(
    world: World, verifier: VerifierProcess
) -> None:
    narrow = api_key("laptop", "alice", capabilities=["members", "costs"], description="the costs' report")
    world.create(organization(), member("alice"), narrow)
    token = known_narrow(world, verifier, "laptop")
    for change in ({"revision": 2}, {"rotation": {"request": 1}}):
        world.change_key("laptop", **change)
        token = world.wait_new_token("laptop", token, within=30)
        wait_code(verifier, token, "Forbidden")
    for capability in Capability:
        status = 200 if capability is Capability.COSTS else 403
        assert verifier.authorize(token, capability=capability.value).status_code == status
    for asked in ({}, {"level": "Full"}, {"organization": "acme", "namespace": world.api.namespace}):
        answer = verifier.authorize(token, None, **asked)
        assert (answer.status_code, answer.headers["x-tenure-missing"]) == (403, "capability")
        assert verifier.verify(token, **asked) == {"valid": False, "code": "Forbidden"}
    answer = verifier.authorize(token, capability="costs")
    assert (answer.headers["x-tenure-capabilities"], answer.headers.get("x-tenure-role")) == ("costs=Full", None)

    listed = eventually(lambda: world.member("alice")["status"]["keys"], within=30, describe="the key is listed")[0]
    assert (listed["capabilities"], listed["description"]) == (["costs", "members"], "the costs' report")
    wide = world.api.plane.kubectl("get", "apikey", "laptop", f"--namespace={world.api.namespace}", "--output=wide")
    assert '["members","costs"]' in wide.stdout
    assert "the costs' report" in wide.stdout


def test_a_key_opens_in_each_place_where_programs_can_put_it(world: World, verifier: VerifierProcess) -> None:
    token, namespace = known_key(world, verifier), world.api.namespace
    text = token.reveal()
    password = b64encode(f"git:{text}".encode()).decode()
    other = "Authorization: Basic " + b64encode(b"jane:another password").decode()
    path, asked = "/v1/authorize", "capability=clusters&level=Full"
    in_path = f"{path}/{namespace}/clusters/Full"
    heads = [
        head("GET", f"{path}?{asked}", f"Authorization: Basic {password}"),
        head("GET", f"{path}?{asked}", f"X-Api-Key:  \t{text} \t", other),
        head("GET", f"{path}?{asked}", f"Authorization: \t Bearer   {text}\t "),
        head("GET", in_path, f"X-Api-Key: {text}"),
        head("PROPFIND", f"{in_path}/things/%2e%2e/5?token=tnr_1&capability=members&x", f"X-Api-Key: {text}"),
        head("OPTIONS", f"{in_path}/v1/authorize/other/members/Full", f"X-Api-Key: {text}"),
    ]
    for said in heads:
        answer = spoken(verifier.port, said)
        assert (status(answer), b"x-tenure-member: alice" in answer) == (200, True), answer
    assert status(spoken(verifier.port, head("GET", f"{path}/{namespace}/members/View/", f"X-Api-Key: {text}"))) == 403


def test_a_request_without_a_key_learns_how_to_send_one(verifier: VerifierProcess) -> None:
    for headers in ({}, {"X-Api-Key": "hello"}):
        answer = verifier.authorize(None, headers)
        challenges = answer.raw.headers.getlist("WWW-Authenticate")
        assert [challenge.split()[0] for challenge in challenges] == ["Basic", "Bearer"]


def test_a_token_review_names_nobody_of_kubernetes_own(world: World, verifier: VerifierProcess) -> None:
    token = known_key(world, verifier)
    status = verifier.review({"token": token.reveal()}).json()["status"]
    namespace = world.api.namespace
    assert status["authenticated"] is True
    asked = verifier.review({"token": token.reveal(), "audiences": ["vault"]}).json()["status"]
    assert "audiences" not in asked, "a token must not become valid for an audience that somebody names"
    assert status["user"]["username"] == f"tenure:{namespace}:alice"
    assert status["user"]["groups"] == [f"tenure:{namespace}", f"tenure:{namespace}:Member"]
    world.change_role("alice", "Viewer")
    dead = {"authenticated": False}
    eventually(lambda: verifier.review({"token": token.reveal()}).json()["status"] == dead, within=30, describe="401")
