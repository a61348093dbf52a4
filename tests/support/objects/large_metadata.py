"""Labels and annotations that the schema lets through and that are too large, with words of the refusal."""

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

LARGE_METADATA: Mapping[str, tuple[Body, str]] = {
    "65 labels": ({"labels": {f"example.com/l{n}": "x" for n in range(65)}}, "65 labels, but at most 64 are allowed"),
    "5,000 labels": ({"labels": {f"example.com/l{n}": "x" for n in range(5000)}}, "5000 labels, but at most 64"),
    "9 kB of annotations": (
        {"annotations": {"example.com/a": "x" * 9_000}},
        "9013 bytes, but at most",
    ),
    "255 kB of annotations": ({"annotations": {"example.com/a": "x" * 255_000}}, "255013 bytes, but at most"),
    "Kopf's annotation of 250 kB": (
        {"annotations": {"kopf.zalando.org/last-handled-configuration": "x" * 250_000}},
        "bytes, but at most",
    ),
    "labels of 8.3 kB": (
        {"labels": {f"example.com/{n:063}": "x" * 63 for n in range(60)}},
        "metadata.labels: 8280 bytes, but at most 8192 are allowed",
    ),
    "finalizers of 3 kB": (
        {"finalizers": [f"example.com/{n:063}" for n in range(40)]},
        "metadata.finalizers: ",
    ),
}
MEBIBYTE_OF_LABELS = {f"example.com/{n:05}": "x" * 48 for n in range(16_000)}
MANY_LABELS = "metadata.labels: 16000 labels, but at most 64 are allowed"
