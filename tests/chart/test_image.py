"""The image's steps, without a container engine: the same commands, the same user, nothing written."""

import base64
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.cluster.identity import CONTROLLER, config_of
from support.programs.operator_process import OperatorProcess
from tenure import __version__
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

DOCKERFILE = CHECKOUT / "Dockerfile"
USER = 65532
PERSON = 1234

READ_ONLY = """
import os, sys

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}


def read_only(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path, mode, flags = os.fsdecode(arguments[0]), arguments[1] or "", arguments[2] or 0
        if (set(mode) & set("wax+") or flags & WRITES) and not path.startswith("/dev/"):
            raise OSError(30, "Read-only file system", path)
    elif event in CHANGES:
        raise OSError(30, "Read-only file system", str(arguments))


sys.addaudithook(read_only)
"""
"""Refuses what a read-only root file system refuses."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an environment as the image has it: locked dependencies and the built package, nothing else."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is neither on PATH nor named by UV; run the tests by `make test`"
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("image") / "app"
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    shutil.copytree(CHECKOUT / "operator", source / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    settings = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(target), "UV_LINK_MODE": "copy"}
    for step in (["--no-install-project"], ["--no-editable"]):
        command = [uv, "sync", "--locked", "--no-dev", *step]
        subprocess.run(command, cwd=source, env=settings, check=True, capture_output=True, text=True, timeout=600)
    shutil.rmtree(source)
    return target


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    return own_plane


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_dockerfile_takes_the_steps_that_are_tested_here() -> None:
    text = DOCKERFILE.read_text()
    for line in (
        "RUN uv sync --locked --no-dev --no-install-project",
        "RUN uv sync --locked --no-dev --no-editable",
        f"USER {USER}:{USER}",
        'ENTRYPOINT ["tenure"]',
    ):
        assert line in text.splitlines()


def test_the_package_needs_nothing_but_its_locked_dependencies(environment: Path) -> None:
    result = subprocess.run(
        [str(environment / "bin" / "tenure"), "--version"], capture_output=True, text=True, check=True, env={}
    )
    assert result.stdout == f"tenure {__version__}\n"
    assert not list(environment.rglob("pytest"))


def test_it_runs_as_nobody_and_writes_no_file(environment: Path, plane: ControlPlane, tmp_path: Path) -> None:
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(READ_ONLY)
    config = with_files(config_of(plane, CONTROLLER), tmp_path)
    as_nobody: list[str] = []
    if os.geteuid() == 0:
        open_up(tmp_path)
        open_up(environment)
        as_nobody = as_user(USER)
    command = [*as_nobody, str(environment / "bin" / "tenure"), "run"]
    variables = {"PYTHONPATH": str(guard), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    with OperatorProcess(config, tmp_path / "operator.log", command=command, env=variables) as operator:
        assert "watching all namespaces" in operator.log
    assert "Read-only" not in operator.log


def test_a_person_without_a_home_runs_its_commands_with_a_kubeconfig_of_their_own(
    environment: Path, plane: ControlPlane, tmp_path: Path
) -> None:
    """As `docker run --user` of docs/install.md does, with the file that `kubectl config view` writes."""
    config = tmp_path / "kubeconfig"
    config.write_text(plane.kubectl("config", "view", "--raw", "--minify", "--flatten").stdout)
    as_person: list[str] = []
    if os.geteuid() == 0:
        open_up(tmp_path)
        open_up(environment)
        config.chmod(0o600)
        os.chown(config, PERSON, PERSON)
        as_person = as_user(PERSON)
    variables = {"PATH": os.environ["PATH"], "HOME": "/", "KUBECONFIG": str(config)}
    command = [*as_person, str(environment / "bin" / "tenure"), "revoke", "--issued-before", "2h", "--dry-run"]
    done = subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True, check=False)
    named = f"tenure: cluster tenure-dev, {plane.server} (context tenure-dev)\n"
    assert (done.returncode, done.stderr) == (0, named)
    assert done.stdout.startswith("0 keys issued before ")


def as_user(number: int) -> list[str]:
    """Return what runs a command as a user, who may read the interpreter also where it lies in a home of root's."""
    interpreter = Path(sys.base_prefix)
    is_open = all(folder.stat().st_mode & stat.S_IXOTH for folder in (interpreter, *interpreter.parents))
    reading = [] if is_open else ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", *reading]


def with_files(config: Path, folder: Path) -> Path:
    """Write a kubeconfig that names files for the authority and the token, as a pod has them."""
    content = yaml.safe_load(config.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster.pop("certificate-authority-data")))
    (folder / "token").write_text(user.pop("token"))
    cluster["certificate-authority"], user["tokenFile"] = str(folder / "ca.crt"), str(folder / "token")
    (folder / "config").write_text(yaml.safe_dump(content))
    return folder / "config"


def open_up(folder: Path) -> None:
    """Let others pass the folders that lead to this one."""
    for each in (folder, *folder.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o055)
