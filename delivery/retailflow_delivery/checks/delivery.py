"""Check the delivery: generated files, the Databricks bundle, workflows, images."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from retailflow_delivery import bi, bundle, dbt_sources, schemas, structure, verification
from retailflow_delivery.checks import Check, Failed, diagrams, stale, tools


class Delivery:
    def __init__(self, root: Path) -> None:
        self.root = root

    def checks(self) -> list[Check]:
        return [
            Check("types", self.types),
            Check("schemas", self.schemas),
            Check("bundle", self.bundle),
            Check("actionlint", self.actionlint),
            Check("zizmor", self.zizmor),
            Check("hadolint", self.hadolint),
            Check("compose", self.compose),
            Check("diagrams", self.diagrams),
            Check("verification", self.verification),
        ]

    def types(self) -> str:
        """Check the types of the code that jobs and Airflow share. Spark's types are too weak to check the jobs."""
        options = ("--strict", "--ignore-missing-imports", "--no-incremental", "--python-executable", sys.executable)
        return self._run(*tools.mypy(), *options, "include/retailflow")

    def schemas(self) -> str:
        """Check that the files for producers, dbt and BI tools match the contracts and metrics."""
        wanted = (
            schemas.outputs(self.root)
            | dbt_sources.outputs(self.root)
            | bi.outputs(self.root)
            | structure.outputs(self.root)
        )
        if found := stale(self.root, wanted):
            raise Failed(f"{', '.join(found)}: not what the contracts say. Run ./retailflow contracts schemas.")
        return f"{len(wanted)} files"

    def bundle(self) -> str:
        """Check that jobs and pipeline match the contracts, and that Databricks knows their fields in each target."""
        wanted, problems = bundle.outputs(self.root), []
        if found := stale(self.root, wanted):
            problems.append(f"{', '.join(found)}: not what the contracts say. Run ./retailflow bundle.")
        targets = tuple(yaml.safe_load((self.root / "databricks.yml").read_text())["targets"])
        if targets != bundle.TARGETS:
            problems.append(f"databricks.yml: has the targets {', '.join(targets)}, not {', '.join(bundle.TARGETS)}")
        result = subprocess.run([*tools.bundles(), str(self.root)], capture_output=True, text=True, check=False)
        if result.returncode:
            raise Failed(f"databricks-bundles gave no answer: {result.stderr[-500:]}")
        problems += [f"{name}: {sentence}" for name, sentence in json.loads(result.stdout).items()]
        if problems:
            raise Failed("\n".join(problems))
        return f"{len(targets)} targets of the same {len(wanted) - 1} files"

    def actionlint(self) -> str:
        """Check that workflows are well formed, with valid expressions and shell lines."""
        return self._run(*tools.actionlint(), "-no-color", "-shellcheck=", "-pyflakes=", *self._workflows())

    def zizmor(self) -> str:
        """Check that workflows expose no secret and grant no unnecessary permission."""
        return self._run(*tools.zizmor(), "--offline", "--quiet", "--color=never", *self._workflows())

    def hadolint(self) -> str:
        return self._run(*tools.hadolint(), "--no-color", "Dockerfile")

    def compose(self) -> str:
        """Check that Docker Compose knows all keys and values. This does not check that the services fit together."""
        return self._run(*tools.compose(), "docker-compose.yaml")

    def diagrams(self) -> str:
        """Check that GitHub's version of Mermaid can draw each diagram in Markdown, in a real browser."""
        return diagrams.draw(self.root, tools.mermaid(), tools.chromium())

    def verification(self) -> str:
        """Check that the page of claims matches the claims and the recorded results."""
        try:
            found = stale(self.root, verification.outputs(self.root))
        except ValueError as error:
            raise Failed(str(error)) from error
        if found:
            raise Failed(f"{', '.join(found)}: not what was recorded. Run ./retailflow verification.")
        return ""

    def _workflows(self) -> list[str]:
        found = sorted((self.root / ".github" / "workflows").glob("*.yml"))
        if not found:
            raise Failed(".github/workflows: there is no workflow")
        return [str(path.relative_to(self.root)) for path in found]

    def _run(self, *command: str) -> str:
        result = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        if result.returncode:
            raise Failed((result.stdout if command[-1] != "docker-compose.yaml" else "") + result.stderr)
        return ""
