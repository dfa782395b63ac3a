"""What databricks-bundles has against a bundle's files: {file: {kind: {name: resource}}} in, {file: sentence} out.

Runs in an environment of local/checks.
"""

import json
import sys

from databricks.bundles.jobs import Job
from databricks.bundles.pipelines import Pipeline

CLASSES = {"jobs": Job, "pipelines": Pipeline}

wrong = {}
for file, resources in json.load(sys.stdin).items():
    try:
        for kind, named in resources.items():
            for resource in named.values():
                CLASSES[kind].from_dict(resource)
    except (ValueError, TypeError) as error:
        wrong[file] = str(error)
json.dump(wrong, sys.stdout)
