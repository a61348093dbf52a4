"""The image that Tenure's image begins with: the official Python image, or one of Debian's packages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tenure_dev.errors import ToolError
from tenure_dev.image.engine import Engine
from tenure_dev.paths import CHECKOUT, cache_folder
from tenure_dev.web import NoAnswerError, answer

VARIABLE = "TENURE_IMAGE_BASE"
REGISTRY = "https://registry-1.docker.io/v2/"
SUITE = "trixie"
"""The Debian release whose Python is the one of the Dockerfile."""
MIRROR = "http://deb.debian.org/debian"


def choose_base(engine: Engine, architecture: str) -> str:
    """Return the image that the build begins with.

    `$TENURE_IMAGE_BASE` chooses `registry`, `debian` or `auto`. With `auto`, which is the default, Debian's packages
    are taken if the official image is neither here nor to be had.
    """
    chosen = os.environ.get(VARIABLE) or "auto"
    if chosen not in {"auto", "registry", "debian"}:
        raise ToolError(f"{VARIABLE} is {chosen!r}, and can be auto, registry or debian")
    # With the registry, because buildah searches for a short name only where its configuration says so.
    official = f"docker.io/library/python:{python_version()}-slim"
    if chosen == "registry" or (chosen == "auto" and engine.has(official, architecture)):
        return official
    if chosen == "auto":
        if (reason := _unreachable()) is None:
            return official
        print(f"image: no registry ({reason}), so its base is made of Debian's packages", file=sys.stderr)
    return _debian_base(engine, architecture)


def python_version() -> str:
    """Return the Dockerfile's Python, such as 3.13."""
    found = re.search(r"^ARG PYTHON=(\S+)$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise ToolError("the Dockerfile has no line `ARG PYTHON=`")
    return found[1]


def packages() -> list[str]:
    """Return Debian's packages for the base, apart from the essential ones."""
    return [f"python{python_version()}", "python3-pip", "ca-certificates", "netbase", "tzdata"]


def _unreachable() -> str | None:
    try:
        status, _ = answer(REGISTRY)
    except NoAnswerError as error:
        return str(error)
    # It wants a token, and whoever pulls gets one.
    return None if status in {200, 401} else f"{REGISTRY} answers with {status}"


def _debian_base(engine: Engine, architecture: str) -> str:
    """Make the base once. Remove the image to make it anew."""
    image = f"localhost/tenure-base:{SUITE}-python{python_version()}-{architecture}"
    if engine.has(image, architecture):
        return image
    if not shutil.which("mmdebstrap"):
        raise ToolError(
            "the image's base can't be made of Debian's packages without mmdebstrap. Install it (Debian and "
            f"Ubuntu: apt-get install mmdebstrap), or set {VARIABLE}=registry to pull the official image."
        )
    (cache_folder() / "image").mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache_folder() / "image") as scratch:
        archive = Path(scratch, "base.tar")
        options = ["--variant=minbase", f"--architectures={architecture}", f"--include={','.join(packages())}"]
        result = subprocess.run(["mmdebstrap", *options, SUITE, archive, MIRROR], stdout=sys.stderr, check=False)
        if result.returncode:
            raise ToolError("mmdebstrap failed. Its messages are above")
        engine.import_root(archive, image, architecture)
    return image
