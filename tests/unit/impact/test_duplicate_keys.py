"""The YAML loader of `tenure impact` finds duplicate keys, in a mapping of any size."""

from typing import Any

import pytest
import yaml

from tenure.impact.documents import _Loader


class _Key:
    """A mapping key that counts how often it is compared with another one."""

    comparisons = 0

    def __init__(self, text: str) -> None:
        self.text = text

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        type(self).comparisons += 1
        return isinstance(other, _Key) and self.text == other.text


class _CountingLoader(_Loader):
    pass


_CountingLoader.add_constructor("!key", lambda _, node: _Key(node.value))


def test_each_key_is_compared_a_few_times_at_most() -> None:
    keys = 1000
    loaded = yaml.load("".join(f"!key k{number}: 1\n" for number in range(keys)), Loader=_CountingLoader)
    assert len(loaded) == keys
    assert _Key.comparisons < 4 * keys


@pytest.mark.parametrize("text", ["{a: 1, b: 2, a: 3}", "{1: a, 0x1: b}", "a:\n  b: {c: 1, c: 2}"])
def test_a_duplicate_key_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="duplicate key"):
        yaml.load(text, Loader=_Loader)


@pytest.mark.parametrize("text", ["{[a]: 1}", "? {a: 1}\n: 2"])
def test_a_key_that_is_a_collection_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="unhashable key"):
        yaml.load(text, Loader=_Loader)


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("{a: {b: 1}, c: {b: 1}}", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &a {x: 1}\nb: {<<: *a, x: 2}", {"a": {"x": 1}, "b": {"x": 2}}),
    ],
)
def test_other_keys_are_read(text: str, loaded: dict[str, Any]) -> None:
    assert yaml.load(text, Loader=_Loader) == loaded
