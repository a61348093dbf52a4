"""An organization's rules for members, and the rules for organizations, as whoever makes a change meets them."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from support.cluster.people import ADMINISTRATOR, OUTSIDER, Person
from support.objects import manifests
from support.objects.builders import api_key, edited, issued, membership, organization
from support.objects.evidence import judged
from support.objects.large_metadata import LARGE_METADATA, MANY_LABELS, MEBIBYTE_OF_LABELS
from tenure.domain.admission.verdict import Judgement
from tenure.domain.installation import Installation
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.roles import Role

Body = manifests.Body

ANY, NONE = "*", "None"
TRANSITIONS = list(product([ANY, NONE, *Role], [ANY, *Role]))
STEPS = [(old, new) for old in [None, *Role] for new in Role if old is not new]


def is_denied(rule: tuple[str, str], old: Role | None, new: Role) -> bool:
    """What the rule says, in the words of the design: `*` is any role, and a new member has none."""
    before, after = rule
    starts = before == NONE if old is None else before in {ANY, old}
    return starts and after in {ANY, new}


def denying(*rules: tuple[str, str]) -> Organization:
    return organization(role_changes={"deny": [{"from": before, "to": after} for before, after in rules]})


def limited(*domains: str, **rules: Any) -> Organization:
    acme = organization(**rules)
    return acme.model_copy(update={"spec": acme.spec.model_copy(update={"allowed_email_domains": list(domains)})})


def step(acme: Organization, old: Role | None, new: Role) -> Judgement:
    """What a step from role to role is answered."""
    before = None if old is None else manifests.member("dana", old)
    return judged(Membership, old=before, new=manifests.member("dana", new), organization=acme)


@pytest.mark.parametrize("rule", TRANSITIONS, ids=lambda rule: f"from {rule[0]} to {rule[1]}")
def test_a_rule_denies_the_steps_that_it_names_and_no_other(rule: tuple[str, str]) -> None:
    acme = denying(rule)
    for old, new in STEPS:
        taken = f"a new member with the role {new}" if old is None else f"{old} -> {new}"
        instead = [other for other in Role if other is not old and not is_denied(rule, old, other)]
        denied = f"spec.role: Organization acme denies {taken} (spec.roleChanges.deny)"
        words = f"{denied}. It allows {', '.join(instead) or 'no other role'}."
        assert step(acme, old, new).message == (words if is_denied(rule, old, new) else "")


@pytest.mark.parametrize("old", [None, *(role for role in Role if role is not Role.OWNER)], ids=str)
@pytest.mark.parametrize(
    ("owners", "passes"),
    [
        ([], True),
        ([membership("olga", role="Owner")], False),
        ([membership("dana", role="Owner")], True),
        ([membership("olga", role="Owner", organization="other")], True),
        ([membership("olga", role="Owner", deleting=True)], False),
    ],
    ids=["nobody", "another one", "the same member", "of another organization", "one who is going"],
)
def test_no_rule_denies_an_organization_its_first_owner(
    old: Role | None,
    owners: list[Membership],
    passes: bool,  # noqa: FBT001
) -> None:
    before = None if old is None else manifests.member("dana", old)
    acme = denying((ANY, ANY), (NONE, ANY))
    after = manifests.member("dana", "Owner")
    assert judged(Membership, old=before, new=after, organization=acme, owners=owners).allowed is passes
    for other in ({"grants": ()}, {"username": "dana@acme.io"}):
        assert not judged(Membership, old=before, new=after, organization=acme, owners=owners, **other).allowed
    assert (
        not judged(
            Membership, old=before, new=manifests.member("dana", "Analyst"), organization=acme, owners=owners
        ).allowed
        or old is Role.ANALYST
    )


def test_several_rules_hold_together() -> None:
    acme = denying((ANY, "Owner"), (NONE, "Owner"), (NONE, "Member"), ("Viewer", "Member"))
    assert step(acme, None, Role.OWNER).message == (
        "spec.role: Organization acme denies a new member with the role Owner (spec.roleChanges.deny). "
        "It allows Analyst, Viewer."
    )
    assert step(acme, Role.VIEWER, Role.MEMBER).message == (
        "spec.role: Organization acme denies Viewer -> Member (spec.roleChanges.deny). It allows Analyst."
    )
    assert step(acme, Role.ANALYST, Role.MEMBER).allowed


def test_a_service_accounts_steps_are_denied_too() -> None:
    acme, ci = denying(("Member", "Viewer"), (NONE, "Analyst")), manifests.service_account
    said = judged(Membership, old=ci("ci"), new=ci("ci", "Viewer"), organization=acme)
    assert said.message.startswith("spec.role: Organization acme denies Member -> Viewer ")
    said = judged(Membership, new=ci("bot", "Analyst"), organization=acme)
    assert said.message.startswith("spec.role: Organization acme denies a new member with the role Analyst ")


def test_no_rule_denies_a_removal_or_a_change_of_nothing() -> None:
    acme, viewer = denying((ANY, ANY), (NONE, ANY)), manifests.member("vic", "Viewer")
    assert judged(Membership, old=viewer, organization=acme).allowed
    assert judged(Membership, old=viewer, new=manifests.marked(viewer, labels={"a": "b"}), organization=acme).allowed


def person(name: str, address: str, role: str = "Member", organization: str = "acme") -> Body:
    body = manifests.member(name, role, organization=organization)
    return {**body, "spec": {**body["spec"], "subject": {"kind": "User", "name": address}}}


DOMAINS = {
    "the domain": ("alice@acme.io", True),
    "the other domain": ("alice@acme.example", True),
    "another domain": ("alice@elsewhere.example", False),
    "a domain below": ("alice@mail.acme.io", False),
    "a domain that ends like it": ("alice@notacme.io", False),
    "a domain that begins like it": ("alice@acme.io.example", False),
    "the domain as a name": ("acme.io@elsewhere.example", False),
}


@pytest.mark.parametrize(("address", "passes"), DOMAINS.values(), ids=DOMAINS)
def test_new_members_belong_to_the_allowed_domains(address: str, passes: bool) -> None:  # noqa: FBT001
    said = judged(Membership, new=person("alice", address), organization=limited("acme.io", "acme.example"))
    assert said.message == (
        ""
        if passes
        else f"spec.subject.name: Organization acme doesn't allow the domain of {address}. It allows "
        "acme.io, acme.example (spec.allowedEmailDomains)."
    )


def test_domains_dont_concern_service_accounts_and_members_who_were_there() -> None:
    acme, alice = limited("acme.io"), person("alice", "alice@elsewhere.example")
    assert judged(Membership, new=manifests.service_account("ci"), organization=acme).allowed
    demoted = person("alice", "alice@elsewhere.example", "Viewer")
    assert judged(Membership, old=alice, new=demoted, organization=acme).allowed
    assert judged(Membership, old=alice, organization=acme).allowed


TWINS = {
    "a person": (person("alice-2", "alice@acme.io", "Viewer"), membership("alice"), "alice@acme.io"),
    "a person, in another organization": (
        person("alice-3", "alice@acme.io", organization="other"),
        membership("alice"),
        "alice@acme.io",
    ),
    "a service account": (
        {**manifests.service_account("ci"), "metadata": {"name": "ci-2"}},
        membership("ci", kind="ServiceAccount"),
        "ci",
    ),
}


@pytest.mark.parametrize(("body", "there", "subject"), TWINS.values(), ids=TWINS)
def test_nobody_is_a_member_twice(body: Body, there: Membership, subject: str) -> None:
    assert judged(Membership, new=body, namesakes=[there]).message == (
        f"spec.subject: {subject} is already a member, with Membership {there.name}. Change the role of that "
        f"Membership instead. To rename it, first delete Membership {there.name} and its ApiKeys, and create "
        f"{body['metadata']['name']} once they are gone."
    )


def test_nobody_is_a_member_twice_in_another_case() -> None:
    body = person("jane", "Jane.Doe@acme.io")
    assert judged(Membership, new=body, namesakes=[membership("alice", subject="jane.doe@acme.io")]).message == (
        "spec.subject: Jane.Doe@acme.io is already a member as jane.doe@acme.io, with Membership alice. Change the "
        "role of that Membership instead. To rename it, first delete Membership alice and its ApiKeys, and create jane "
        "once they are gone."
    )


@pytest.mark.parametrize(
    ("name", "warned"),
    [("alice@acme.io", False), ("oidc:alice@acme.io", True), ("OIDC:alice@acme.io", True), ("oidcalice", False)],
)
def test_a_name_that_the_provider_cant_send_is_warned_about(name: str, warned: bool) -> None:  # noqa: FBT001
    said = judged(Membership, new=person("alice", name), installation=Installation(username_prefix="oidc:"))
    assert said.allowed
    warning = (
        f"spec.subject.name: {name} begins with the installation's usernamePrefix oidc:, so Kubernetes would have to "
        f"know this member as oidc:{name}. Leave the prefix out: alice@acme.io"
    )
    assert said.warnings == ((warning,) if warned else ())
    assert judged(Membership, new=person("alice", name)).warnings == ()


LEFT = "metadata.name: {} Membership alice already: {}"
THEN = (
    "Delete those that aren't for alice@acme.io. Tenure issues those that waited for no Membership before, and the "
    "others once their spec.revision is raised."
)


@pytest.mark.parametrize(
    ("left", "warned"),
    [
        ([], []),
        (["ci-deploy"], [LEFT.format("1 ApiKey names", "ci-deploy")]),
        (["b", "a"], [LEFT.format("2 ApiKeys name", "a, b")]),
        (
            [f"{'x' * 61}-{number}" for number in range(9)],
            [
                LEFT.format("9 ApiKeys name", "").rstrip(),
                *(f"- {'x' * 61}-{number}" for number in range(8)),
                "- and 1 more",
            ],
        ),
    ],
)
def test_whoever_makes_a_member_is_told_which_keys_name_it_already(left: list[str], warned: list[str]) -> None:
    """Seen: the keys of a leaving Viewer were issued to an Owner, whose Membership got the same name."""
    facts: dict[str, Any] = {"keys": [*map(api_key, left), api_key("going", deleting=True)]}
    said = judged(Membership, new=manifests.member("alice"), **facts)
    assert said.allowed
    assert list(said.warnings) == ([*warned, THEN] if warned else [])
    assert judged(Membership, new=manifests.member("alice"), grants=(), **facts).warnings == ()
    assert judged(Membership, old=manifests.member("alice"), new=manifests.member("alice")).warnings == ()


def test_whoever_makes_the_member_of_a_waiting_hand_over_is_told_that_the_keys_are_expected() -> None:
    bob = membership("bob")
    waits = edited(issued(api_key("deploy", membership="bob"), bob, organization()), membership="alice")
    said = judged(Membership, new=manifests.member("alice"), keys=[waits, api_key("left")])
    follows = (
        "Each gets a new token with the rights of alice@acme.io. To prevent this, set its spec.membership back before "
        "you create this Membership."
    )
    assert list(said.warnings) == [
        "metadata.name: 1 ApiKey is handed over to Membership alice, and waiting for it: deploy",
        follows,
        LEFT.format("1 ApiKey names", "left"),
        THEN,
    ]


NAMESAKES = {
    "one that is going": membership("alice", deleting=True),
    "a service account": membership("alice", kind="ServiceAccount", subject="alice@acme.io"),
    "itself": membership("alice-2", subject="alice@acme.io"),
}


@pytest.mark.parametrize("there", NAMESAKES.values(), ids=NAMESAKES)
def test_a_namesake_that_is_nobody_else_doesnt_count(there: Membership) -> None:
    assert judged(Membership, new=person("alice-2", "alice@acme.io"), namesakes=[there]).allowed


def test_without_an_organization_members_may_be_made_changed_and_removed() -> None:
    alice, owner = manifests.member("alice"), manifests.member("olga", "Owner")
    assert judged(Membership, new=alice, organization=None).allowed
    assert judged(Membership, old=owner, new=manifests.member("olga"), organization=None, owners=[]).allowed
    assert judged(Membership, old=owner, organization=None, owners=[]).allowed


def test_the_grants_of_an_organization_that_isnt_there_are_needed() -> None:
    body = manifests.member("otto", "Viewer", organization="other")
    said = judged(Membership, new=body, organization=None, grants=())
    assert "lacks grant-viewer on organizations.tenure.dev/other" in said.message


def test_all_that_is_wrong_with_a_member_is_said_at_once() -> None:
    body = manifests.marked(person("alice-2", "alice@acme.io", "Owner"), labels={f"l{n}": "x" for n in range(65)})
    acme = limited("elsewhere.example", role_changes={"deny": [{"from": "None", "to": "Owner"}]})
    said = judged(Membership, new=body, organization=acme, namesakes=[membership("alice")])
    fields = [refusal.partition(": ")[0] for refusal in said.refusals]
    assert fields == ["metadata.labels", "spec.role", "spec.subject.name", "spec.subject"]


PLACES = {
    "B-47 default": ("default", False),
    "B-47 kube-system": ("kube-system", False),
    "B-47 kube-public": ("kube-public", False),
    "B-47 kube-anything": ("kube-anything", False),
    "B-47 kubernetes": ("kubernetes", True),
    "B-47 default-2": ("default-2", True),
    "Tenure's own": ("tenure-system", False),
    "as Tenure's own": ("tenure-system-2", True),
}


@pytest.mark.parametrize(("namespace", "passes"), PLACES.values(), ids=PLACES)
def test_an_organization_has_a_namespace_of_its_own(namespace: str, passes: bool) -> None:  # noqa: FBT001
    acme, asked = manifests.organization(), {"namespace": namespace}
    said = judged(Organization, new=acme, request=asked, system_namespace="tenure-system")
    assert said.allowed is passes
    if not passes:
        assert said.message.startswith("metadata.namespace: an Organization can't be in ")
        assert "Use a namespace of its own (kubectl create namespace acme)." in said.message


@pytest.mark.parametrize(
    ("name", "advised"),
    [("acme.io", "acme-io"), (f"{'a' * 62}.b", "a" * 62), ("0.a.b", "0-a-b")],
    ids=["dots", "long", "digit"],
)
def test_the_advised_namespace_can_be_created(name: str, advised: str) -> None:
    said = judged(Organization, new=manifests.organization(name), request={"namespace": "default"})
    assert f"(kubectl create namespace {advised})." in said.message


def test_a_namespace_holds_one_organization() -> None:
    acme, second = manifests.organization(), manifests.organization("second")
    assert judged(Organization, new=second, present=[organization()]).message == (
        "metadata.namespace: namespace acme already has Organization acme, and it can have only one. Use another "
        "namespace."
    )
    assert judged(Organization, new=second, present=[organization(deleting=True), organization("second")]).allowed
    named = manifests.organization(displayName="Acme Inc.")
    assert judged(Organization, old=acme, new=named, present=[organization(), organization("second")]).allowed


def test_a_protected_organization_stays_until_the_protection_is_taken_away() -> None:
    protected, free = (manifests.organization(deletionProtection=given) for given in (True, False))
    owner = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "4711"}]}
    owned = {**free, "metadata": {**free["metadata"], **owner}}
    words = (
        "spec.deletionProtection: Organization acme is protected against deletion. First run: kubectl patch "
        'organizations.tenure.dev acme -n acme --type merge -p \'{"spec":{"deletionProtection":false}}\''
    )
    assert judged(Organization, old=protected).message == words
    assert judged(Organization, old=protected, new=owned).message == words
    assert judged(Organization, old=protected, new=free).allowed
    assert judged(Organization, old=free).allowed
    assert judged(Organization, old=free, new=owned).allowed
    message = judged(Organization, old=free, new=owned, may_delete=False).message
    assert "metadata.ownerReferences: root@elsewhere.example lacks delete on organizations.tenure.dev/acme" in message


@pytest.mark.parametrize(("keys", "said"), [(0, None), (1, "1 API key"), (3, "3 API keys")])
def test_deleting_an_organization_warns_of_its_working_keys(keys: int, said: str | None) -> None:
    status = {"keys": {"valid": keys, "suspended": 0, "waiting": 0, "ended": 0}}
    answer = judged(Organization, old={**manifests.organization(), "status": status})
    words = f"Deleting Organization acme revokes {said}. Programs that use them stop working immediately."
    assert (answer.allowed, answer.warnings) == (True, (words,) if said else ())


@pytest.mark.parametrize(
    ("suspended", "warned"),
    [(["olga", "otto"], True), (["olga"], False), (["mia"], False), (["olga", "otto", "mia"], True)],
)
def test_suspending_all_owners_passes_with_a_warning(suspended: list[str], warned: bool) -> None:  # noqa: FBT001
    new = manifests.organization(suspendedMembers=[{"name": name} for name in suspended])
    owners = [membership(name, role="Owner", deleting=name == "oscar") for name in ("olga", "otto", "oscar")]
    answer = judged(Organization, old=manifests.organization(), new=new, owners=owners, not_members=[])
    words = "spec.suspendedMembers: every Owner of Organization acme is suspended now: olga, otto"
    assert (answer.allowed, answer.warnings) == (True, (words,) if warned else ())


def test_a_lifted_suspension_and_a_name_that_is_no_member_are_warned_about() -> None:
    acme, suspended = (manifests.organization(suspendedMembers=names) for names in (None, [{"name": "alicia"}]))
    (lifted,) = judged(Organization, old=suspended, new=acme).warnings
    assert "the suspension of alicia is lifted" in lifted
    (unknown,) = judged(Organization, old=acme, new=suspended, not_members=["alicia"]).warnings
    assert "there is no Membership alicia" in unknown


OBJECTS: Mapping[type[Resource], Body] = {
    Organization: manifests.organization(deletionProtection=True),
    Membership: manifests.member("alice"),
    ApiKey: manifests.api_key("laptop", "alice"),
}


LARGE: Mapping[str, tuple[Body, str]] = {
    **LARGE_METADATA,
    "1 MiB of labels": ({"labels": MEBIBYTE_OF_LABELS}, MANY_LABELS),
}


@pytest.mark.parametrize(("metadata", "says"), LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("who", [OUTSIDER, ADMINISTRATOR], ids=str)
@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.kind)
def test_b_39_large_metadata_is_refused_whoever_brings_it_in(
    kind: type[Resource], who: Person, metadata: Body, says: str
) -> None:
    body = OBJECTS[kind]
    large = {**body, "metadata": {**body["metadata"], **metadata}}
    assert says in judged(kind, old=body, new=large, username=who.user).message
    assert says in judged(kind, new=large, username=who.user).message
    assert judged(kind, old=large, new=large, username=who.user).allowed
    assert says not in judged(kind, old=large, username=who.user).message


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.kind)
def test_b_39_as_much_as_is_allowed_passes(kind: type[Resource]) -> None:
    body = OBJECTS[kind]
    metadata = {
        "labels": {f"example.com/l{n}": "x" for n in range(64)},
        "annotations": {"example.com/a": "x" * (8 * 1024 - len("example.com/a"))},
    }
    assert judged(kind, old=body, new={**body, "metadata": {**body["metadata"], **metadata}}).allowed
