"""The signing keys: which files are keys, which of them signs, and how they are renewed."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tenure.cli import app
from tenure.domain.invitations.links import SigningKey
from tenure.errors import StartRefusedError
from tenure.mail.signing import SigningKeys, new_key

NOW = datetime(2027, 2, 22, 8, 30, tzinfo=UTC)
FIRST, SECOND = bytes(range(32)), bytes(range(100, 132))


def mount(folder: Path, **keys: bytes) -> None:
    """Write keys as the kubelet mounts a Secret: links to a folder that it replaces as a whole."""
    folder.mkdir(exist_ok=True)
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    for name, key in keys.items():
        (version / name).write_bytes(base64.b64encode(key) + b"\n")
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").rename(folder / "..data")
    for name in keys:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data", name))


def test_the_last_by_name_signs_and_all_are_there(tmp_path: Path) -> None:
    mount(tmp_path / "keys", k20270101=FIRST, k20270201=SECOND)
    assert SigningKeys(tmp_path / "keys").keys == [SigningKey(SECOND), SigningKey(FIRST)]


def test_a_new_key_is_read_while_the_process_runs(tmp_path: Path) -> None:
    mount(tmp_path / "keys", k1=FIRST)
    keys = SigningKeys(tmp_path / "keys")
    assert not keys.look()
    mount(tmp_path / "keys", k1=FIRST, k2=SECOND)
    assert keys.look()
    assert keys.keys == [SigningKey(SECOND), SigningKey(FIRST)]


def test_a_bad_file_leaves_the_former_keys_in_use(tmp_path: Path) -> None:
    mount(tmp_path / "keys", k1=FIRST)
    keys = SigningKeys(tmp_path / "keys")
    (tmp_path / "keys" / "k2").write_text("changeme")
    with pytest.raises(StartRefusedError, match="k2: not a usable signing key"):
        keys.look()
    assert keys.keys == [SigningKey(FIRST)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "0 bytes", id="empty"),
        pytest.param(b"correct horse battery staple", "isn't base64", id="a pass phrase"),
        pytest.param(base64.b64encode(bytes(range(16))), "16 bytes", id="short"),
        pytest.param(base64.b64encode(bytes(32)), "aren't random", id="zeros"),
        pytest.param(b"\xff\x00" * 3000, "isn't base64", id="large and binary"),
    ],
)
def test_a_weak_key_is_refused_and_not_repeated(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "k1").write_bytes(content)
    with pytest.raises(StartRefusedError) as refusal:
        SigningKeys(tmp_path)
    assert str(refusal.value).startswith(f"--signing-keys {tmp_path / 'k1'}: ")
    assert why in str(refusal.value)
    assert "tenure mail new-key" in str(refusal.value)
    assert "correct horse" not in str(refusal.value)


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_without_a_key_the_start_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StartRefusedError, match="tenure mail new-key"):
        SigningKeys(tmp_path / folder)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "k1").mkdir()
    with pytest.raises(StartRefusedError, match=r"--signing-keys.*Is a directory"):
        SigningKeys(tmp_path)


def test_what_new_key_prints_is_a_secret_whose_key_is_read(tmp_path: Path) -> None:
    secret = yaml.safe_load(new_key(NOW, "tenure-system"))
    assert secret["metadata"] == {"name": "tenure-mail-signing", "namespace": "tenure-system"}
    assert list(secret["data"]) == ["20270222T083000Z"]
    for name, content in secret["data"].items():
        (tmp_path / name).write_bytes(base64.b64decode(content))
    (key,) = SigningKeys(tmp_path).keys
    assert len(key.secret) == 32
    assert new_key(NOW, "tenure-system") != new_key(NOW, "tenure-system")


def test_the_command_prints_a_key_and_starts_nothing() -> None:
    result = CliRunner().invoke(app, ["mail", "new-key", "--namespace=people", "--name=links"])
    assert result.exit_code == 0
    assert yaml.safe_load(result.output)["metadata"] == {"name": "links", "namespace": "people"}
