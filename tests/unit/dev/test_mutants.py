"""Planted faults: each has its place in the code and its tests, and a fault that no test catches is told."""

import ast
import sys
import textwrap
from pathlib import Path

import pytest

from tenure_dev.errors import ToolError
from tenure_dev.mutants.checkout import Copy, make_python
from tenure_dev.mutants.command import choose
from tenure_dev.mutants.fault import Fault, plant
from tenure_dev.mutants.faults import FAULTS
from tenure_dev.mutants.trial import check_baseline, try_fault
from tenure_dev.paths import CHECKOUT

PACKAGE = CHECKOUT / "operator" / "tenure"

GATE = '''
class Gate:
    def is_open(self, hour):
        """Whether somebody may come in."""
        return hour >= 8


def is_open(hour):
    return hour >= 8
'''


def fault(before: str = "hour >= 8", after: str = "True", where: str = "Gate.is_open", test: str = "") -> Fault:
    return Fault(
        "gate", "The gate is closed at night.", where, before, after, (test or "tests/test_gate.py::test_night",)
    )


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: planted.name)
def test_a_fault_has_its_place_and_its_tests(planted: Fault) -> None:
    found = plant(planted, PACKAGE)
    assert ast.dump(ast.parse(found.text)) != ast.dump(ast.parse(found.path.read_text()))
    assert planted.caught_by
    for test in planted.caught_by:
        path, _, name = test.partition("[")[0].partition("::")
        assert f"def {name}" in (CHECKOUT / path).read_text(), f"{test} isn't there"


def test_faults_have_names_of_their_own() -> None:
    assert len({planted.name for planted in FAULTS}) == len(FAULTS)
    assert len({(planted.where, planted.before, planted.after) for planted in FAULTS}) == len(FAULTS)


def test_a_fault_is_planted_wherever_its_function_is(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "gate.py").write_text(GATE)
    planted = plant(fault(), tmp_path)
    assert planted.path == tmp_path / "deep" / "gate.py"
    assert planted.text == GATE.replace("hour >= 8", "True", 1)
    assert planted.path.read_text() == GATE, "nothing is written"


@pytest.mark.parametrize(
    ("stale", "said"),
    [
        pytest.param(fault(before="hour > 8"), "occurs 0 times (nowhere)", id="text gone"),
        pytest.param(fault(where="Gate.opens"), "occurs 0 times (nowhere)", id="function gone"),
        pytest.param(fault(where="Gate", before="hour"), "occurs 2 times (gate.py, gate.py)", id="twice"),
        pytest.param(fault(after="return"), "gate.py with this fault isn't valid Python", id="no Python"),
    ],
)
def test_a_fault_without_a_place_is_an_error(tmp_path: Path, stale: Fault, said: str) -> None:
    (tmp_path / "gate.py").write_text(GATE)
    with pytest.raises(ToolError) as error:
        plant(stale, tmp_path)
    assert "fault gate" in str(error.value)
    assert said in str(error.value)


def test_words_choose_by_name() -> None:
    assert {planted.name for planted in choose(["stamp-u", "expiry"])} == {"stamp-uid", "expiry"}
    assert choose([]) == list(FAULTS)
    with pytest.raises(ToolError, match=r"No fault has 'moon' in its name. The faults are: stamp-generation, "):
        choose(["stamp", "moon"])


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Give a small project with the product's name, whose processes a test looks at too."""
    files = {
        "operator/tenure/__init__.py": "",
        "operator/tenure/gate.py": GATE,
        "pytest.ini": "[pytest]",
        "tests/test_gate.py": """
            import subprocess
            import sys

            import pytest
            from tenure.gate import Gate


            def test_day():
                assert Gate().is_open(12)


            def test_night():
                assert not Gate().is_open(3)


            def test_night_in_a_process():
                program = "from tenure.gate import Gate; print(Gate().is_open(3))"
                assert subprocess.check_output([sys.executable, "-c", program], text=True, env={}) == "False\\n"


            @pytest.fixture
            def night():
                assert not Gate().is_open(3)


            def test_fixture(night):
                pass


            def test_skipped():
                pytest.skip("today")


            def test_fails():
                assert Gate().is_open(3)
        """,
    }
    for name, text in files.items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    (tmp_path / "copy" / "dev").symlink_to(CHECKOUT / "dev")
    return Copy(tmp_path / "copy", make_python(tmp_path / "venv", tmp_path / "copy"))


@pytest.mark.parametrize(
    ("test", "caught"),
    [
        pytest.param("test_night", True, id="caught"),
        pytest.param("test_night_in_a_process", True, id="caught in a process that the test starts"),
        pytest.param("test_day", False, id="survives"),
        pytest.param("test_fixture", False, id="only a fixture fails"),
    ],
)
def test_a_fault_is_caught_if_a_test_fails(copy: Copy, tmp_path: Path, test: str, *, caught: bool) -> None:
    one = fault(test=f"tests/test_gate.py::{test}")
    check_baseline(copy, [one], tmp_path)
    assert try_fault(copy, one, tmp_path).caught_by == (one.caught_by[0] if caught else None)
    assert (copy.package / "gate.py").read_text() == GATE, "the fault is taken out again"


@pytest.mark.parametrize("test", ["test_skipped", "test_fails", "test_nowhere"])
def test_a_test_that_does_not_pass_without_a_fault_proves_nothing(copy: Copy, tmp_path: Path, test: str) -> None:
    with pytest.raises(ToolError, match=f"these tests must pass.*\n.*::{test}"):
        check_baseline(copy, [fault(test=f"tests/test_gate.py::{test}")], tmp_path)


def test_a_copy_is_of_the_files_as_they_are_and_is_what_runs(tmp_path: Path) -> None:
    copy = Copy.of(CHECKOUT, tmp_path)
    assert (copy.package / "domain" / "validity.py").read_text() == (PACKAGE / "domain" / "validity.py").read_text()
    assert not (tmp_path / ".venv").exists()
    copy.check()


def test_a_copy_that_is_not_what_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="isn't what runs"):
        Copy(tmp_path, Path(sys.executable)).check()
