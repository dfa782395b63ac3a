"""What databricks-bundles has against jobs: {name: job} in, {name: sentence} out.

Runs in an environment of local/checks.
"""

import json
import sys

from databricks.bundles.jobs import Job

wrong = {}
for name, job in json.load(sys.stdin).items():
    try:
        Job.from_dict(job)
    except (ValueError, TypeError) as error:
        wrong[name] = str(error)
json.dump(wrong, sys.stdout)
