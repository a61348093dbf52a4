"""What `tenure impact` reads as kubectl does, and what it refuses because it can't tell what a cluster gets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.objects.manifests import api_key, member, organization
from support.objects.trees import Said, fill, impact
from tenure.domain.resources.base import API_VERSION

BASE = [organization(), member("olga", "Owner"), member("alice"), api_key("laptop", "alice")]
BASE = [{**body, "metadata": {**body["metadata"], "namespace": "acme"}} for body in BASE]
TEXT = yaml.safe_dump_all(BASE)
OTHERS = TEXT.replace("name: ", "name: x")
DEMOTED = TEXT.replace("role: Member", "role: Viewer")
SEEN = 'tenure.dev/acknowledge-key-deletion: "Viewer: laptop"'
RENDER = "Render it first, with kustomize build or helm template"


def judge(tmp_path: Path, base: dict[str, str | bytes], head: dict[str, str | bytes], *options: str) -> Said:
    """What the command says of two folders of files."""
    return impact(fill(tmp_path / "base", base), fill(tmp_path / "head", head), *options)


def lists(text: str) -> str:
    """The manifests as typed lists, as `kubectl get` without `-o` of one kind gives them."""
    bodies = list(yaml.safe_load_all(text))
    documents = []
    for kind in ("Organization", "Membership", "ApiKey"):
        items = [body for body in bodies if body["kind"] == kind]
        documents.append({"apiVersion": API_VERSION, "kind": f"{kind}List", "items": items})
    return yaml.safe_dump_all(documents)


def bare(text: str) -> str:
    """Typed lists whose items don't say their kind, as kubectl accepts them."""
    documents = list(yaml.safe_load_all(lists(text)))
    for document in documents:
        document["items"] = [{part: one[part] for part in ("metadata", "spec")} for one in document["items"]]
    return yaml.safe_dump_all(documents)


VERSION = f"apiVersion: {API_VERSION}"


def mixed(text: str) -> str:
    """A list of no known kind, which kubectl takes apart too."""
    return yaml.safe_dump({"kind": "ConfigMap", "items": list(yaml.safe_load_all(text))})


def anchored(text: str) -> str:
    """The role by an anchor that is on something else."""
    role = "Viewer" if "Viewer" in text else "Member"
    text = text.replace(f"role: {role}", "role: *role")
    return text.replace("  name: alice\n", f"  name: alice\n  labels: {{role: &role {role}}}\n")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lists, id="typed lists"),
        pytest.param(bare, id="typed lists whose items have no kind"),
        pytest.param(mixed, id="items"),
        pytest.param(lambda text: text.replace(VERSION, r'apiVersion: "tenure\x2edev/v1alpha1"'), id=r"\x"),
        pytest.param(lambda text: text.replace(VERSION, r'apiVersion: "\u0074enure\u002edev/v1alpha1"'), id=r"\u"),
        pytest.param(lambda text: text.replace(VERSION, '"apiVersion": "tenure.de\\\n  v/v1alpha1"'), id="folded"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(anchored, id="an anchor"),
    ],
)
def test_the_change_is_seen_however_it_is_written(tmp_path: Path, write: Any) -> None:
    for base, head in ((TEXT, write(DEMOTED)), (write(TEXT), DEMOTED), (write(TEXT), write(DEMOTED))):
        said = judge(tmp_path, {"all.yaml": base}, {"all.yaml": head})
        assert (said.code, SEEN in said.text) == (2, True), said.text


HELM = """\
apiVersion: {{ .Values.group }}/v1alpha1
kind: Membership
metadata: {name: alice}
"""
INSIDE = yaml.safe_dump({"kind": "HelmRelease", "spec": {"values": {"all": BASE}}})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({"t.yaml": HELM}, f"t.yaml: the file is a template. {RENDER}", id="template"),
        pytest.param(
            {"t.yaml": "apiVersion: ${GROUP}/v1alpha1\nkind: Membership\n"}, "this has variables", id="variable"
        ),
        pytest.param(
            {"chart/Chart.yaml": "name: org"},
            f"Chart.yaml: this is a program that makes manifests. {RENDER}",
            id="chart",
        ),
        pytest.param({"a.jsonnet": "{}"}, "a.jsonnet: this is a program", id="jsonnet"),
        pytest.param({"h.yaml": INSIDE}, "is inside of HelmRelease", id="inside of another"),
        pytest.param(
            {"l.yaml": yaml.safe_dump(BASE)}, "a manifest can't be a list without a kind", id="a list at the top"
        ),
        pytest.param({"u.yaml": DEMOTED.encode("utf-16")}, "u.yaml: the file isn't UTF-8", id="UTF-16"),
        pytest.param(
            {"u.yaml": DEMOTED.encode("utf-16-be")}, "u.yaml: the file has NUL characters", id="UTF-16 unmarked"
        ),
        pytest.param({"u.yaml": "é".encode("latin-1")}, "u.yaml: the file isn't UTF-8", id="Latin 1"),
        pytest.param(
            {"b.yaml": "apiVersion: !!binary dGVudXJlLmRldi92MWFscGhhMQ==\nkind: Membership\n"},
            "must be plain text",
            id="binary",
        ),
        pytest.param({"b.yaml": f"apiVersion: !x {API_VERSION}\nkind: Membership\n"}, "must be plain text", id="tag"),
        pytest.param(
            {"p.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"},
            "the file is in Git LFS",
            id="LFS",
        ),
        pytest.param(
            {"k.yaml": f"apiVersion: {API_VERSION}\nkind: membership\n"}, "has no kind membership", id="unknown kind"
        ),
        pytest.param(
            {"k.yaml": "apiVersion: tenure.dev/v1beta1\nkind: Membership\n"},
            "Use tenure.dev/v1alpha1",
            id="unknown version",
        ),
        pytest.param({"k.yaml": f"--- {{apiVersion: {API_VERSION}, kind: ApiKey}}\n"}, "", id="after the dashes"),
        pytest.param({"k.yaml": f"a: 1\n...\n---\n{OTHERS}"}, "k.yaml: line 2: kubectl and YAML", id="dots"),
        pytest.param({"k.yaml": f"%YAML 1.1\n---\n{OTHERS}"}, "k.yaml: line 1: kubectl", id="directive"),
        pytest.param({"k.yaml": "kind: [tenure.dev\n"}, "k.yaml: invalid YAML", id="no YAML"),
        pytest.param({"k.yaml": "a: &a [tenure.dev, *a]"}, None, id="a value inside of itself that is nobody's"),
        pytest.param(
            {"k.yaml": "kind: List\nitems: &a\n- kind: List\n  items: *a\n# \\"},
            "can't be inside of another list",
            id="a list of itself",
        ),
        pytest.param({"m.yaml": "- !vault secret\n- !Ref x"}, None, id="tags in somebody else's file"),
        pytest.param(
            {"m.yaml": "checks: [{apiVersion: tenure.dev/v1alpha1, kind: ApiKey, name: x}]"}, None, id="a mention"
        ),
    ],
)
def test_what_it_does_not_recognize_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], words: str | None
) -> None:
    said = judge(tmp_path, {"all.yaml": TEXT}, {"all.yaml": TEXT, **files})
    assert said.code == (0 if words is None else 1), said.text
    assert (words or "") in said.text


BOMB = "&x0 [x, x], " + ", ".join(f"&x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 9))


def with_metadata(**metadata: Any) -> str:
    body = BASE[2]
    return yaml.safe_dump({**body, "metadata": {**body["metadata"], "name": "new", **metadata}})


def with_spec(**spec: Any) -> str:
    body = BASE[3]
    return yaml.safe_dump({**body, "metadata": {**body["metadata"], "name": "new"}, "spec": {**body["spec"], **spec}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (with_metadata(name="Alice"), "metadata.name: must be at most 63 lower-case letters"),
        (with_metadata(name="a b"), "metadata.name"),
        (with_metadata(name="a" * 64), "metadata.name"),
        (with_metadata(name="no keys end -->\n<!--"), "metadata.name"),
        (with_metadata(name=5), "metadata.name"),
        (with_metadata().replace("name: new", "name: 1e3"), "metadata.name"),
        (with_metadata().replace("name: new", "name: y"), "metadata.name"),
        (with_metadata(name=None, generateName="x-"), "metadata.name is missing"),
        (with_metadata(namespace="a.b"), "metadata.namespace"),
        (with_metadata(namespace=5), "metadata.namespace"),
        (with_metadata(namespace="../x"), "metadata.namespace"),
        (with_metadata(labels={"a": 5}), "metadata.labels.a: the value must be text"),
        (with_metadata(labels={"a": "b c"}), "metadata.labels.a: the value must be at most 63"),
        (with_metadata(labels={"a b": "c"}), "isn't a name that Kubernetes allows"),
        (with_metadata(annotations={"a": None}), "metadata.annotations.a: the value must be text"),
        (with_metadata(anotations={}), "metadata.anotations: unknown field"),
        (with_spec(ttl=5), "spec.ttl"),
        (with_spec(ttl="0h"), "spec.ttl: must be longer than zero"),
        (with_spec(ttl="90d"), "spec.ttl"),
        (with_spec(revision="2"), "spec.revision"),
        (with_spec(suspended="yes"), "spec.suspended"),
        (with_spec(membership=None), "spec.membership"),
        (with_spec(membership=5), "spec.membership"),
        (with_spec(expiresAt="2031-01-01 00:00:00Z"), "spec.expiresAt: must be a time with its zone"),
        (with_spec(expiresAt=5), "spec.expiresAt"),
        (with_spec(expiresAt="1960-01-01T00:00:00Z"), "spec.expiresAt: must be a time with its zone"),
        (with_spec(secretTemplate={"labels": {"a": 5}}), "spec.secretTemplate.labels.a"),
        (with_spec(ttl=float("nan")), "spec"),
        (
            with_spec().replace("membership: alice", f"membership: [{BOMB}]"),
            "the object is too large for the API server",
        ),
        (with_spec().replace("access: Full", "access: !!binary RnVsbA=="), "a value has a tag"),
        (yaml.safe_dump(organization("b", suspendedMembers=[{"name": "a"}, {"name": "a"}])), "name a is there twice"),
        (yaml.safe_dump(member("b")).replace("name: b@acme.io", "name: null"), "spec.subject.name"),
        (yaml.safe_dump(member("b")).replace("name: b@acme.io", "name: 5"), "spec.subject.name"),
    ],
)
def test_what_the_api_server_would_refuse_is_invalid(tmp_path: Path, text: str, words: str) -> None:
    said = judge(tmp_path, {"all.yaml": TEXT}, {"all.yaml": TEXT, "new.yaml": text})
    assert said.code == 1, said.text
    assert "new.yaml: " in said.text
    assert words in said.text


def test_a_field_that_is_null_is_one_that_is_left_out(tmp_path: Path) -> None:
    nulls = TEXT.replace("  membership: alice\n", "  membership: alice\n  ttl: null\n  forRole:\n")
    assert judge(tmp_path, {"all.yaml": TEXT}, {"all.yaml": nulls}).code == 0


def test_a_manifest_that_is_invalid_before_can_be_mended(tmp_path: Path) -> None:
    broken = TEXT.replace("alice@acme.io", "Alice.@acme.io").replace("kind: Organization", "kind: Organization", 1)
    assert judge(tmp_path, {"all.yaml": TEXT}, {"all.yaml": broken}).code == 1
    assert judge(tmp_path, {"all.yaml": broken}, {"all.yaml": TEXT}).code in (0, 2)


KUSTOMIZED: dict[str, str | bytes] = {
    "base/org.yaml": TEXT,
    "base/kustomization.yaml": "resources: [org.yaml]",
    "prod/kustomization.yaml": "resources: [../base]",
}


def test_kustomizations_that_only_list_files_are_read(tmp_path: Path) -> None:
    assert judge(tmp_path, KUSTOMIZED, KUSTOMIZED).code == 0
    said = judge(tmp_path, KUSTOMIZED, {**KUSTOMIZED, "base/org.yaml": DEMOTED})
    assert (said.code, SEEN in said.text) == (2, True)


PATCH = """\
resources: [../base]
patches:
  - target: {kind: Membership, name: alice}
    patch: |-
      - {op: replace, path: /spec/role, value: Viewer}
"""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"prod/kustomization.yaml": PATCH}, f"patches: this kustomization does more than list resources. {RENDER}"),
        ({"prod/kustomization.yaml": "resources: [../base]\nnamespace: x"}, "namespace: this kustomization does more"),
        ({"prod/kustomization.yaml": "resources: [../base, 'https://git.example.com/x']"}, "isn't in this tree"),
        ({"prod/kustomization.yaml": "resources: [../base, ../../other]"}, "isn't in this tree"),
        ({"prod/kustomization.yaml": "resources: ../base"}, "resources: must be a list of paths"),
        ({"prod/kustomization.yaml": "a: 1\n---\nb: 2"}, "must be one map"),
        ({"prod/kustomization.yaml": "resources: []"}, "base is listed in only one of the trees"),
        (
            {"prod/Kustomization": "resources: [../base]"},
            "prod/Kustomization and prod/kustomization.yaml are kustomizations of one folder",
        ),
        ({"base/kustomization.yaml": "resources: []"}, "resources of base/kustomization.yaml don't list base/org.yaml"),
        ({"kustomization.yaml": "resources: []"}, "the resources of kustomization.yaml don't list"),
        (
            {"base/kustomization.yaml": None, "base/Kustomization": PATCH.replace("../base", "org.yaml")},
            "does more than list",
        ),
    ],
)
def test_kustomizations_that_do_more_are_refused(
    tmp_path: Path, files: dict[str, str | bytes | None], words: str
) -> None:
    said = judge(
        tmp_path, KUSTOMIZED, {name: text for name, text in {**KUSTOMIZED, **files}.items() if text is not None}
    )
    assert said.code == 1, said.text
    assert words in said.text
