"""The guards of the laws, each with the patch that removes it and the test that must then fail."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

Patch = Callable[[], AbstractContextManager]


@dataclass(frozen=True)
class Mutation:
    """A guard of a law. `test` fails while the patch `without` is active. `law` is the number in docs/laws.md."""

    law: int
    guard: str
    without: Patch
    test: str


def _replaced(target: str, value: Any) -> Patch:
    return lambda: patch(target, value)


def _overwriting(store: Any, path: str, payload: bytes) -> bool:
    store._container.upload_blob(path, payload, overwrite=True)
    return True


def _appended(tables: Any, frame: Any, table: Any, ingestion_date: Any, sequence: int, note: str) -> Any:
    tables.append(frame, table)
    return tables._written(table)


def _replaced_by_whoever_comes(
    tables: Any, frame: Any, table: Any, ingestion_date: Any, sequence: int, note: str
) -> Any:
    return tables.replace_day(frame, table, ingestion_date)


def _blind_to_others() -> AbstractContextManager:
    """Let a table look as our latest run left it, even if somebody else changed it since."""
    from retailflow_spark.delta.commits import commits
    from retailflow_spark.delta.writer import Tables

    newest_of_day = Tables.newest_of_day

    def as_ever(tables: Any, name: str, ingestion_date: Any) -> Any:
        if newest_of_day(tables, name, ingestion_date) is None:
            return None
        found = commits(tables.history(name, 40))
        return next((one for one in found if one.note), found[-1])

    return patch.object(Tables, "newest_of_day", as_ever)


def _shown_as_often_as_it_is_there() -> AbstractContextManager:
    from retailflow_spark.job.run_log import _VIEWS, TASK_RUNS

    comment, query = _VIEWS[TASK_RUNS]
    return patch.dict(_VIEWS, {TASK_RUNS: (comment, query.replace("WHERE _newest = 1", ""))})


def _counted_without_raw(tables: Any, contract: Any, ingestion_date: Any, in_raw: Any, profile: Any) -> Any:
    from retailflow_spark.silver.balance import count_date

    return count_date(tables, contract, ingestion_date, None, profile)


def _last_wins(tables: Any, frame: Any, table: Any, order: Any, prune: Any, new: Any = None) -> Any:
    target = tables._merge_on(table, table.key)
    return tables._merge(table, f"{target} WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *", frame)


def _late_beginning() -> Any:
    from pyspark.sql import functions as F

    return F.lit("2026-01-01T00:00:00Z").cast("timestamp")


def _literally(value: Any) -> Callable[..., Any]:
    """Return a function of columns that has the same result for all rows."""

    def column(*_: Any) -> Any:
        from pyspark.sql import functions as F

        return F.lit(value)

    return column


def _endless_with_an_id() -> Any:
    from pyspark.sql import functions as F

    return F.make_dt_interval(F.when(F.col("session_id").isNull(), F.lit(0)).otherwise(F.lit(365)), mins=F.lit(30))


INTEGRATION, GUARDS = "tests/integration", "tests/laws/test_guards.py"
MUTATIONS = [
    Mutation(
        1,
        "RAW is created conditionally",
        _replaced("retailflow.raw.RawStore.create", _overwriting),
        f"{INTEGRATION}/test_ingest.py::test_a_delivery_in_raw_is_never_overwritten",
    ),
    Mutation(
        2,
        "a balance that does not close fails the run",
        _replaced("retailflow_spark.silver.balance.Count.is_closed", True),
        f"{INTEGRATION}/test_balance.py::test_a_row_that_vanishes_from_silver_fails_the_next_run_of_its_day",
    ),
    Mutation(
        2,
        "dates whose rows were superseded are counted again",
        _replaced("retailflow_spark.silver.load.moved_balances", lambda *_: []),
        f"{INTEGRATION}/test_balance.py::test_a_later_day_that_wins_has_the_earlier_day_counted_again",
    ),
    Mutation(
        2,
        "the records of RAW are counted against those of BRONZE",
        _replaced("retailflow_spark.silver.load.count_date", _counted_without_raw),
        f"{GUARDS}::test_a_record_of_raw_that_is_not_in_bronze_fails_the_run_of_silver",
    ),
    Mutation(
        3,
        "a day's slice of BRONZE is replaced, not appended to",
        _replaced("retailflow_spark.delta.writer.Tables.replace_day_in_sequence", _appended),
        f"{INTEGRATION}/test_bronze.py::test_a_late_batch_joins_its_day_and_a_rerun_changes_nothing",
    ),
    Mutation(
        3,
        "a run ends at once only if nobody changed its tables",
        _blind_to_others,
        f"{INTEGRATION}/test_unchanged.py::test_rows_that_somebody_changed_are_mended",
    ),
    Mutation(
        3,
        "a run's row counts once",
        _shown_as_often_as_it_is_there,
        f"{INTEGRATION}/test_balance.py::test_a_try_is_in_the_run_log_once_however_often_its_row_was_appended",
    ),
    Mutation(
        4,
        "a merge takes only newer records",
        _replaced("retailflow_spark.delta.writer.Tables.upsert_latest", _last_wins),
        f"{INTEGRATION}/test_silver.py::test_an_old_day_that_comes_later_never_undoes_a_newer_one",
    ),
    Mutation(
        4,
        "records of one version have an order",
        _replaced("retailflow_spark.silver.load.ORDER", ("ingestion_date",)),
        f"{INTEGRATION}/test_silver.py::test_within_a_day_the_greatest_of_version_batch_file_and_position_wins",
    ),
    Mutation(
        4,
        "rows that a stricter contract refuses are taken back",
        _replaced("retailflow_spark.silver.load.take_back", lambda *_: []),
        f"{INTEGRATION}/test_contract_change.py"
        "::test_a_stricter_contract_takes_back_its_rows_and_the_version_before_returns",
    ),
    Mutation(
        4,
        "rows whose record is gone are taken back",
        _replaced("retailflow_spark.silver.load.take_back", lambda *_: []),
        f"{GUARDS}::test_a_row_whose_batch_is_withdrawn_goes_and_what_it_had_replaced_comes_back",
    ),
    Mutation(
        4,
        "a slice of BRONZE is not replaced by one of fewer manifests",
        _replaced("retailflow_spark.delta.writer.Tables.replace_day_in_sequence", _replaced_by_whoever_comes),
        f"{GUARDS}::test_a_run_that_saw_fewer_batches_and_is_cancelled_takes_nothing_from_bronze",
    ),
    Mutation(
        4,
        "a key has one row, whatever dates it names",
        _replaced("retailflow_spark.silver.load.keep_latest_date", lambda *_: (0, None)),
        f"{GUARDS}::test_a_key_that_names_another_date_keeps_one_row",
    ),
    Mutation(
        4,
        "commits that conflict are repeated",
        _replaced("retailflow_spark.delta.conflicts.ATTEMPTS", 1),
        f"{INTEGRATION}/test_concurrency.py::test_runs_at_once_leave_what_they_leave_one_after_the_other[two]",
    ),
    Mutation(
        5,
        "amounts are decimals",
        _replaced("retailflow_spark.gold.fact_sales.LINE", "double"),
        f"{INTEGRATION}/gold/test_fact_sales.py::test_decimals_are_exact_to_the_last_digit",
    ),
    Mutation(
        5,
        "a number with more decimals than its column is invalid",
        _replaced("retailflow_spark.silver.values._decimals", _literally(0)),
        f"{GUARDS}::test_a_number_that_its_column_cannot_hold_exactly_is_never_rounded",
    ),
    Mutation(
        6,
        "the first interval of a key starts at the beginning of time",
        _replaced("retailflow_spark.gold.scd2.beginning", _late_beginning),
        f"{INTEGRATION}/gold/test_dim_customer.py"
        "::test_intervals_have_no_gap_and_a_deletion_starts_one_whatever_order_the_versions_come_in",
    ),
    Mutation(
        7,
        "audits run before a publication",
        _replaced("retailflow_spark.publish.release.audits", lambda: iter(())),
        f"{INTEGRATION}/test_readers.py::test_no_statement_sees_a_mixture_or_what_failed_its_audit[50]",
    ),
    Mutation(
        8,
        "a new version of a dimension recomputes only the facts that it takes over",
        _replaced("retailflow_spark.gold.fact_sales.facts_to_repoint", lambda facts, *_: facts),
        f"{INTEGRATION}/gold/test_fact_sales.py::test_a_new_version_recomputes_only_the_sales_it_takes_over",
    ),
    Mutation(
        8,
        "the search for facts of a changed member prunes files",
        _replaced("retailflow_spark.gold.asof_join._facts_since", lambda facts, *_: facts),
        "tests/laws/test_flat_days.py::test_a_day_reads_no_file_of_a_date_that_it_does_not_touch",
    ),
    Mutation(
        8,
        "24 hours of silence end a session that has an id",
        _replaced("retailflow_spark.gold.fact_web_sessions._silence", _endless_with_an_id),
        f"{GUARDS}::test_24_hours_of_silence_end_a_session_that_has_an_id",
    ),
    Mutation(
        9,
        "the arguments of a job are validated",
        _replaced("retailflow_spark.job.entry._form", lambda kind, pattern: str),
        "tests/unit/test_job_arguments.py::test_a_wrong_value_ends_the_job_with_a_sentence_that_names_it",
    ),
    Mutation(
        11,
        "white space around text is trimmed",
        _replaced("retailflow_spark.silver.validate.trimmed", lambda raw: raw),
        f"{GUARDS}::test_white_space_around_a_value_is_no_part_of_it_and_a_blank_value_is_absent",
    ),
    Mutation(
        11,
        "a moment is plausible",
        _replaced("retailflow_spark.silver.values._is_plausible", _literally(True)),
        f"{GUARDS}::test_a_moment_before_1990_or_more_than_a_day_after_its_batch_makes_the_record_invalid",
    ),
    Mutation(
        11,
        "the ids of fixed members are not allowed as keys",
        _replaced("retailflow.contracts.model.Column.reserved", property(lambda column: (), lambda *_: None)),
        f"{GUARDS}::test_the_id_of_a_fixed_member_is_no_key_of_a_record",
    ),
    Mutation(
        11,
        "the ids of fixed members as references mean the unknown member",
        _replaced("retailflow_spark.silver.values.reserved_ids", lambda reference: ()),
        f"{GUARDS}::test_a_reference_to_a_fixed_member_is_one_to_the_unknown_member",
    ),
    Mutation(
        11,
        "a name that comes twice makes its record invalid",
        _replaced("retailflow_spark.bronze.json_records._check_names_one_by_one", lambda text: None),
        f"{GUARDS}::test_a_record_with_a_name_that_comes_twice_is_invalid_and_no_other",
    ),
]
