"""What the launcher asks before the environment exists: which groups to install, and does the environment still fit.

Prints the stamp of the environment that fits this checkout and machine; its first word is the groups, joined by commas.
Standard library only.
"""

import hashlib
import platform
import sys
from pathlib import Path

from retailflow_local.toolchain import missing_groups


def stamp(root: Path, groups: list[str], python_version: str) -> str:
    """Differs when the lock, the project file, the Python, the groups or the place of the checkout differ.

    The place counts because the scripts of a virtual environment name it.
    """
    files = [(root / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    digest = hashlib.sha256()
    for part in (bytes(root), python_version.encode(), *files):
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"{','.join(groups) or 'none'} {digest.hexdigest()}"


def groups(installed: str) -> list[str]:
    """Those that are needed, with those that are there: another shell may need what this one has by itself."""
    return sorted({*missing_groups(), *installed.split(",")} - {"", "none"})


if __name__ == "__main__":
    root, installed = sys.argv[1:]
    print(stamp(Path(root), groups(installed), platform.python_version()))
