"""Write a packaged chart as an OCI image layout, as a registry stores it."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def write_layout(chart: Path, target: Path) -> None:
    """Write the layout of a chart that `helm package` made, as one tar archive.

    `skopeo copy` and `oras cp` copy it into a registry, and Helm installs it from there.
    """
    content = chart.read_bytes()
    about = _about(chart)
    blobs: dict[str, bytes] = {}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _add(blobs, CONFIG, _json(about)),
        "layers": [_add(blobs, CONTENT, content)],
        "annotations": {
            "org.opencontainers.image.title": about["name"],
            "org.opencontainers.image.description": about["description"],
            "org.opencontainers.image.version": about["version"],
        },
    }
    # A tag can't have a plus sign. Helm writes it as an underscore, too.
    name = {"org.opencontainers.image.ref.name": about["version"].replace("+", "_")}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**_add(blobs, MANIFEST, _json(manifest)), "annotations": name}],
    }
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)} | blobs
    with tarfile.open(target, "w") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))


def _about(chart: Path) -> Mapping[str, Any]:
    """Return the chart's Chart.yaml."""
    with tarfile.open(chart) as archive:
        (name,) = [name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/Chart.yaml")]
        stream = archive.extractfile(name)
        about: Mapping[str, Any] = yaml.safe_load(stream.read() if stream else b"")
        return about


def _add(blobs: dict[str, bytes], kind: str, data: bytes) -> dict[str, object]:
    """Add a blob under its digest, and return the descriptor that names it."""
    digest = hashlib.sha256(data).hexdigest()
    blobs[f"blobs/sha256/{digest}"] = data
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
