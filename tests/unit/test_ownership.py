"""The list of the jobs' statements that only the owner of a table or view may issue is complete."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ownership import needs_ownership

from retailflow_local.workspace import REPOSITORY

# The deployer, as which govern.py runs, owns the functions and policies of privacy.py. A job tags its own tables.
CONTRACTS = REPOSITORY / "include" / "retailflow" / "contracts"
FILES = [*(REPOSITORY / "spark_jobs").rglob("*.py"), CONTRACTS / "ddl.py", CONTRACTS / "privacy.py"]


def statements(path: Path) -> Iterator[str]:
    """Yield the string literals of a module, with `…` in place of each value."""
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def test_the_statements_that_need_ownership_are_these():
    found = {
        (path.name, re.match(r"[A-Z …]+", statement)[0].strip(" …"))
        for path in FILES
        for statement in statements(path)
        if needs_ownership(statement)
    }
    assert found == {
        ("ddl.py", "ALTER TABLE … ADD CONSTRAINT … CHECK"),
        ("ddl.py", "ALTER TABLE … DROP CONSTRAINT IF EXISTS"),
        ("ddl.py", "CREATE OR REPLACE VIEW"),  # gold.*
        ("privacy.py", "ALTER TABLE … ALTER COLUMN … SET TAGS"),
        ("release.py", "ALTER VIEW"),  # gold_build.released
        ("schema.py", "CREATE OR REPLACE VIEW … COMMENT"),  # the views of ops.runs
    }
