"""A kubeconfig that works for kubectl works for Tenure: through a company's proxy, and with a name for TLS."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from support.programs.forward_proxy import ForwardProxy
from support.programs.revocation import Caller
from support.run.slowness import NEVER
from tenure_dev.controlplane import ControlPlane
from tenure_dev.kubectl import Kubectl


@contextmanager
def listening(proxy: ForwardProxy) -> Iterator[str]:
    """Run a proxy in a thread of its own while the block runs, which gets host and port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="forward proxy", daemon=True)
    thread.start()
    context = proxy.listening()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(timeout=NEVER)
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(timeout=NEVER)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_kubectl_and_tenure_take_the_same_way(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, scheme: str
) -> None:
    revoke = ("--issued-before=2h", "--dry-run", f"--namespace={namespace}")
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    path = tmp_path / "config"
    proxy = ForwardProxy(scheme)
    with listening(proxy) as address:
        config["clusters"][0]["cluster"] |= {"proxy-url": f"{scheme}://{address}", "tls-server-name": "localhost"}
        path.write_text(yaml.safe_dump(config))
        kubectl = Kubectl(control_plane.binaries.kubectl, path, tmp_path)
        assert "tenure.dev/v1alpha1" in kubectl("get", "--raw=/apis/tenure.dev").stdout
        by_kubectl = len(proxy.asked)
        assert by_kubectl > 0
        done = Caller(path).run(*revoke)
        assert done.stdout.startswith("0 keys issued before ")
        assert len(proxy.asked) > by_kubectl

        config["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere.example"
        path.write_text(yaml.safe_dump(config))
        refused = kubectl("get", "--raw=/apis", check=False)
        assert "elsewhere.example" in refused.stderr
        assert "elsewhere.example" in Caller(path).refused(*revoke)
