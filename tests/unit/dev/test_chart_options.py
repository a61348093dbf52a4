"""The chart's values that set options: each is there, with the option's default or the one that it declares."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tenure.options import Field, Setting
from tenure_dev.chart import CHART
from tenure_dev.generate.arguments import COMPONENTS, chart_options

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def rows() -> Iterator[Any]:
    """Each value that sets an option, for each component that has it."""
    for component in COMPONENTS:
        for value, field in chart_options(component):
            yield pytest.param(value, field, id=f"{component} {field.flag}")


@pytest.mark.parametrize(("value", "field"), list(rows()))
def test_the_chart_has_the_default_of_the_option_or_the_declared_one(value: str, field: Field) -> None:
    assert isinstance(field.option, Setting)
    declared = field.option.chart_default
    default = list(field.default) if field.is_list else field.default
    assert declared != default, "leave chart_default out"
    assert found(value) == (default if declared is None else declared)


def found(value: str) -> Any:
    """The chart's default at a path such as `logs.level`."""
    node: Any = VALUES
    for key in value.split("."):
        assert isinstance(node, Mapping), f"values.yaml has no {value}"
        assert key in node, f"values.yaml has no {value}"
        node = node[key]
    return node
