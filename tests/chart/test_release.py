"""What a release consists of, without the images: packages, chart, manifests, bill of materials, checksums."""

import hashlib
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.run.serving import QuietHandler, serving
from tenure import __version__
from tenure_dev.paths import CHECKOUT
from tenure_dev.release.build import CHECKSUMS, build_release, uv
from tenure_dev.tools import Tools

WHEEL, SDIST = f"tenure-{__version__}-py3-none-any.whl", f"tenure-{__version__}.tar.gz"
PLUGIN = f"kubectl-tenure-{__version__}.tar.gz"
CHART, LAYOUT = f"tenure-{__version__}.tgz", f"tenure-chart-{__version__}.oci.tar"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a release whose wheel and sdist were installed in empty environments, and answered there.

    They are installed with the locked dependencies, so that a new version of one of them fails no test.
    """
    folder, constraints = tmp_path_factory.mktemp("release"), tmp_path_factory.mktemp("lock") / "constraints.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CONSTRAINT", str(constraints))
        export = [uv(), "export", "--quiet", "--locked", "--no-dev", "--no-hashes", "--no-emit-project"]
        subprocess.run([*export, f"--output-file={constraints}"], cwd=CHECKOUT, check=True)
        build_release(folder, images=False)
    return folder


def test_it_has_these_files_and_the_checksum_of_each(release: Path) -> None:
    more = {PLUGIN, "krew.yaml", "install.yaml", f"tenure-{__version__}.cdx.json", f"tenure-{__version__}.changes.md"}
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in release.iterdir()}
    lines = (release / CHECKSUMS).read_text().splitlines()

    assert files.keys() == {WHEEL, SDIST, CHART, LAYOUT, CHECKSUMS, *more}
    assert lines == [f"{files[name]}  {name}" for name in sorted(files.keys() - {CHECKSUMS})]


def test_the_wheel_has_the_package_and_nothing_of_the_checkout(release: Path) -> None:
    with zipfile.ZipFile(release / WHEEL) as wheel:
        names = set(wheel.namelist())

    assert {name.split("/")[0] for name in names} == {"tenure", f"tenure-{__version__}.dist-info"}
    assert f"tenure-{__version__}.dist-info/licenses/LICENSE" in names
    assert "tenure/py.typed" in names


def test_the_bill_has_the_dependencies_and_no_tool(release: Path) -> None:
    bill = json.loads((release / f"tenure-{__version__}.cdx.json").read_text())
    names = {part["name"] for part in bill["components"]}

    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == __version__
    assert {"kopf", "kubernetes", "pydantic", "cryptography"} <= names
    assert not {"pytest", "ruff", "mypy"} & names


def test_the_manifests_are_the_checkouts(release: Path) -> None:
    assert (release / "install.yaml").read_bytes() == (CHECKOUT / "manifests" / "install.yaml").read_bytes()


def test_the_changes_are_the_fragments(release: Path) -> None:
    changes = (release / f"tenure-{__version__}.changes.md").read_text()

    assert "## Added" in changes
    assert "Organizations, Memberships and ApiKeys as custom resources" in changes


def test_helm_pulls_the_chart_from_a_registry_that_has_the_layout(release: Path, tmp_path: Path) -> None:
    with tarfile.open(release / LAYOUT) as layout:
        layout.extractall(tmp_path / "layout", filter="data")
    with registry(tmp_path / "layout") as address:
        result = subprocess.run(
            [Tools.find_or_build().helm, "pull", f"oci://{address}/tenure", "--version", __version__, "--plain-http"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert result.returncode == 0, result.stderr
    assert (tmp_path / CHART).read_bytes() == (release / CHART).read_bytes()


@contextmanager
def registry(layout: Path) -> Iterator[str]:
    """Serve an OCI layout as a registry does, to those who read."""
    (named,) = json.loads((layout / "index.json").read_text())["manifests"]
    tags = {named["annotations"]["org.opencontainers.image.ref.name"]: named["digest"]}

    class Registry(QuietHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            reference = self.path.rpartition("/")[2]
            digest = tags.get(reference, reference)
            blob = layout / "blobs" / digest.replace(":", "/")
            content = blob.read_bytes() if ":" in digest and blob.exists() else b""
            self.send_response(200 if content or self.path == "/v2/" else 404)
            kind = named["mediaType"] if "/manifests/" in self.path else "application/octet-stream"
            headers = {"Content-Type": kind, "Content-Length": len(content), "Docker-Content-Digest": digest}
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    with serving(Registry) as port:
        yield f"127.0.0.1:{port}"
