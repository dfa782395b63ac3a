"""`./retailflow sql` on a running workspace."""

import duckdb
import pytest

from retailflow_local import sql
from retailflow_local.errors import WorkspaceError

QUERY = "SELECT * FROM VALUES (DATE'2026-01-15', 12.5000BD, 'a'), (NULL, NULL, NULL) AS t(day, net_amount, name)"


def test_rows_are_shown_as_a_table(workspace, capsys):
    sql.run(workspace, QUERY, None, as_csv=False)
    said = capsys.readouterr().out
    assert "net_amount" in said and "12.5000" in said and "2 rows" in said


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_are_written_with_their_values(workspace, tmp_path, suffix):
    file = tmp_path / f"rows.{suffix}"
    sql.run(workspace, QUERY, file, as_csv=False)
    found = duckdb.sql(f"SELECT day::VARCHAR, net_amount::VARCHAR, name FROM '{file}'").fetchall()
    assert found == [("2026-01-15", "12.5000", "a"), (None, None, None)]


@pytest.mark.parametrize("statement", ["DROP SCHEMA gold CASCADE", "SELECT 1; DROP SCHEMA gold", "TRUNCATE TABLE x.y"])
def test_a_statement_that_is_no_query_is_refused(workspace, statement):
    with pytest.raises(WorkspaceError, match=r"Only a query is run here|PARSE_SYNTAX_ERROR"):
        sql.run(workspace, statement, None, as_csv=False)


def test_a_file_of_another_kind_is_refused_before_anything_runs(workspace, tmp_path):
    with pytest.raises(WorkspaceError, match=r"must end in \.csv or \.parquet"):
        sql.run(workspace, QUERY, tmp_path / "rows.xlsx", as_csv=False)
