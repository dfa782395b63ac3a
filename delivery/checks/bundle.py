"""Print the errors of the bundle below a folder on standard output, as JSON: {place: sentence}.

The script reads the files as YAML 1.2, as the Databricks CLI does. It inserts each target's variables and parses every
resource with databricks-bundles. It runs in an environment of delivery/checks.
"""

import json
import re
import sys
from pathlib import Path

from databricks.bundles.dashboards import Dashboard
from databricks.bundles.jobs import Job
from databricks.bundles.pipelines import Pipeline
from ruamel.yaml import YAML

CLASSES = {"dashboards": Dashboard, "jobs": Job, "pipelines": Pipeline}
GIVEN = {"bundle.target": "", "var.release": "0.1.0+g0", "var.jobs_principal": "0", "var.clock": "PAUSED"}
REFERENCE = re.compile(r"\$\{([a-z_.]+)\}")


def filled(value, values):
    """Return the value with its references replaced. A text that is only a reference gets the variable's own type."""
    if isinstance(value, dict):
        return {key: filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    if not isinstance(value, str):
        return value
    if whole := REFERENCE.fullmatch(value):
        return values[whole[1]]
    return REFERENCE.sub(lambda found: str(values[found[1]]), value)


root, wrong = Path(sys.argv[1]), {}
yaml = YAML(typ="safe", pure=True)
declared = yaml.load(root / "databricks.yml")
files = {path.name: yaml.load(path) for path in sorted((root / "resources").glob("*.yml"))}
for target, given in files["targets.yml"]["targets"].items():
    variables, added = given["variables"], given.get("resources", {})
    for name in variables.keys() - declared["variables"].keys():
        wrong[f"targets.yml: {target}"] = f"databricks.yml declares no variable {name}"
    for name, value in variables.items():
        if isinstance(value, int | float):
            wrong[f"targets.yml: {target}"] = f"YAML 1.2 reads {name} as a number: quote it"
    values = {**GIVEN, "bundle.target": target, **{f"var.{name}": value for name, value in variables.items()}}
    for file, document in files.items():
        for kind, named in document.get("resources", {}).items():
            for name, resource in named.items():
                whole = resource | added.get(kind, {}).get(name, {})
                try:
                    CLASSES[kind].from_dict(filled(whole, values))
                except KeyError as error:
                    wrong[f"{file}: {name}"] = f"the target {target} has no value for {error.args[0]}"
                except (ValueError, TypeError) as error:
                    wrong[f"{file}: {name}"] = str(error)
json.dump(wrong, sys.stdout)
