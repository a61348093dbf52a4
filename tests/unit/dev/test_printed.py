"""Which texts of the programs the lint for prose reads."""

from pathlib import Path

import pytest

from tenure_dev.printed import literals, printed
from tenure_dev.prose import complaints, read


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('"""A module that says something."""\n', []),
        ('def f():\n    """Say what it does, in words."""\n', []),
        ('X = "one two three"\n', []),
        ('X = "one two three four"\n', [(1, "one two three four")]),
        ('X = (\n    "one two "\n    "three four"\n)\n', [(2, "one two three four")]),
        ('X = f"spec.role: {user} lacks {verb!r}"\n', [(1, "spec.role: code lacks code")]),
        ('raise ValueError("write a number here")\n', [(1, "write a number here")]),
        (
            'log.info("Stopped after %d seconds", f(x, "a name of one"))\n',
            [(1, "Stopped after %d seconds"), (1, "a name of one")],
        ),
        ("X = \"self.role == 'Owner' and so on\"\n", []),
        (
            '@app.command("up")\ndef up():\n    """Start it in the background."""\n    echo("The node is up now.")\n',
            [(2, "Start it in the background."), (4, "The node is up now.")],
        ),
    ],
)
def test_sentences_are_read_and_docstrings_only_of_commands(source: str, texts: list[tuple[int, str]]) -> None:
    assert list(literals(source)) == texts


def test_descriptions_and_messages_are_read_from_manifests(tmp_path: Path) -> None:
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "a.yaml").write_text(
        "properties:\n  description: {type: string}\n  role:\n    description: The role.\n"
        "    rules: [{rule: self == '', message: Can't be empty.}]\n"
    )
    assert list(printed(tmp_path)) == [(tmp_path / "crds" / "a.yaml", [(4, "The role."), (5, "Can't be empty.")])]


def test_the_help_of_make_and_the_lines_of_scripts_are_read(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("# A remark.\n\nup: setup ## Start it.\n\t@echo done\n")
    (tmp_path / "dev" / "tools").mkdir(parents=True)
    (tmp_path / "dev" / "get").write_text('# Gets it.\necho "$1 is missing." >&2\n')
    assert list(printed(tmp_path)) == [
        (tmp_path / "Makefile", [(3, "Start it.")]),
        (tmp_path / "dev" / "get", [(2, "$1 is missing.")]),
    ]


def test_a_dense_text_is_found_with_its_line(tmp_path: Path) -> None:
    package = tmp_path / "operator" / "tenure" / "admission"
    package.mkdir(parents=True)
    (package / "a.py").write_text('A = "nobody has it; nobody wants it"\n\nB = "Nobody asks for it"\n')
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"):
        (tmp_path / name).write_text("You read this page. " * 500)
    (said,) = complaints(read(tmp_path))
    assert said.startswith("operator/tenure/admission/a.py: nobody, nothing, somebody: 3 in ")
    assert "(line 1, 1, 3)" in said
