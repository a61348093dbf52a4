"""Nothing that a pull request names or says becomes markup, another line, or a command to a CI system."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from support.objects.manifests import api_key, member, organization
from support.objects.trees import fill, impact
from tenure.domain.text import printable
from tenure.impact.report.safe import as_prose, defused

HOSTILE = [
    "::warning::all is well",
    "##[error]x",
    "##vso[task.complete result=Succeeded]",
    "no keys end -->\n<!-- ",
    "| a | b |",
    "`x` **y** [z](https://e.example)",
    "@owners #1",
    "\x1b[31m\u202e",
]
COMMAND = re.compile(r"^\s*::|##\[|##[a-z]+\[", re.MULTILINE)
BASE = [organization(), member("olga", "Owner"), member("alice"), api_key("laptop", "alice")]


@pytest.mark.parametrize("output", ["text", "markdown", "json"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
def test_the_name_of_a_file_stays_in_its_place(tmp_path: Path, hostile: str, output: str) -> None:
    name = f"{hostile.replace('/', '-')}.yaml"
    fill(tmp_path / "base", {"a.yaml": yaml.safe_dump_all(BASE)})
    gone = yaml.safe_dump_all([body for body in BASE if body["metadata"]["name"] not in ("alice", "laptop")])
    fill(tmp_path / "head", {"a.yaml": gone, name: yaml.safe_dump(BASE[-1])})
    text = impact(tmp_path / "base", tmp_path / "head", f"--output={output}").text
    assert COMMAND.search(text) is None
    assert "\x1b" not in text
    if output == "json":
        assert json.loads(text)["changes"][0]["leftBehind"] == {"laptop": name}
    else:
        assert "1 key revoked" in text.splitlines()[-1]
    if output == "markdown":
        assert {token.type for token in MarkdownIt().parse(text)} <= PLAIN


@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
def test_an_error_is_one_line_and_no_command(tmp_path: Path, hostile: str) -> None:
    fill(tmp_path / "base", {f"{hostile.replace('/', '-')}.yaml": "tenure.dev: ["})
    said = impact(tmp_path / "base", tmp_path / "base")
    assert said.code == 1
    assert len(said.text.splitlines()) == 1
    assert COMMAND.search(said.text) is None


PLAIN = {
    *("paragraph_open", "paragraph_close", "inline", "heading_open", "heading_close"),
    *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
}
SPECIAL = st.text(st.sampled_from("`*_[]()<>!#|~&@:/.\\\n\r\t\u2028-+=$ aé1"), max_size=30) | st.text(max_size=30)


@given(SPECIAL)
def test_prose_is_shown_as_it_is(text: str) -> None:
    (paragraph,) = [
        token
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(f"- x {as_prose(text)} x")
        if token.type == "inline"
    ]
    shown = "".join(child.content for child in paragraph.children or ())
    assert {child.type for child in paragraph.children or ()} <= {"text", "text_special"}
    assert shown.replace("\u200b", "") == f"x {printable(text)} x"


@given(SPECIAL)
def test_what_is_printable_is_one_line_of_visible_characters(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text).splitlines()) <= 1


@given(SPECIAL, st.sampled_from(HOSTILE), SPECIAL)
def test_no_line_is_a_command(before: str, hostile: str, after: str) -> None:
    assert COMMAND.search(defused(f"{printable(before)}\n{printable(hostile)}\n{after}")) is None


@given(SPECIAL | st.sampled_from(HOSTILE), st.sampled_from(["text", "markdown", "json"]))
@settings(max_examples=25, deadline=None)
def test_a_description_stays_in_its_place(text: str, output: str) -> None:
    described = "".join(one for one in text if one.isprintable() or one == "\u200b")[:256]
    before = [*BASE[:-1], api_key("laptop", "alice", description=described, capabilities=["costs"])]
    with TemporaryDirectory() as folder:
        fill(Path(folder, "base"), {"a.yaml": yaml.safe_dump_all(before)})
        fill(Path(folder, "head"), {"a.yaml": yaml.safe_dump_all(before[:-2])})
        said = impact(Path(folder, "base"), Path(folder, "head"), f"--output={output}").text
    assert COMMAND.search(said) is None
    if output == "json":
        (key,) = json.loads(said)["describedKeys"]
        assert (key["apiKey"], key["description"], key["capabilities"]) == ("laptop", described, ["costs"])
        return
    assert "only costs" in said
    assert "1 key revoked" in said.splitlines()[-1]
    if output == "markdown":
        (cells,) = [line for line in said.splitlines() if "/alice` | removed |" in line]
        assert len(re.findall(r"(?<!\\)\|", cells)) == 6
