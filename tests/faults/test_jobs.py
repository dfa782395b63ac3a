"""At every write of a job its process dies or its answer is lost; after the retry, the tables equal a clean run's.

The cells of a chain use the same tables, one after the other: each day has one fault per layer, so that the next day
also meets the leftovers of a crash. The expected rows are those of clean runs of the same days, day by day.
"""

from itertools import product, zip_longest

import pytest
from pipeline import empty_catalog

from .lab import FAULTS, Job, Write
from .records import day_of

CHAINS = {
    "payments": [
        *(Job("bronze", "payments"), Job("silver", "payments")),
        *(Job("gold", "payment_reconciliation"), Job("publish", "payment_reconciliation")),
    ],
    "customers": [Job("bronze", "customers"), Job("silver", "customers"), Job("gold", "dim_customer")],
    "orders": [Job("bronze", "orders"), Job("silver", "orders"), Job("gold", "fact_orders")],
}
# The three chains write with the same code. One meets every fault, the others only the two with the most leftovers.
WORST = ("killed while", "answer lost")
MEETS = {"payments": tuple(FAULTS), "customers": WORST, "orders": WORST}


@pytest.mark.full
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.timeout(5400)
def test_a_job_that_dies_at_any_write_leaves_after_its_retry_what_a_clean_run_leaves(lab, deliver, name):
    """Days 0 to 2 run without faults; day 2 shows the points. Each later day has one cell per job.

    Day 1 is the first with corrections, so SILVER merges twice. Later runs know that and merge once. The points that
    only day 1 has get a cell on that day, with new tables for each.
    """
    jobs = CHAINS[name]
    empty_catalog(lab.tables.spark)
    deliver(name, 3)
    _, second, usual = ({job: lab.writes(job, day_of(number)) for job in jobs} for number in range(3))
    cells = {job: list(product(usual[job], MEETS[name])) for job in jobs}
    days = range(3, 3 + max(map(len, cells.values())))

    empty_catalog(lab.tables.spark)
    deliver(name, days.stop)
    wanted = {(job, number): lab.clean(job, day_of(number)) for number in range(days.stop) for job in jobs}

    empty_catalog(lab.tables.spark)
    for number in range(3):
        for job in jobs:
            lab.writes(job, day_of(number))
    for number, row in zip(days, zip_longest(*(cells[job] for job in jobs)), strict=True):
        for job, cell in zip(jobs, row, strict=True):
            if cell:
                lab.cell(name, job, day_of(number), *cell, wanted[job, number])
            else:
                lab.writes(job, day_of(number))
    for job in jobs:
        known = {write.point for write in usual[job]}
        for write, fault in product([one for one in second[job] if one.point not in known], MEETS[name]):
            empty_catalog(lab.tables.spark)
            for earlier in jobs:
                lab.writes(earlier, day_of(0))
            for earlier in jobs[: jobs.index(job)]:
                lab.writes(earlier, day_of(1))
            lab.cell(name, job, day_of(1), write, fault, wanted[job, 1])
    lab.matrix.save(name)
    assert lab.matrix.broken(name) == []


def test_a_sample_of_the_matrix(lab, deliver):
    bronze, silver, *_ = CHAINS["payments"]
    sample = [(Write("MERGE silver.payments", 1.5), "killed while"), (Write("append ops.runs", 0), "answer lost")]
    deliver("payments", len(sample))
    days = [day_of(number) for number in range(len(sample))]
    for day in days:
        lab.clean(bronze, day)
    wanted = [lab.clean(silver, day) for day in days]
    for table in silver.tables:
        lab.tables.spark.sql(f"DROP TABLE {lab.tables.path(table)}")
    lab.tables.spark.sql("DELETE FROM spark_catalog.ops.runs WHERE layer = 'silver'").collect()
    cells = [lab.cell("sample", silver, day, *cell, rows) for day, cell, rows in zip(days, sample, wanted, strict=True)]
    assert [str(cell) for cell in cells if not cell.is_clean] == []
