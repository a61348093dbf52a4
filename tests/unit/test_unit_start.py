"""One unit test starts at once, as in an editor: it imports nothing that only other tests need."""

import json
import subprocess
import sys

from tenure_dev.paths import CHECKOUT

RUN = """
import json, sys, pytest
code = pytest.main(["-n", "0", "--quiet", "tests/unit/domain/test_roles.py"])
print()
print(json.dumps([code, *sorted(sys.modules)]))
"""
OTHERS = {"aiohttp", "anyio", "cryptography", "hypothesis", "kopf", "kubernetes", "pydantic", "starlette", "yaml"}


def test_a_test_of_the_domain_imports_no_library_and_no_support_for_a_control_plane() -> None:
    ran = subprocess.run([sys.executable, "-c", RUN], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    code, *modules = json.loads(ran.stdout.splitlines()[-1])
    assert code == 0, ran.stdout
    assert {name.partition(".")[0] for name in modules} & OTHERS == set()
    support = {".".join(name.split(".")[:2]) for name in modules if name.startswith("support.")}
    assert support == {"support.run"}
    assert "tenure_dev.controlplane" not in modules
