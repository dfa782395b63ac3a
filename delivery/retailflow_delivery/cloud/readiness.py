"""Check that an environment in Azure is ready for its first run, and report the fix if it is not. Change nothing."""

from collections.abc import Callable, Iterable, Iterator

from azure.core.exceptions import AzureError
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.sql import StatementState

from retailflow.contracts import feeds
from retailflow.contracts.privacy import MASK, MASKED_SCHEMAS, classification_tag, classifications
from retailflow.release import FOLDER, Release
from retailflow_delivery.cloud import Cloud, secret_names
from retailflow_delivery.grants import SERVICE_PRINCIPALS, grants, schemas
from retailflow_local.doctor import Check
from retailflow_local.releases import version_of_checkout
from retailflow_local.workspace import REPOSITORY


class _NotReady(Exception):
    """The text says what is missing."""


def diagnose(cloud: Cloud) -> Iterator[Check]:
    """Run the checks in order. A check that gets no answer is broken; the others still run."""
    apply = "Run terraform apply (docs/DEPLOYMENT.md)"
    checks: dict[str, tuple[Callable[[Cloud], str], str]] = {
        "Sign-in": (_sign_in, "Run az login, and set DATABRICKS_HOST to the workspace's address."),
        "RAW": (
            _raw,
            "Run az login. You need Storage Blob Data Reader on the container, and a network that reaches the account.",
        ),
        "Secrets": (
            _secrets,
            f"{apply}, then az keyvault secret set --vault-name <vault> --name <name> --file <file>.",
        ),
        "Code": (_code, "Run the workflow deploy-dev or promote-environment."),
        "Warehouse": (_warehouse, "Put what `terraform output` calls warehouse_id into the environment file."),
        "Schemas": (_schemas, f"{apply}."),
        "Location": (_location, f"{apply}; you see it only with a privilege on it."),
        "Grants": (_grants, f"{apply}: it grants missing privileges and revokes extra ones."),
        "Policies": (
            _policies,
            f"Run databricks bundle run retailflow_govern --target {cloud.env.name}, as releases do.",
        ),
        "Tags": (
            _tags,
            "Start the job of the table, which sets them. If somebody changed a tag by hand, first run "
            "ALTER TABLE <catalog>.<table> UNSET TBLPROPERTIES ('retailflow.tagged').",
        ),
    }
    for name, (check, fix) in checks.items():
        try:
            yield Check(name, "ok", check(cloud))
        except (_NotReady, AzureError, DatabricksError, OSError) as error:
            said = str(error).strip().partition("\n")[0].rstrip(".")
            yield Check(
                name, "broken", said if isinstance(error, _NotReady) else f"{type(error).__name__}: {said}", fix
            )


def _sign_in(cloud: Cloud) -> str:
    return f"{cloud.workspace.current_user.me().user_name} at {cloud.workspace.config.host}"


def _raw(cloud: Cloud) -> str:
    """Check that RAW answers. An empty container is ready too: the first delivery of a feed creates its folder."""
    names = {contract.name for contract in feeds()}
    delivered = names & {path.name for path in cloud.raw.get_paths(recursive=False)}
    return f"{cloud.env.raw.root} answers; {len(delivered)} of {len(names)} feeds have delivered"


def _secrets(cloud: Cloud) -> str:
    scope, names = cloud.env.secret_scope, secret_names(cloud.env)
    _all_there(f"the scope {scope} lacks", names, (found.key for found in cloud.workspace.secrets.list_secrets(scope)))
    lacking = "" if cloud.env.raw.eraser else "; without raw.eraser nobody can be erased"
    return f"the scope {scope} has all {len(names)} that jobs read{lacking}"


def _code(cloud: Cloud) -> str:
    """Check that this checkout's release is deployed. Airflow and the jobs of the environment may use another one."""
    release = Release(version_of_checkout())
    there = sorted(entry.path for entry in cloud.workspace.workspace.list(FOLDER))
    if release.folder not in there:
        others = ", ".join(path.rpartition("/")[2] for path in there) or "none"
        raise _NotReady(f"the release of this checkout, {release.version}, is not deployed; there is {others}")
    scripts = [release.script(script.stem) for script in (REPOSITORY / "spark_jobs").glob("*.py")]
    wanted = [release.wheel, release.requirements, *scripts]
    folders = (release.folder, f"{release.folder}/spark_jobs")
    _all_there(
        "not deployed:", wanted, (entry.path for folder in folders for entry in cloud.workspace.workspace.list(folder))
    )
    return f"{len(wanted)} files at {release.folder}"


def _warehouse(cloud: Cloud) -> str:
    _query(cloud, "SELECT 1")
    return f"{cloud.env.warehouse_id} answers"


def _query(cloud: Cloud, statement: str) -> list[list[str | None]]:
    """Return the rows of a small result. Raises: _NotReady."""
    warehouse = cloud.env.warehouse_id
    answer = cloud.workspace.statement_execution.execute_statement(statement, warehouse, wait_timeout="50s")
    if answer.status.state != StatementState.SUCCEEDED:
        error = answer.status.error
        raise _NotReady(f"{warehouse}: {error.message if error else 'no answer within 50 s, ask again'}")
    return answer.result.data_array or []


def _schemas(cloud: Cloud) -> str:
    catalog = cloud.env.catalog
    _all_there(
        f"the catalog {catalog} lacks", schemas(), (found.name for found in cloud.workspace.schemas.list(catalog))
    )
    return f"the catalog {catalog} has all {len(schemas())}"


def _location(cloud: Cloud) -> str:
    url = f"{cloud.env.raw.root}/"
    _all_there("no external location", [url], (found.url for found in cloud.workspace.external_locations.list()))
    return f"an external location has {url}"


def _grants(cloud: Cloud) -> str:
    """Compare the grants of groups with the roles. The environment file does not name the service principals."""
    prefix, problems = f"retailflow_{cloud.env.name}_", []
    for securable, of_roles in grants().items():
        kind, _, name = securable.partition(".")
        if kind not in ("catalog", "schema"):
            continue
        full_name = f"{cloud.env.catalog}.{name}" if name else cloud.env.catalog
        assigned = cloud.workspace.grants.get(kind, full_name).privilege_assignments or ()
        present = {
            given.principal.removeprefix(prefix): {privilege.value for privilege in given.privileges}
            for given in assigned
            if given.principal.startswith(prefix)
        }
        for role in sorted({*of_roles, *present}.difference(SERVICE_PRINCIPALS)):
            wanted, has = set(of_roles.get(role, ())), present.get(role, set())
            problems += [f"{role} lacks {privilege} on {full_name}" for privilege in sorted(wanted - has)]
            problems += [f"{role} has {privilege} on {full_name}" for privilege in sorted(has - wanted)]
    if problems:
        raise _NotReady("; ".join(problems))
    return "each role has what docs/UNITY_CATALOG.md says, and no more"


def _policies(cloud: Cloud) -> str:
    listed, catalog = cloud.workspace.policies.list_policies, cloud.env.catalog
    masked = [
        schema for schema in MASKED_SCHEMAS if MASK in {one.name for one in listed("SCHEMA", f"{catalog}.{schema}")}
    ]
    _all_there(f"no policy {MASK} on", MASKED_SCHEMAS, masked)
    return f"{', '.join(masked)} hide the columns that no tag opens"


def _tags(cloud: Cloud) -> str:
    """Compare the tags of the tables that exist with the contracts."""
    catalog = cloud.env.catalog
    rows = _query(
        cloud,
        "SELECT concat_ws('.', c.table_schema, c.table_name), c.column_name, t.tag_value "
        f"FROM {catalog}.information_schema.columns c LEFT JOIN {catalog}.information_schema.column_tags t "
        "ON t.schema_name = c.table_schema AND t.table_name = c.table_name AND t.column_name = c.column_name "
        f"AND t.tag_name = '{classification_tag(catalog)}' "
        f"WHERE c.table_schema IN ({', '.join(repr(schema) for schema in MASKED_SCHEMAS)})",
    )
    wanted = {t.name: classifications(t) for contract in feeds() for t in contract.tables}
    present = [(table, column, tag) for table, column, tag in sorted(rows) if column in wanted.get(table, ())]
    wrong = [
        f"{table}.{column} is tagged {tag or 'nothing'}, not {wanted[table][column]}"
        for table, column, tag in present
        if tag != wanted[table][column]
    ]
    if wrong:
        raise _NotReady("; ".join(wrong))
    return f"the {len(present)} columns that you may see have the tags of their contracts"


def _all_there(complaint: str, wanted: Iterable[str], found: Iterable[str]) -> None:
    """Raises: _NotReady with the complaint and the missing names."""
    if absent := sorted(set(wanted) - set(found)):
        raise _NotReady(f"{complaint} {', '.join(absent)}")
