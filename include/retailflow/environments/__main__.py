"""`python -m retailflow.environments [NAME…]`: says what is wrong with these, by default with the one that is chosen.

An Airflow with a broken environment loads no DAG and tells nobody. So its image asks, when it is built and at each
start.
"""

import sys

from retailflow.environments import SettingsError, load_environment

try:
    for name in sys.argv[1:] or [""]:
        load_environment(name)
except SettingsError as error:
    sys.exit(f"retailflow: {error}")
