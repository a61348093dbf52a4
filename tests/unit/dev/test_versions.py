"""The version has one place, and everything that repeats it agrees."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenure import __version__
from tenure_dev.errors import ToolError
from tenure_dev.generate import version
from tenure_dev.paths import CHECKOUT


def documents(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((CHECKOUT / name).read_text()) if each]


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / name).read_text())


def test_the_package_the_lock_and_the_chart_have_it() -> None:
    (locked,) = [package for package in toml("uv.lock")["package"] if package["name"] == "tenure"]
    (chart,) = documents("helm/tenure/Chart.yaml")

    assert toml("pyproject.toml")["project"]["version"] == __version__
    assert locked["version"] == __version__
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_images_of_the_manifests_have_it_as_their_tag() -> None:
    (kustomization,) = documents("manifests/kustomization.yaml")
    images = set(re.findall(r"image: \"?([^\s\"]+)", (CHECKOUT / "manifests/install.yaml").read_text()))

    assert [image["newTag"] for image in kustomization["images"]] == [__version__]
    assert images == {f"tenure:{__version__}"}


def test_the_definitions_say_it() -> None:
    in_chart = (CHECKOUT / "helm" / "tenure" / "files" / "crds").glob("*.yaml")
    definitions = [*documents("manifests/install.yaml"), *(yaml.safe_load(path.read_text()) for path in in_chart)]
    definitions += [yaml.safe_load(path.read_text()) for path in (CHECKOUT / "crds").glob("*.yaml")]
    versions = {
        (body["metadata"]["name"], body["metadata"]["annotations"]["tenure.dev/version"])
        for body in definitions
        if body["kind"] == "CustomResourceDefinition"
    }
    plurals = ("apikeys", "memberships", "organizations")
    assert versions == {(f"{plural}.tenure.dev", __version__) for plural in plurals}


def test_generate_writes_it_wherever_it_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hand that raises one place finds the others raised, and not a version of somebody else's."""
    monkeypatch.setattr(version, "__version__", "9.8.7")

    texts = version.versioned_files()

    assert texts.keys() == {Path(name) for name in version.PLACES}
    for path, text in texts.items():
        before = (CHECKOUT / path).read_text()
        changed = [(old, new) for old, new in zip(before.splitlines(), text.splitlines(), strict=True) if old != new]
        assert changed
        assert all(old.replace(__version__, "9.8.7") == new for old, new in changed)
        assert len(changed) >= len(version.PLACES[str(path)])


def test_no_other_file_for_people_repeats_it() -> None:
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "manifests").rglob("*.yaml")]
    repeating = {
        str(page.relative_to(CHECKOUT)) for page in pages if re.search(rf"(tenure:|v){__version__}\b", page.read_text())
    }
    assert repeating <= version.PLACES.keys() | {"manifests/install.yaml"}


def test_a_place_that_is_gone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "PLACES", {"LICENSE": ("version: @",)})

    with pytest.raises(ToolError, match=r"LICENSE doesn't contain the version as 'version: @'"):
        version.versioned_files()
