"""`python -m retailflow.environments [NAME…]`: validate these environments, by default the one that is chosen.

Airflow with an invalid environment loads no DAG and alerts nobody. So its image runs this at build and at each start.
"""

import sys

from retailflow.environments import SettingsError, load_environment

try:
    for name in sys.argv[1:] or [""]:
        load_environment(name)
except SettingsError as error:
    sys.exit(f"retailflow: {error}")
