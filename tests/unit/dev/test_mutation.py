"""The score of mutation testing is counted from what mutmut prints."""

import pytest

from tenure_dev.errors import ToolError
from tenure_dev.mutants.mutation import choose_modules, count_results, format_score

PRINTED = """\
    tenure.domain.validity.x_validity__mutmut_1: killed
    tenure.domain.validity.x_validity__mutmut_2: timeout
    tenure.domain.validity.x_expiry__mutmut_1: survived
    tenure.domain.planning.apikeys.xǁPlannerǁplan__mutmut_12: killed
    tenure.domain.planning.apikeys.x_fate__mutmut_1: no tests
    tenure.domain.planning.apikeys.x_fate__mutmut_2: segfault
"""

TABLE = """\
| module | mutants | killed | survived | no tests | timeout | other | score |
| --- | --: | --: | --: | --: | --: | --: | --: |
| planning.apikeys | 3 | 1 | 0 | 1 | 0 | 1 | 33% |
| validity | 3 | 1 | 1 | 0 | 1 | 0 | 67% |
| all | 6 | 2 | 1 | 1 | 1 | 1 | 50% |"""


def test_results_are_counted_by_module_and_a_timeout_is_noticed_too() -> None:
    assert format_score(count_results(PRINTED)) == TABLE


def test_nothing_has_no_score() -> None:
    assert format_score(count_results("")).splitlines()[-1] == "| all | 0 | 0 | 0 | 0 | 0 | 0 | - |"


def test_modules_are_chosen_by_their_path() -> None:
    assert choose_modules(["validity", "planning/ob"]) == [
        "src/tenure/domain/planning/observation.py",
        "src/tenure/domain/planning/obstacles.py",
        "src/tenure/domain/validity.py",
    ]
    assert "src/tenure/domain/tokens.py" in choose_modules([])
    with pytest.raises(ToolError, match="no module of tenure/domain has moon in its path"):
        choose_modules(["validity", "moon"])
