"""Write docs/VERIFICATION.md: each claim with its proofs and their recorded results, so that the page cannot lie.

`docs/claims.yaml` has the claims, `docs/results.json` the results of their proofs. Only a run with RETAILFLOW_RECORD=1
writes results. The name of a proof is the command after `./retailflow`: `test tests/unit/test_raw.py`,
`test --full tests/laws/test_thirty_days.py`, `check bundle`.
"""

import hashlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

KINDS = {"run": "run here", "stand-in": "checked against a schema or a stand-in"}
NOT_RUN = {"azure": "**not yet run in Azure**", "none": "**not run**"}
_HEAD = """\
# Verification

This page lists each claim, how far it has been shown, and its proofs. `./retailflow verification` writes it from
[claims.yaml](claims.yaml) and [results.json](results.json). A claim is *not shown*, whatever claims.yaml says, if a
proof failed or has no result. *Changed since* means that the test file has changed since the recorded run.

A proof is a command after `./retailflow`. A run with `RETAILFLOW_RECORD=1` records its result. `./retailflow check
verification` fails if this page does not match the two files.
"""


def is_recording() -> bool:
    return os.environ.get("RETAILFLOW_RECORD") == "1"


def record(root: Path, outcomes: Mapping[str, Counter[str]]) -> None:
    """Store how many tests of each proof `passed`, `failed` and were `skipped`, with the commit and the date."""
    path = root / "docs" / "results.json"
    proofs = {proof for found in _claims(root).values() for claim in found for proof in claim.get("proofs", ())}
    known = {proof: result for proof, result in json.loads(path.read_text()).items() if proof in proofs}
    head = ["git", "rev-parse", "--short=7", "HEAD"]
    commit = subprocess.run(head, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    for proof, counts in ((proof, counts) for proof, counts in outcomes.items() if proof in proofs):
        seen = {kind: counts[kind] for kind in ("passed", "failed", "skipped") if counts[kind]}
        known[proof] = seen | {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit, "tests": _digest(root, proof)}
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def outputs(root: Path) -> dict[Path, str]:
    """Return the text of the generated file by its path. Raises: ValueError for a claim of an unknown form."""
    results = json.loads((root / "docs" / "results.json").read_text())
    lines = [_HEAD]
    for title, found in _claims(root).items():
        rows = (_row(root, claim, results) for claim in found)
        lines += [f"## {title}", "", "| claim | how far | proof |", "|---|---|---|", *rows, ""]
    return {root / "docs" / "VERIFICATION.md": "\n".join(lines)}


def _claims(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the claims by the title of their group."""
    return yaml.safe_load((root / "docs" / "claims.yaml").read_text())


def _row(root: Path, claim: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> str:
    kind, proofs = claim["kind"], claim.get("proofs", [])
    if kind not in (KINDS if proofs else NOT_RUN):
        allowed = f"{', '.join(KINDS)} with proofs, {', '.join(NOT_RUN)} without"
        raise ValueError(f"docs/claims.yaml: {claim['claim']!r} is {kind}; allowed are {allowed}")
    if not proofs:
        return f"| {claim['claim']} | {NOT_RUN[kind]} | {claim['why']} |"
    is_shown = all(results.get(proof, {}).get("passed") and "failed" not in results[proof] for proof in proofs)
    far = KINDS[kind] if is_shown else f"**not shown**; meant: {KINDS[kind]}"
    return f"| {claim['claim']} | {far} | {'<br/>'.join(_said(root, proof, results.get(proof)) for proof in proofs)} |"


def _said(root: Path, proof: str, result: Mapping[str, Any] | None) -> str:
    digest = _digest(root, proof)
    if result is None:
        return f"`{proof}`: **no result**"
    counts = ", ".join(f"{result[kind]} {kind}" for kind in ("passed", "failed", "skipped") if kind in result)
    changed = "" if result["tests"] == digest else ", **changed since**"
    return f"`{proof}`: {counts} ({result['date']}, {result['commit']}{changed})"


def _digest(root: Path, proof: str) -> str:
    """Return a digest of a proof's test file; empty for a check. Raises: ValueError if the file does not exist."""
    path = root / proof.rpartition(" ")[2]
    if proof.startswith("check "):
        return ""
    if not path.is_file():
        raise ValueError(f"docs/claims.yaml: there is no {path.relative_to(root)}")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
