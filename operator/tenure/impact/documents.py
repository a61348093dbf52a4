"""Parse the YAML and JSON of a file as kubectl does. A file that two parsers could read differently is an error."""

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import yaml

from tenure.domain.resources.base import GROUP
from tenure.impact.errors import BadInputError

RENDER = (
    "Render it first, with kustomize build or helm template, and give the rendered manifests. Or name only the folder "
    "of your organizations: with --base and --head of tenure impact, or with --repo of kubectl tenure history."
)

# Other bytes than the group's name can mean it: an escape, a tag such as !!binary, a template, or a variable.
_MAY_HOLD_OURS = re.compile(re.escape(GROUP.encode()) + rb"|[\\!]|\{\{|\$\{")
_TEMPLATE = re.compile(r"\{\{|\{%")
# kubectl splits a file at lines that begin with three dashes, and drops the rest of that line and what follows dots.
_ODD_SEPARATOR = re.compile(r"^(---(?![ \t\r]*(#.*)?$)|\.\.\.|%)", re.MULTILINE)
_LARGE_FILE = b"version https://git-lfs.github.com/spec/"
_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class Opaque:
    """A value with a tag, for example `!!binary`, which JSON doesn't have."""


def parse_documents(name: str, content: bytes, *, always: bool = False) -> list[Any]:
    """Return the documents of a file. It is empty if the file can't hold an object of Tenure's, unless `always`.

    Raises:
        BadInputError: the file isn't valid YAML or JSON in UTF-8, or it is a template.
    """
    if content.startswith(_LARGE_FILE):
        raise BadInputError(f"{name}: the file is in Git LFS, and this is only its pointer. Take it out of Git LFS.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name}: the file isn't UTF-8: {error}. Save it as UTF-8.") from error
    if "\0" in text:
        raise BadInputError(f"{name}: the file has NUL characters, as UTF-16 has. Save it as UTF-8.")
    if not always and not _MAY_HOLD_OURS.search(content):
        return []
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if _TEMPLATE.search(text):
            raise BadInputError(f"{name}: the file is a template. {RENDER}") from error
        raise BadInputError(f"{name}: invalid YAML: {' '.join(str(error).split())}") from error


def check_separators(name: str, content: bytes) -> None:
    """Check that kubectl splits a file into the same documents as a YAML parser.

    Raises:
        BadInputError: it doesn't.
    """
    if found := _ODD_SEPARATOR.search(content.decode("utf-8-sig")):
        line = content.decode("utf-8-sig").count("\n", 0, found.start()) + 1
        raise BadInputError(
            f"{name}: line {line}: kubectl and YAML read this line differently. Separate manifests with a line that "
            "has only ---"
        )


class _Loader(yaml.SafeLoader):
    """A YAML loader that rejects duplicate keys, of which YAML would silently take the last.

    Times stay text, as in the Kubernetes API.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        given: set[Hashable] = set()
        for key_node, _ in node.value:
            # The base class refuses a key that isn't hashable, such as a list.
            if key_node.tag == _MERGE or not isinstance(key := self.construct_object(key_node, deep=True), Hashable):
                continue
            if key in given:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", node.start_mark)
            given.add(key)
        return super().construct_mapping(node, deep)


def _opaque(_loader: yaml.SafeLoader, _suffix: str, _node: yaml.Node) -> Opaque:
    return Opaque()


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# What kubectl's parser takes for a truth value or a number, and PyYAML for text.
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)
_Loader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}
for _tag in ("binary", "omap", "pairs", "set", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", lambda *_: Opaque())
_Loader.add_multi_constructor("", _opaque)


def nested(value: Any) -> Iterator[Mapping[Any, Any]]:
    """Yield every mapping inside of a value."""
    seen: set[int] = set()
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping | list):
            if id(one) in seen:
                continue  # An anchor is the same value wherever it is used.
            seen.add(id(one))
            left += one.values() if isinstance(one, Mapping) else one
        if isinstance(one, Mapping) and one is not value:
            yield one
