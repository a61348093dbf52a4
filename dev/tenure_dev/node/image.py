"""Tenure's image, as an archive that the node imports."""

import os
import shutil
import subprocess
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.image.build import build_image
from tenure_dev.node.machine import UnfitError
from tenure_dev.paths import CHECKOUT

VARIABLE = "TENURE_IMAGE_ARCHIVE"
BUILT = CHECKOUT / ".cache" / "node-image.tar"


def find_or_build_image() -> Path:
    """Return the archive that `$TENURE_IMAGE_ARCHIVE` names, or else build the image of this checkout.

    Raises `UnfitError` if the image can't be built here.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).absolute()
    if not shutil.which("docker") and not shutil.which("buildah"):
        subprocess.run([CHECKOUT / "dev" / "apt-install", "buildah", "mmdebstrap"], check=False)
    try:
        build_image(BUILT)
    except ToolError as error:
        raise UnfitError(f"Tenure's image can't be built: {error}") from error
    return BUILT
