"""A rolling upgrade from the version before on a real node, and the way back, while roles change and keys come."""

import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from support.cluster.node import COMPONENTS, NodeCluster
from support.cluster.samples import Acme
from support.programs.release import Version, previous
from tenure_dev.node import archive

TAG = "previous"
PORTS = {"TENURE_WEBHOOK_PORT": "9443", "TENURE_VERIFIER_PORT": "8080"}
"""The version before takes what Kubernetes says of the Services for its own settings, unless these say otherwise."""
EXTRA = json.dumps([{"name": name, "value": value} for name, value in PORTS.items()])


@pytest.fixture
def before(node: NodeCluster, tmp_path: Path) -> Version:
    """Give the version before, whose image the node has: the present one with its packages instead."""
    version = previous(tmp_path)
    (packages,) = (tmp_path / "environment" / "lib").glob("python3.*/site-packages")
    layer, target = tmp_path / "layer.tar", f"app/lib/{packages.parent.name}/site-packages"
    with tarfile.open(layer, "w") as tar:
        tar.addfile(tarfile.TarInfo(f"{target}/.wh..wh..opq"))  # Nothing of the layers below stays in this folder.
        tar.add(packages, target)
    image = archive.layered(tmp_path / "image.tar", node.image, layer, f"docker.io/library/tenure:{TAG}")
    node.import_image(image)
    return version


@pytest.fixture
def site(node: NodeCluster, before: Version) -> Iterator[NodeCluster]:
    """Give the node with the version before on it."""
    node.create_namespace()
    variables = [f"--set-json={each}.extraEnv={EXTRA}" for each in COMPONENTS]
    options = [f"--set=image.tag={TAG}", *variables, "--wait", "--timeout=4m"]
    node.helm("install", "tenure", str(before.chart), *options)
    yield node
    node.remove_tenure()


@contextmanager
def beside(act: Callable[[int], str]) -> Iterator[list[str]]:
    """Call a function again and again in a thread while the block runs; give what it returned."""
    done, returned = threading.Event(), list[str]()

    def repeat() -> None:
        for number in count():
            if done.is_set():
                return
            returned.append(act(number))

    with ThreadPoolExecutor() as pool:
        running = pool.submit(repeat)
        try:
            yield returned
        finally:
            done.set()
        running.result()


def test_no_key_is_lost_and_no_change_goes_unchecked(site: NodeCluster) -> None:
    with Acme.applied(site) as acme:
        token = acme.token("pipeline")
        codes = {token: 200, "tnr_unknown": 401}

        def change(number: int) -> str:
            del number
            result = acme.change_role("alice", "Viewer")
            return "changed" if result.returncode == 0 else result.stderr

        def verify(number: int) -> str:
            asked = list(codes)[number % len(codes)]
            return "right" if acme.verdict(asked) == codes[asked] else f"wrong for {asked[:8]}"

        def issue(number: int) -> str:
            body = {
                "apiVersion": "tenure.dev/v1alpha1",
                "kind": "ApiKey",
                "metadata": {"name": f"new-{number}", "namespace": "acme"},
                "spec": {"membership": "ci", "access": "View"},
            }
            if number >= 10:  # The organization allows 20 keys of a member.
                return "enough"
            return site.kubectl("create", "--filename=-", input=json.dumps(body), check=False).stdout

        with beside(change) as changes, beside(verify) as verdicts, beside(issue) as created:
            no_variables = [f"--set-json={each}.extraEnv=[]" for each in COMPONENTS]
            site.helm("upgrade", "tenure", str(site.chart), *no_variables, "--wait", "--timeout=4m")
            assert acme.token("pipeline") == token
            site.helm("rollback", "tenure", "1", "--wait", "--timeout=4m")

        assert "changed" not in changes
        # The two versions have different words for it, and a few calls meet a replica that is just ending.
        assert sum("denied the request" in answer for answer in changes) > len(changes) / 2, changes
        assert set(verdicts) == {"right"}
        assert acme.token("pipeline") == token
        names = [line.split()[0] for line in created if "created" in line]
        assert names
        site.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "--namespace=acme", *names)
