"""Properties are checked on busy machines too, and a test without properties starts without hypothesis."""

import sys

import pytest


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Switch the deadline of properties off before a module that has some is imported."""
    if isinstance(collector, pytest.Module) and "from hypothesis import" in collector.path.read_text():
        from hypothesis import settings

        settings.register_profile("unhurried", deadline=None)
        settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _no_line_held_back() -> None:
    """Let each test write the first line of each cause."""
    limits = sys.modules.get("tenure.observability.log_limits")
    if limits is not None:
        limits.LIMITER.forget()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without properties, unregister the plugin of hypothesis.

    Otherwise it imports hypothesis for its summary, which takes a third of the time in which one unit test runs.
    """
    plugins = session.config.pluginmanager
    runs_here = not plugins.has_plugin("dsession")
    if runs_here and "hypothesis" not in sys.modules:
        plugins.unregister(name="hypothesispytest")
