"""Check terraform/: format, arguments, tests, plans, known mistakes. No check connects to Azure or Databricks.

The checks work on a copy, so that they leave neither providers nor a lock file in the checkout. Providers come from a
mirror or from Terraform's registry. The mirror is the folder in RETAILFLOW_TERRAFORM_MIRROR, or
../shared/terraform-mirror beside the checkout.
"""

import json
import os
import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from retailflow_delivery import grants
from retailflow_delivery.checks import Check, Failed, Skipped, order, plans, stale, tools

MIRROR = "RETAILFLOW_TERRAFORM_MIRROR"
_READ = ("terraform", "include/retailflow/environments")
_STATE = (".terraform", "*.tfvars", "*.tfstate*")
_LOCK = ".terraform.lock.hcl"  # it has the registry's checksums; a mirror's files may have others


class Platform:
    """The checks on a copy of the files that Terraform reads, in an empty folder."""

    def __init__(self, root: Path, scratch: Path, from_registry: bool = False) -> None:
        self.root = root
        self.scratch = scratch
        self.from_registry = from_registry
        left_out = shutil.ignore_patterns(*_STATE, *(() if from_registry else (_LOCK,)))
        for part in _READ:
            shutil.copytree(root / part, scratch / part, ignore=left_out)

    def checks(self) -> list[Check]:
        return [
            Check("grants", self.grants),
            Check("terraform fmt", self.fmt),
            Check("terraform validate", self.validate),
            Check("terraform test", self.test),
            Check("terraform plans", self.plans),
            Check("terraform order", self.order),
            Check("tflint", self.tflint),
            Check("checkov", self.checkov),
        ]

    def grants(self) -> str:
        """Check that the files generated from the contracts' roles are current."""
        try:
            wanted = grants.outputs(self.root)
        except ValueError as error:
            raise Failed(str(error)) from error
        if found := stale(self.root, wanted):
            raise Failed(f"{', '.join(found)}: not what the contracts' roles say. Run ./retailflow grants.")
        return f"{len(grants.ROLES)} roles"

    def fmt(self) -> str:
        result = self._terraform("fmt", "-check", "-recursive", "-list=true")
        if result.returncode:
            names = " ".join(result.stdout.split())
            raise Failed(f"{names or result.stderr}: run terraform fmt -recursive terraform.")
        return ""

    def validate(self) -> str:
        self._init()
        _passed(self._terraform("validate", "-no-color"))
        return self._providers

    def test(self) -> str:
        summary = next(line["test_summary"] for line in self._tested if line["type"] == "test_summary")
        if summary["status"] != "pass":
            raise Failed("\n".join(map(_diagnostic, (line for line in self._tested if line["type"] == "diagnostic"))))
        return f"{summary['passed']} runs"

    def plans(self) -> str:
        """Check that the plans of dev, stg and prod keep the rules of plans.py."""
        planned = plans.planned(self._tested)
        guide = (self.root / "docs" / "DEPLOYMENT.md").read_text()
        if broken := [*plans.broken(planned), *plans.unregistered(planned, guide)]:
            raise Failed("\n".join(broken))
        return ", ".join(f"{name} {len(plan)} resources" for name, plan in planned.items())

    def order(self) -> str:
        """Check that Terraform creates resources after the ones that Databricks and Azure require first."""
        self._init()
        result = self._terraform("graph", "-type=plan")
        _passed(result)
        if broken := order.broken(result.stdout):
            raise Failed("\n".join(broken))
        return f"{len(order.AFTER)} rules"

    def tflint(self) -> str:
        _passed(self._run(*tools.tflint(), "--recursive", "--no-color"))
        return ""

    def checkov(self) -> str:
        options = ("--framework", "terraform", "--skip-download", "--quiet", "--compact", "--output", "json")
        result = self._run(*tools.checkov(), "--directory", ".", *options)
        try:
            report = json.loads(result.stdout)
            found, counts = report["results"]["failed_checks"], report["summary"]
        except (ValueError, KeyError, TypeError):
            raise Failed(f"checkov gave no report: {(result.stderr or result.stdout)[-500:]}") from None
        if found or counts["parsing_errors"]:
            lines = [f"{item['check_id']} {item['resource']}: {item['check_name']}" for item in found]
            raise Failed(
                "\n".join([*lines, *(f"{name}: not understood" for name in report["results"]["parsing_errors"])])
            )
        return f"{counts['passed']} passed, {counts['skipped']} skipped with a reason"

    def _init(self) -> None:
        """Fetch the providers once. Raises: Skipped if there are none; Failed if `terraform init` fails."""
        if (self.scratch / "terraform" / ".terraform" / "providers").exists():
            return
        if not self.from_registry and not _mirror(self.root).is_dir():
            raise Skipped(
                f"there are no Terraform providers: {MIRROR} names no folder, and {_mirror(self.root)} does not exist. "
                "With --registry they come from Terraform's registry."
            )
        # The real state is in Azure; a check needs no state.
        (self.scratch / "terraform" / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        _passed(self._terraform("init", "-no-color", "-input=false"))

    @property
    def _providers(self) -> str:
        return "providers of the registry" if self.from_registry else "providers of the mirror (Databricks' is a stub)"

    @cached_property
    def _tested(self) -> list[dict[str, Any]]:
        self._init()
        result = self._terraform("test", "-json", "-verbose")
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
        if not any(line["type"] == "test_summary" for line in lines):
            raise Failed("\n".join(map(_diagnostic, lines)) or result.stderr)
        return lines

    def _terraform(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        settings = "disable_checkpoint = true\n"
        if not self.from_registry:
            path = json.dumps(str(_mirror(self.root)))
            settings += f"provider_installation {{\n  filesystem_mirror {{\n    path = {path}\n  }}\n}}\n"
        (self.scratch / "terraform.rc").write_text(settings)
        return self._run(*tools.terraform(), *arguments, TF_CLI_CONFIG_FILE=str(self.scratch / "terraform.rc"))

    def _run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        # A check ignores variables that somebody set for a real plan, for example TF_VAR_… or TF_CLI_ARGS.
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "ARM_", "DATABRICKS_"))}
        folder = self.scratch / "terraform"
        return subprocess.run(command, cwd=folder, env=kept | settings, capture_output=True, text=True, check=False)


def _mirror(root: Path) -> Path:
    return Path(os.environ.get(MIRROR) or root.parent / "shared" / "terraform-mirror").absolute()


def _passed(result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode:
        raise Failed("\n".join(line for line in (result.stderr + result.stdout).splitlines() if line.strip(" ╷│╵")))


def _diagnostic(line: dict[str, Any]) -> str:
    found = line.get("diagnostic", {})
    place = found.get("range", {})
    where = f"{place['filename']}:{place['start']['line']}: " if place else ""
    return f"{where}{found.get('summary') or line.get('@message', '')}: {found.get('detail', '')}"
