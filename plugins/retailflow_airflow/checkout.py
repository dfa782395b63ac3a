"""Finds the files that are not part of a package: dbt's project, and the tests of live tables."""

import os
from pathlib import Path

# The image sets the variable, because its packages are installed. A laptop imports them from the checkout itself.
ROOT = Path(os.environ.get("RETAILFLOW_CHECKOUT") or Path(__file__).parents[2])
