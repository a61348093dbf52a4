"""The environment that the tools give to the operator."""

from pathlib import Path

import pytest

from tenure_dev.operator import environment


@pytest.mark.parametrize(
    "name", ["TENURE_CACHE", "TENURE_IMAGE_ARCHIVE", "TENURE_NODE", "TENURE_TEST_AUDIT_LOG", "TENURE_TEST_KUBECONFIG"]
)
def test_variables_of_the_tools_stay_with_them(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The operator rejects a variable that it doesn't know, so no test on a named cluster could start it."""
    monkeypatch.setenv(name, "set")
    monkeypatch.setenv("TENURE_LOG_LEVEL", "debug")

    given = environment(Path("kubeconfig"))

    assert name not in given
    assert given["TENURE_LOG_LEVEL"] == "debug"
