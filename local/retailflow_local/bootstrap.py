"""Print the stamp of the environment that fits this checkout and machine.

The launcher compares it with that of the installed environment. Its first word is the dependency groups to install,
joined by commas. The environment may not exist yet, so this module imports only the standard library.
"""

import hashlib
import platform
import sys
from pathlib import Path

from retailflow_local.toolchain import missing_groups


def stamp(root: Path, groups: list[str], python_version: str) -> str:
    """Return a text that depends on the lock, the project file, the Python, the groups and the path of the checkout.

    The path counts because the scripts of a virtual environment contain it.
    """
    files = [(root / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    digest = hashlib.sha256()
    for part in (bytes(root), python_version.encode(), *files):
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"{','.join(groups) or 'none'} {digest.hexdigest()}"


def groups(installed: str) -> list[str]:
    """Return the needed groups and the installed ones: another shell may lack a tool that this one has by itself."""
    return sorted({*missing_groups(), *installed.split(",")} - {"", "none"})


if __name__ == "__main__":
    root, installed = sys.argv[1:]
    print(stamp(Path(root), groups(installed), platform.python_version()))
