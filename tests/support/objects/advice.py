"""Follow the advice of `tenure impact` literally: what it says becomes the next commits."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from support.objects.manifests import marked, member
from support.objects.pull_requests import Body, Tree
from tenure.domain.admission.acknowledgement import ANNOTATION

Document = Mapping[str, Any]
Commits = list[Tree]
Refused = tuple[str, str]
"""The kind and the name of an object that is refused."""


def follow(before: Tree, after: Tree, document: Document, *, renames: bool = False) -> Commits:
    """Follow the first advice about a commit that doesn't pass, and return what is committed instead.

    Of two pieces of advice the one about a new name is followed where that is what somebody wants.

    Raises:
        AssertionError: something is refused without advice that can be followed.
    """
    for change in document["changes"]:
        if change["missingAcknowledgement"] is not None and not change["refusals"]:
            return [acknowledged(after, change["membership"], change["missingAcknowledgement"])]
    for kind, name, text in refusals(document):
        for pattern, heed in (RENAMING if renames else ADVICE).items():
            if found := re.search(pattern, text):
                return heed(before, after, (kind, name), found)
        raise AssertionError(f"{kind} {name}: no advice that can be followed: {text}")
    for gone in document["removedOrganizations"]:
        if gone["stranded"]:
            members = {("Membership", one) for one in gone["stranded"]}
            return [{file: body for file, body in after.items() if named(body) not in members}]
    raise AssertionError(f"nothing is said of what doesn't pass: {document}")


def refusals(document: Document) -> list[tuple[str, str, str]]:
    """All that is refused: the kind and the name of the object, and why."""
    groups = (
        ("Membership", "membership", "changes"),
        ("Organization", "organization", "removedOrganizations"),
        ("Organization", "organization", "changedOrganizations"),
        ("ApiKey", "apiKey", "changedKeys"),
    )
    return [
        (kind, one[field], text) for kind, field, group in groups for one in document[group] for text in one["refusals"]
    ]


def named(body: Body) -> Refused:
    return body["kind"], body.get("metadata", {}).get("name", "")


def find(tree: Tree, kind: str, name: str) -> Body:
    return next(body for body in tree.values() if named(body) == (kind, name))


def edited(tree: Tree, kind: str, name: str, edit: Callable[[Body], Body]) -> Tree:
    return {file: edit(body) if named(body) == (kind, name) else body for file, body in tree.items()}


def acknowledged(tree: Tree, name: str, text: str) -> Tree:
    """The tree where a Membership has the acknowledging annotation."""
    return edited(tree, "Membership", name, lambda body: marked(body, annotations={ANNOTATION: text}))


def with_fields(tree: Tree, kind: str, name: str, **fields: Any) -> Tree:
    """The tree where an object has other fields in its spec."""
    return edited(tree, kind, name, lambda body: {**body, "spec": {**body["spec"], **fields}})


def without(tree: Tree, *objects: Refused) -> Tree:
    return {file: body for file, body in tree.items() if named(body) not in objects}


def _two_commits(before: Tree, after: Tree, _: Refused, found: re.Match[str]) -> Commits:
    keys = [("ApiKey", key) for key in (found["keys"] or "").split(", ")]
    return [without(before, ("Membership", found["member"]), *keys), after]


def _rename(before: Tree, after: Tree, _: Refused, found: re.Match[str]) -> Commits:
    old = found["member"]
    keys = [named(body) for body in before.values() if body["spec"].get("membership") == old]
    gone = [("Membership", old), *keys]
    return [without(before, *gone), without(after, *gone)]


def _allowed_role(_: Tree, after: Tree, refused: Refused, found: re.Match[str]) -> Commits:
    return [with_fields(after, *refused, role=found["role"])]


def _allowed_domain(_: Tree, after: Tree, refused: Refused, found: re.Match[str]) -> Commits:
    return [with_fields(after, *refused, subject={"kind": "User", "name": f"sam@{found['domain']}"})]


def _another_owner(before: Tree, after: Tree, _: Refused, __: re.Match[str]) -> Commits:
    successor = {"members/0.yaml": member("successor", "Owner")}
    return [{**before, **successor}, {**after, **successor}]


def _role_of_that_one(_: Tree, after: Tree, refused: Refused, found: re.Match[str]) -> Commits:
    role = find(after, *refused)["spec"]["role"]
    return [with_fields(without(after, refused), "Membership", found["member"], role=role)]


def _approve_first(before: Tree, after: Tree, _: Refused, found: re.Match[str]) -> Commits:
    first = before
    for key in found["keys"].split(", "):
        first = with_fields(first, "ApiKey", key, forRole=found["role"])
        after = with_fields(after, "ApiKey", key, forRole=found["role"])
    return [first, after]


def _patch_first(before: Tree, after: Tree, _: Refused, found: re.Match[str]) -> Commits:
    return [with_fields(before, "Organization", found["name"], **json.loads(found["patch"])["spec"]), after]


def _create_another(before: Tree, after: Tree, refused: Refused, _: re.Match[str]) -> Commits:
    kind, name = refused
    another = find(after, *refused)
    another = {**another, "metadata": {"name": f"{name}-2"}}
    return [{**edited(after, kind, name, lambda _: find(before, kind, name)), "another.yaml": another}]


def _delete_and_create(before: Tree, after: Tree, refused: Refused, _: re.Match[str]) -> Commits:
    return [without(before, refused), after]


def _raise(before: Tree, after: Tree, refused: Refused, _: re.Match[str]) -> Commits:
    return [with_fields(after, *refused, revision=find(before, *refused)["spec"]["revision"] + 1)]


def _shorter(_: Tree, after: Tree, refused: Refused, __: re.Match[str]) -> Commits:
    return [with_fields(after, *refused, ttl="1h")]


def _fewer(before: Tree, after: Tree, _: Refused, found: re.Match[str]) -> Commits:
    keys = (body for body in before.values() if body["kind"] == "ApiKey")
    return [without(after, next(named(body) for body in keys if body["spec"]["membership"] == found["member"]))]


def _no_template(_: Tree, after: Tree, refused: Refused, __: re.Match[str]) -> Commits:
    fields = find(after, *refused)["spec"]
    spec = {name: value for name, value in fields.items() if name != "secretTemplate"}
    return [edited(after, *refused, lambda body: {**body, "spec": spec})]


def _namespace(_: Tree, after: Tree, refused: Refused, __: re.Match[str]) -> Commits:
    return [edited(after, *refused, lambda body: {**body, "metadata": {**body["metadata"], "namespace": "another"}})]


def _fewer_labels(_: Tree, after: Tree, refused: Refused, __: re.Match[str]) -> Commits:
    return [edited(after, *refused, lambda body: {**body, "metadata": {"name": body["metadata"]["name"]}})]


ADVICE: Mapping[str, Callable[[Tree, Tree, Refused, re.Match[str]], Commits]] = {
    r"Make two commits: first remove (?P<member>[\w.-]*\w)(, and its keys \((?P<keys>[^)]*)\))?\. Once": _two_commits,
    r"\(spec\.roleChanges\.deny\)\. It allows (?P<role>\w+)": _allowed_role,
    r"It allows (?P<domain>\S+) \(spec\.allowedEmailDomains\)": _allowed_domain,
    r"First make another member an Owner, in a commit of its own": _another_owner,
    r"is already a member.*, with Membership (?P<member>[\w.-]*\w)\. Change the role of that": _role_of_that_one,
    r"would revoke (?P<keys>[^.]*)\. First delete .* or set their spec\.forRole to (?P<role>\w+)": _approve_first,
    r"First run: kubectl patch organizations\.tenure\.dev (?P<name>\S+) .* -p '(?P<patch>[^']*)'": _patch_first,
    r"Delete the Membership and create another one": _delete_and_create,
    r"[Cc]reate another (Membership|ApiKey)": _create_another,
    r"can only be raised": _raise,
    r"Set spec\.expiresAt, or spec\.ttl in a new ApiKey": _shorter,
    r"create an ApiKey with a shorter spec\.ttl": _shorter,
    r"(?P<member>\S+) already has \d+ keys?, .* Delete one of them": _fewer,
    r"Remove the other labels and annotations": _no_template,
    r"it can have only one\. Use another namespace": _namespace,
    r"at most \d+ are allowed\. Remove some": _fewer_labels,
}
"""How each advice is followed, by a pattern of its text."""

RENAMING: Mapping[str, Callable[[Tree, Tree, Refused, re.Match[str]], Commits]] = {
    r"To rename it, first delete Membership (?P<member>\S+) and its ApiKeys, and create": _rename,
    **ADVICE,
}
"""The same for somebody who wants another name for a Membership."""
