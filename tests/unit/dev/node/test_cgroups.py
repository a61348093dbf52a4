"""Where the node's cgroups go, in both versions."""

import os
from pathlib import Path

import pytest

from tenure_dev.errors import ToolError
from tenure_dev.node.cgroups import PREFIX, abandoned, create, hierarchies, parents, remove

FIRST = "4:memory:/session/1\n1:cpu,cpuacct:/\n9:name=systemd:/\n0::/\n"
"""Version 1, with version 2 beside it for what has no controllers."""


@pytest.fixture
def first(tmp_path: Path) -> Path:
    for name in ("memory/session/1", "cpu,cpuacct", "systemd", "unified"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Version 2 as systemd arranges it: a session gives its children no controllers, and the root does."""
    session = tmp_path / "user.slice" / "session.scope"
    session.mkdir(parents=True)
    (tmp_path / "cgroup.subtree_control").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "user.slice" / "cgroup.subtree_control").write_text("memory pids\n")
    (session / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_version_1_has_one_in_each_hierarchy(first: Path) -> None:
    names = ("memory/session/1", "cpu,cpuacct", "systemd", "unified")
    assert parents(hierarchies(FIRST, first)) == [first / name for name in names]


def test_a_hierarchy_that_is_not_mounted_is_left_out(first: Path) -> None:
    assert len(hierarchies(FIRST + "3:rdma:/\n", first)) == len(hierarchies(FIRST, first))


def test_version_2_has_one_where_children_get_what_the_kubelet_needs(second: Path) -> None:
    assert parents(hierarchies("0::/user.slice/session.scope\n", second)) == [second]


def test_version_2_without_these_controllers_says_so(second: Path) -> None:
    (second / "cgroup.subtree_control").write_text("memory\n")

    with pytest.raises(ToolError, match=r"no cgroup above .* gives its children the controllers cpu, memory, pids"):
        parents(hierarchies("0::/user.slice/session.scope\n", second))


def test_a_machine_without_cgroups_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no cgroups are mounted"):
        parents(hierarchies("0::/\n", tmp_path / "nothing"))


def test_those_of_killed_nodes_are_removed_and_no_others(tmp_path: Path) -> None:
    (made,) = create([tmp_path])
    left = tmp_path / f"{PREFIX}{_unused_pid()}"
    (left / "kubepods" / "burstable").mkdir(parents=True)
    other = tmp_path / "somebody-else"
    other.mkdir()

    found = list(abandoned([tmp_path]))

    assert found == [left]
    assert remove(found)
    assert sorted(tmp_path.iterdir()) == [other, made]


def test_one_in_which_something_runs_is_reported(tmp_path: Path) -> None:
    (made,) = create([tmp_path])
    (made / "a-file-keeps-it").touch()

    assert not remove([made])


def _unused_pid() -> int:
    return int(Path("/proc/sys/kernel/pid_max").read_text()) + os.getpid()
