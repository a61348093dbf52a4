"""What the node says on a machine that can't run it, and its small images."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tenure_dev.node import archive
from tenure_dev.node.machine import UnfitError, check, effective_capabilities

ALL = "Name:\tpython\nCapPrm:\t000001fffeffffff\nCapEff:\t000001fffeffffff\n"
NONE = "CapEff:\t00000000a80425fb\n"
"""What a container has that isn't privileged."""


def test_capabilities_are_read_as_bits() -> None:
    held = effective_capabilities(ALL)
    assert held >> 21 & 1, "CAP_SYS_ADMIN"
    assert not held >> 24 & 1, "CAP_SYS_RESOURCE"


@pytest.mark.parametrize(
    ("platform", "user", "status", "message"),
    [
        ("darwin", 0, ALL, "the node needs Linux, and this is darwin"),
        ("linux", 1000, ALL, "the node needs root"),
        ("linux", 0, NONE, "root lacks CAP_NET_ADMIN, CAP_SYS_ADMIN here"),
    ],
)
def test_one_line_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, platform: str, user: int, status: str, message: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("tenure_dev.node.machine.own_status", lambda: status)

    with pytest.raises(UnfitError) as raised:
        check()

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_image_has_the_program_and_the_names(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")

    file = archive.write(tmp_path / "image.tar", program, ["/bin/pause"], "docker.io/library/pause:1")

    with tarfile.open(file) as image:
        (manifest,) = _json(image, "manifest.json")
        with tarfile.open(fileobj=image.extractfile(manifest["Layers"][0])) as layer:
            assert [(entry.name, entry.mode) for entry in layer] == [("bin/pause", 0o755)]
        assert manifest["RepoTags"] == ["docker.io/library/pause:1"]
        assert _json(image, manifest["Config"])["config"]["Entrypoint"] == ["/bin/pause"]


def _json(image: tarfile.TarFile, name: str) -> Any:
    file = image.extractfile(name)
    assert file is not None
    return json.load(file)
