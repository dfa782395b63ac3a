"""Draw which packages and folders import which in docs/ARCHITECTURE.md, from the imports themselves.

An arrow points from the importing package to the imported one. Packages have an order of floors; arrows may only point
to lower floors.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGES = {  # name: folder of its modules; the lowest floor first
    "retailflow": Path("include/retailflow"),
    "retailflow_spark": Path("spark_jobs/retailflow_spark"),
    "retailflow_airflow": Path("plugins/retailflow_airflow"),
    "retailflow_local": Path("local/retailflow_local"),
    "retailflow_delivery": Path("delivery/retailflow_delivery"),
}
FLOORS = ("delta", "job", "bronze", "silver", "gold", "publish", "privacy", "ops")  # of retailflow_spark, lowest first
_BEGIN, _END = "<!-- {name}: written by ./retailflow contracts schemas -->", "<!-- end of {name} -->"

Arrows = set[tuple[str, str]]


def packages(root: Path) -> Arrows:
    """Return the imports between packages, as pairs (importing, imported)."""
    found = ((name, imported) for name, folder in PACKAGES.items() for imported in _imports(root / folder))
    return {(name, head) for name, imported in found if (head := imported.split(".")[0]) in PACKAGES and head != name}


def floors(root: Path) -> Arrows:
    """Return the imports between folders of `retailflow_spark`, as pairs (importing, imported)."""
    package = root / PACKAGES["retailflow_spark"]
    found = set()
    for floor in FLOORS:
        for imported in _imports(package / floor):
            parts = imported.split(".")
            if parts[0] == "retailflow_spark" and len(parts) > 1 and parts[1] != floor:
                found.add((floor, parts[1]))
    return found


def upward(arrows: Arrows, order: tuple[str, ...]) -> list[str]:
    """Return the arrows that do not point downward, as sentences."""
    level = {name: number for number, name in enumerate(order)}
    return [
        f"{name} imports {other}, which is above it"
        if other in level
        else f"{name} imports {other}, which has no floor"
        for name, other in sorted(arrows)
        if level.get(other, len(order)) >= level[name]
    ]


def circle(root: Path, package: str) -> list[str]:
    """Return the modules of a cycle of module-level imports; empty if there is none."""
    folder = root / PACKAGES[package]
    modules = {f"{package}.{'.'.join(path.relative_to(folder).with_suffix('').parts)}": path for path in _files(folder)}
    graph = {name: {one for one in _imports_of(path, at_top=True) if one in modules} for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def outputs(root: Path) -> dict[Path, str]:
    """Return the pages with a drawing of the structure: the text of each by its path."""
    path = root / "docs" / "ARCHITECTURE.md"
    text = path.read_text("utf-8")
    text = _replaced(text, "packages", _drawing(packages(root), tuple(PACKAGES)))
    return {path: _replaced(text, "floors of retailflow_spark", _drawing(floors(root), FLOORS))}


def _drawing(arrows: Arrows, order: tuple[str, ...]) -> str:
    lines = [f"  {name}" for name in reversed(order)]
    lines += [f"  {name} --> {other}" for name, other in sorted(arrows, key=lambda one: (-order.index(one[0]), one))]
    return "\n".join(("```mermaid", "flowchart TD", *lines, "```"))


def _replaced(text: str, name: str, drawing: str) -> str:
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    before, rest = text.split(begin)
    return f"{before}{begin}\n{drawing}\n{end}{rest.split(end)[1]}"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.py") if path.name != "__init__.py")


def _imports(folder: Path) -> set[str]:
    return {imported for path in folder.rglob("*.py") for imported in _imports_of(path)}


def _imports_of(path: Path, *, at_top: bool = False) -> set[str]:
    """Return the modules that a file imports: both `a.b` and `a.b.c` for `from a.b import c`; c may be a module."""
    tree = ast.parse(path.read_text("utf-8"))
    found: set[str] = set()
    for node in tree.body if at_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
