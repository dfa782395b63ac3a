"""What databricks-bundles has against a bundle's files: {file: {kind: {name: resource}}} in, {place: sentence} out.

Runs in an environment of local/checks.
"""

import json
import sys

from databricks.bundles.dashboards import Dashboard
from databricks.bundles.jobs import Job
from databricks.bundles.pipelines import Pipeline

CLASSES = {"dashboards": Dashboard, "jobs": Job, "pipelines": Pipeline}

wrong = {}
for file, resources in json.load(sys.stdin).items():
    for kind, named in resources.items():
        for name, resource in named.items():
            try:
                CLASSES[kind].from_dict(resource)
            except (ValueError, TypeError) as error:
                wrong[f"{file}: {name}"] = str(error)
json.dump(wrong, sys.stdout)
