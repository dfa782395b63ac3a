"""docs/VERIFICATION.md shows for each claim what was recorded, and no more."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from retailflow_delivery.verification import outputs, record

CLAIMS = """
Laws:
  - {claim: it rains, kind: run, proofs: [test tests/test_rain.py, check sky]}
  - {claim: it snows, kind: azure, why: it is summer}
"""
RAIN = "test tests/test_rain.py"


@pytest.fixture
def root(tmp_path) -> Path:
    for folder in ("docs", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "docs" / "claims.yaml").write_text(CLAIMS)
    (tmp_path / "docs" / "results.json").write_text("{}")
    (tmp_path / "tests" / "test_rain.py").write_text("")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], [*author, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def page(root: Path) -> str:
    (text,) = outputs(root).values()
    return text


def row(root: Path, claim: str) -> str:
    return next(line for line in page(root).splitlines() if line.startswith(f"| {claim} "))


def test_a_claim_without_a_result_is_not_shown(root):
    record(root, {"check sky": Counter(passed=1)})
    assert row(root, "it rains").startswith("| it rains | **not shown**; meant: run here | ")
    assert f"`{RAIN}`: **no result**" in row(root, "it rains")


@pytest.mark.parametrize("counts", [Counter(passed=3, failed=1), Counter(skipped=2)])
def test_a_claim_whose_proof_failed_or_was_only_skipped_is_not_shown(root, counts):
    record(root, {"check sky": Counter(passed=1), RAIN: counts})
    assert "**not shown**" in row(root, "it rains")


def test_a_claim_whose_proofs_passed_says_when_and_at_which_commit(root):
    record(root, {"check sky": Counter(passed=1), RAIN: Counter(passed=3, skipped=1), "test tests/other.py": Counter()})
    results = json.loads((root / "docs" / "results.json").read_text())
    assert results.keys() == {"check sky", RAIN}
    seen = results[RAIN]
    assert row(root, "it rains").startswith("| it rains | run here | ")
    assert f"`{RAIN}`: 3 passed, 1 skipped ({seen['date']}, {seen['commit']})" in row(root, "it rains")


def test_a_proof_that_was_changed_after_its_run_is_marked(root):
    record(root, {"check sky": Counter(passed=1), RAIN: Counter(passed=1)})
    (root / "tests" / "test_rain.py").write_text("# another")
    assert "**changed since**" in row(root, "it rains")


def test_a_claim_that_was_not_run_says_why(root):
    assert row(root, "it snows") == "| it snows | **not yet run in Azure** | it is summer |"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("kind: run, proofs: [test tests/test_sun.py]", "there is no tests/test_sun.py"),
        ("kind: run, why: of course", "'it rains' is run; allowed are run, stand-in with proofs, azure, none without"),
        ("kind: azure, proofs: [check sky]", "'it rains' is azure"),
        ("kind: surely, proofs: [check sky]", "'it rains' is surely"),
    ],
)
def test_a_claim_of_another_form_is_refused(root, wrong, said):
    (root / "docs" / "claims.yaml").write_text(f"Laws:\n  - {{claim: it rains, {wrong}}}\n")
    with pytest.raises(ValueError, match=said):
        page(root)
