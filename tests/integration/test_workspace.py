"""A workspace of its own, beside the one the other tests share."""

import psutil

from retailflow_local.spark_client import session
from retailflow_local.workspace import CORE, Workspace


def test_a_workspace_reads_raw_writes_delta_runs_python_and_leaves_no_process(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.running():
        assert workspace.raw_store().create("orders/day=1/a b.json", '{"city": "Köln"}\n'.encode())
        with session(workspace.spark_remote) as spark:
            uri = "abfs://raw@devstoreaccount1.dfs.core.windows.net/orders/day=1"
            assert [row.city for row in spark.read.json(uri).collect()] == ["Köln"]

            spark.sql("CREATE TABLE spark_catalog.silver.t (id INT, v STRING) USING delta")
            spark.sql("INSERT INTO spark_catalog.silver.t VALUES (1, 'a'), (2, 'b')")
            spark.sql("""
                MERGE INTO spark_catalog.silver.t USING (SELECT 2 AS id, 'c' AS v UNION ALL SELECT 3, 'd') AS s
                ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *""")
            rows = spark.sql("SELECT * FROM spark_catalog.silver.t ORDER BY id").collect()
            assert [tuple(row) for row in rows] == [(1, "a"), (2, "c"), (3, "d")]

            def same(batches):
                import retailflow_spark  # noqa: F401 - the server's Python workers have our packages

                yield from batches

            assert [row.id for row in spark.range(3).mapInArrow(same, "id long").collect()] == [0, 1, 2]

        members = workspace.processes.members(CORE)
        assert {"java", "node"} <= {process.name() for process in members}
        listening = [c.laddr.ip for p in members for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}

    assert [process for process in members if process.is_running()] == []
    assert workspace.processes.members(CORE) == []
