"""Checks of what is delivered and how: written files, the Databricks bundle, workflows, images."""

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
        """What jobs and Airflow share is typed, strictly. The jobs themselves wait for better types of Spark's."""
        options = ("--strict", "--ignore-missing-imports", "--no-incremental", "--python-executable", sys.executable)
        return self._run(*tools.mypy(), *options, "include/retailflow")

    def schemas(self) -> str:
        """What producers, dbt and BI tools have of contracts and metrics is current."""
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
        """Jobs and pipeline are those of the contracts, and Databricks knows all their fields, in each target."""
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
        """Workflows are well formed, and their expressions and shell lines make sense."""
        return self._run(*tools.actionlint(), "-no-color", "-shellcheck=", "-pyflakes=", *self._workflows())

    def zizmor(self) -> str:
        """Workflows give away no secret and no right that they need not."""
        return self._run(*tools.zizmor(), "--offline", "--quiet", "--color=never", *self._workflows())

    def hadolint(self) -> str:
        return self._run(*tools.hadolint(), "--no-color", "Dockerfile")

    def compose(self) -> str:
        """Keys and values are those that Docker Compose knows; whether services fit together is not asked."""
        return self._run(*tools.compose(), "docker-compose.yaml")

    def diagrams(self) -> str:
        """Each diagram in Markdown can be drawn, by the Mermaid that GitHub has, in a real browser."""
        return diagrams.draw(self.root, tools.mermaid(), tools.chromium())

    def verification(self) -> str:
        """The page of claims is what claims and recorded results say."""
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
