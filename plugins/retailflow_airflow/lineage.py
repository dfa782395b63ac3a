"""Names the data sets that a task reads and writes, as in OpenLineage (https://openlineage.io/docs/spec/naming)."""

from openlineage.client.event_v2 import Dataset

from retailflow.contracts import FeedContract, GoldContract
from retailflow.environments import Environment


def lineage(
    env: Environment, script: str, contract: FeedContract | GoldContract
) -> tuple[list[Dataset], list[Dataset]]:
    """Return the data sets that `<script>.py` reads for this contract, and those that it writes."""
    if isinstance(contract, GoldContract):
        return [_table(env, source) for source in contract.sources], [_table(env, contract.table.name)]
    raw = Dataset(namespace=env.raw.root, name=f"/{contract.name}")
    bronze = _table(env, contract.bronze.name)
    silver = [_table(env, table.name) for table in (*contract.silver_tables, contract.quarantine)]
    return {"ingest": ([], [raw]), "bronze": ([raw], [bronze]), "silver": ([bronze], silver)}[script]


def _table(env: Environment, name: str) -> Dataset:
    return Dataset(namespace="databricks", name=f"{env.catalog}.{name}")
