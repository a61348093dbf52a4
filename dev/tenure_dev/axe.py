"""axe-core, which judges whether a page is accessible. `make e2e-mail` runs it in a browser."""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.paths import cache_folder

VERSION = "4.14.1"
_CHECKSUM = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_FILE = "package/axe.min.js"


def find_or_fetch() -> Path:
    """Return the script, and get its package with npm first if it isn't there.

    Raises `ToolError` if npm fails or the script isn't the pinned one.
    """
    script = cache_folder() / "axe-core" / VERSION / "axe.min.js"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=script.parent) as scratch:
            # A rename, so that another run never finds an incomplete file.
            _fetch(Path(scratch)).replace(script)
    return script


def _fetch(folder: Path) -> Path:
    try:
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolError(f"axe-core {VERSION} can't be fetched, because npm can't be started: {error}") from error
    if result.returncode:
        raise ToolError(f"axe-core {VERSION} can't be fetched with npm:\n{result.stderr.strip()}")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        package.extract(_FILE, folder, filter="data")
    script = folder / _FILE
    found = hashlib.sha256(script.read_bytes()).hexdigest()
    if found != _CHECKSUM:
        raise ToolError(f"axe-core {VERSION}: the script has the checksum {found} instead of {_CHECKSUM}")
    return script
