"""Check the order in which Terraform creates resources, read from `terraform graph`.

Neither a plan nor a stub of a provider shows a missing edge: the first apply then fails, always or only sometimes.
"""

import re
from collections import defaultdict

_METASTORE = "module.databricks_account.terraform_data.has_metastore"
_PRINCIPALS = "module.databricks_account.terraform_data.has_principals"
_LOCATIONS = "module.databricks.databricks_external_location.this"
# A pattern of resource addresses, and the resource that must exist before them.
AFTER = (
    (r"module\.databricks\.databricks_\w+\.\w+", _METASTORE),
    (r"module\.databricks\.databricks_(permissions|grants|secret_acl|entitlements)\.\w+", _PRINCIPALS),
    (r"module\.databricks\.databricks_grants\.\w+", _LOCATIONS),
    (r"module\.databricks_account\.databricks_mws_permission_assignment\.\w+", _METASTORE),
    (re.escape(_METASTORE), "module.databricks_account.databricks_metastore_assignment.this"),
    (r"module\.networking\.azurerm_private_endpoint\.login", "module.networking.azurerm_private_endpoint.this"),
)
# A plan reads data sources even with -refresh=false, but the identity that plans a pull request may not read them.
_DATA = re.compile(r'^\s*"\[root\] (\S*\bdata\.databricks_\S+)', re.MULTILINE)
_EDGE = re.compile(r'"\[root\] (.+)" -> "\[root\] (.+)"')


def broken(graph: str) -> list[str]:
    """Return a sentence for each rule that the graph breaks."""
    needs = defaultdict(set)
    for line in graph.splitlines():
        if match := _EDGE.search(line):
            after, before = (node.removesuffix(" (expand)") for node in match.groups())
            needs[after].add(before)
    found = [f"{node}: a pull request's plan cannot read it; take a variable" for node in {*_DATA.findall(graph)}]
    for pattern, before in AFTER:
        resources = [node for node in needs if re.fullmatch(pattern, node)]
        found += [f"{node} does not wait for {before}" for node in resources if before not in _reached(needs, node)]
        if not resources:
            found.append(f"there is no {pattern}: change order.py")
    return found


def _reached(needs: dict[str, set[str]], node: str) -> set[str]:
    """Return all nodes that a node waits for, directly or indirectly."""
    reached, left = set[str](), [node]
    while left:
        new = needs.get(left.pop(), set()) - reached
        reached |= new
        left += new
    return reached
