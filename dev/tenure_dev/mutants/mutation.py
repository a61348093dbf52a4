"""`make mutation`: let mutmut plant hundreds of small faults in `domain`, and count those that no unit test notices.

mutmut needs the package in `src`, so the copy of the checkout has this layout.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.mutants.checkout import copy_files
from tenure_dev.paths import CHECKOUT

FOLDER = CHECKOUT / ".cache" / "mutation"
"""Folder of the copy. It stays until the next run, so that you can use `mutmut show` and `mutmut browse` in it."""

DOMAIN = "tenure/domain"
TESTS = ("tests/unit/domain", "tests/unit/impact")
_OF_THE_CHECKOUT = "tests/unit/domain/test_schema.py::test_the_files_in_the_checkout_are_the_generated_ones"
"""It compares files of the checkout that the copy lacks or changes, and says nothing about the domain."""

_CONFIGURATION = """\
[tool.pytest.ini_options]
pythonpath = ["tests"]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--deselect={deselected}"]
asyncio_mode = "auto"

[tool.mutmut]
source_paths = ["src/"]
only_mutate = {modules}
also_copy = ["crds", "docs", "helm", "manifests"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
"""

_RESULT = re.compile(r"\s+(?P<module>[\w.]+)\.x\S+: (?P<result>.+)")
_COLUMNS = ("killed", "survived", "no tests", "timeout")


def choose_modules(words: Sequence[str]) -> list[str]:
    """Return the modules of the domain whose path contains one of the words, or all if there are no words.

    The paths are those in the copy, as mutmut needs them.

    Raises:
        ToolError: no module's path contains one of the words.
    """
    package = CHECKOUT / "operator"
    paths = [str(path.relative_to(package)) for path in sorted((package / DOMAIN).rglob("*.py"))]
    for word in words:
        if not any(word in path for path in paths):
            raise ToolError(f"no module of {DOMAIN} has {word} in its path")
    return [f"src/{path}" for path in paths if not words or any(word in path for word in words)]


def run_mutation(words: Sequence[str]) -> None:
    """Mutate the selected modules in a copy, and print how many mutants of each module the tests notice.

    Raises:
        ToolError: mutmut isn't installed, or it couldn't run the tests.
    """
    modules = choose_modules(words)
    mutmut = Path(sys.executable).with_name("mutmut")
    if not mutmut.exists():
        raise ToolError(
            "mutmut isn't installed here. Run `make mutation`, which installs it into an environment of its own"
        )
    shutil.rmtree(FOLDER, ignore_errors=True)
    copy_files(CHECKOUT, FOLDER)
    shutil.move(FOLDER / "operator", FOLDER / "src")
    configuration = _CONFIGURATION.format(modules=modules, tests=[*TESTS], deselected=_OF_THE_CHECKOUT)
    (FOLDER / "pyproject.toml").write_text(configuration, encoding="utf-8")
    log = FOLDER / "run.log"
    print(f"mutmut runs in {FOLDER.relative_to(CHECKOUT)}. Its output is in run.log there", flush=True)
    with log.open("wb") as output:
        ran = subprocess.run([mutmut, "run"], cwd=FOLDER, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ran.returncode:
        raise ToolError(f"mutmut ended with {ran.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
    listed = subprocess.run(
        [mutmut, "results", "--all", "true"], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    print(format_score(count_results(listed.stdout)))


def count_results(text: str) -> Mapping[str, Counter[str]]:
    """Count the mutants of each module by result, from the output of `mutmut results`."""
    counts: dict[str, Counter[str]] = {}
    for line in text.splitlines():
        if match := _RESULT.fullmatch(line):
            counts.setdefault(match["module"].removeprefix("tenure.domain."), Counter())[match["result"]] += 1
    return counts


def format_score(counts: Mapping[str, Counter[str]]) -> str:
    """Return the counts as a Markdown table.

    The score is the share of mutants that a test noticed. A timeout counts as noticed too.
    """
    rows = [(module, counts[module]) for module in sorted(counts)]
    rows.append(("all", sum(counts.values(), Counter())))
    lines = [
        f"| module | mutants | {' | '.join(_COLUMNS)} | other | score |",
        f"| --- |{' --: |' * (len(_COLUMNS) + 3)}",
    ]
    for module, results in rows:
        shown = [results[column] for column in _COLUMNS]
        total, noticed = results.total(), results["killed"] + results["timeout"]
        score = f"{noticed / total:.0%}" if total else "-"
        cells = [module, total, *shown, total - sum(shown), score]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
