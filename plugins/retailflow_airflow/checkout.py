"""Where the files are that travel beside the packages: dbt's project, and the tests of live tables."""

import os
from pathlib import Path

# The image names it, since its packages are installed; on a laptop they are imported from the checkout itself.
ROOT = Path(os.environ.get("RETAILFLOW_CHECKOUT") or Path(__file__).parents[2])
