"""The commands of the page *The command* are run in its order, and print what stands there."""

import re
import shlex
from collections.abc import Iterator

import pytest

from support.cluster.world import World
from support.programs.kubectl_tenure import Person
from tenure_dev.paths import CHECKOUT

PAGE = (CHECKOUT / "docs" / "kubectl.md").read_text()
_VARIES = {
    r"\b[0-9A-Za-z]{12}\b(?=  )": "<key id>",
    r"\b\d+ (s|min|h|d)\b": "<age>",
    r" +": " ",
}


def examples() -> Iterator[tuple[str, str]]:
    """Each command of the page with what it prints, or nothing where the page doesn't say."""
    for block in re.findall(r"```console\n(\$ .*?)```", PAGE, re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = example.partition("\n")
            yield command, printed


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, instead in _VARIES.items():
        text = re.sub(pattern, instead, text)
    return text.strip()


def test_each_command_prints_what_stands_there(root: Person, acme: World) -> None:
    namespace = acme.api.namespace
    for command, printed in examples():
        words, _, file = command.partition(" < ")
        words = words.partition(" > ")[0]
        program, tenure, *args = shlex.split(words)
        assert (program, tenure) == ("kubectl", "tenure")
        if args[0] == "history":
            continue  # It needs a repository, and no cluster.
        done = root.tenure(*args, code=3 if args[0] == "can" else 0, text="eve@acme.io\n" if file else "")
        if printed:
            assert steady(done.stdout.replace(namespace, "acme")) == steady(printed), command


@pytest.mark.parametrize("command", ["members", "keys", "preview", "hand-over", "history", "token", "can", "invite"])
def test_the_page_shows_each_command(command: str) -> None:
    assert any(f"kubectl tenure {command}" in example for example, _ in examples())
