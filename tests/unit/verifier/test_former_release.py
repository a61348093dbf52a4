"""A version that doesn't know capabilities accepts no narrowed token: its own code, from Git, is asked."""

import json
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from support.objects.builders import api_key, entropy_of, issued, membership, organization, token_of
from support.programs.release import BEFORE_LIMITS
from tenure.domain.resources import Resource
from tenure.domain.tokens import Token
from tenure_dev.paths import CHECKOUT

FORMER = """
import json, sys
from datetime import datetime
from tenure.domain import resources
from tenure.domain.verification import Question
from tenure.verifier.index import Index
from tenure.verifier.verifier import look_up

assert "capabilities" not in resources.ApiKey.model_fields["spec"].annotation.model_fields
asked, now, index = json.load(sys.stdin), datetime.fromisoformat("2027-02-22T08:30:00Z"), Index()
for body in asked["objects"]:
    index.change(getattr(resources, body["kind"]), body, deleted=False, now=now)
answers = [look_up(index, text, Question(), now) for text in asked["tokens"]]
print(json.dumps([[answer.decision.code, answer.proven] for answer in answers]))
"""


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder with the code of the version before; skips where the clone has no history."""
    folder = tmp_path_factory.mktemp("former")
    archive = subprocess.run(
        ["git", "-C", str(CHECKOUT), "archive", BEFORE_LIMITS, "operator/tenure"],
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        pytest.skip("this clone is shallow; run `git fetch --unshallow`")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "operator"


def body_of(resource: Resource) -> dict[str, object]:
    return {"kind": resource.kind, **resource.model_dump(by_alias=True, mode="json", exclude_none=True)}


def test_the_version_before_knows_no_narrowed_token(former: Path) -> None:
    member, acme = membership(), organization()
    keys = [
        issued(api_key(name, capabilities=limits), member, acme)
        for name, limits in (("wide", None), ("narrow", ["costs"]))
    ]
    objects = [body_of(one) for one in (member, acme, *keys)]
    wide, narrow = map(token_of, keys)
    disguised = Token.mint(entropy_of(keys[1]))
    assert disguised.key_id == narrow.key_id
    asked = {"objects": objects, "tokens": [token.reveal() for token in (wide, narrow, disguised)]}
    answered = subprocess.run(
        [sys.executable, "-c", FORMER],
        input=json.dumps(asked),
        env={"PYTHONPATH": str(former)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout) == [["Valid", True], ["Malformed", False], ["NotFound", False]]
