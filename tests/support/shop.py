"""A shop with one order, so that its revenue is always known: for tests of the published tables."""

from datetime import date, timedelta
from itertools import count

from logged import log
from pipeline import put, run_day

from retailflow.contracts import gold_table
from retailflow_spark.gold.refresh import refresh
from retailflow_spark.job import run_log
from retailflow_spark.publish import release
from retailflow_spark.publish.release import publish

DAY = date(2026, 1, 15)
MART = "gold.daily_revenue_mart"
BUILT = (
    *("dim_customer", "dim_product", "dim_store", "fact_orders", "fact_sales"),
    *("daily_revenue_mart", "payment_reconciliation"),
)
BOTH = """SELECT (SELECT sum(net_amount) FROM spark_catalog.gold.daily_revenue_mart) AS mart,
                 (SELECT sum(net_amount) FROM spark_catalog.gold.fact_sales) AS facts"""


class Shop:
    """One order whose price changes from day to day."""

    def __init__(self, tables, raw) -> None:
        self.tables, self.raw, self.days = tables, raw, count()

    def sell(self, price: str) -> None:
        day = DAY + timedelta(days=next(self.days))
        order = {
            "order_id": "O1", "ordered_at": "2026-01-15T10:00:00Z", "updated_at": f"{day}T10:00:00Z", "status": "paid",
            "currency": "EUR", "lines": [{"line_number": 1, "product_id": "P1", "quantity": 1, "unit_price": price}],
        }  # fmt: skip
        put(self.raw, "orders", day, order)
        run_day(self.tables, self.raw, "orders", day)

    def build(self, *names: str) -> None:
        for name in names or BUILT:
            refresh(self.tables, gold_table(name))

    def publish(self) -> release.PublicationPlan:
        return publish(self.tables)

    def spoil(self, amount: int = 1) -> None:
        """Make the built mart differ from its facts. The opposite amount makes them agree again."""
        tables = self.tables
        added = f"net_amount = net_amount + {amount}, gross_amount = gross_amount + {amount}"
        tables.spark.sql(f"UPDATE {tables.path(MART)} SET {added}")
        known = run_log.taken(tables, [MART])[MART]
        log(tables, "gold", MART.removeprefix("gold."), DAY, taken={**known, MART: tables.version(MART)})

    def seen(self) -> tuple[str, str]:
        """Return the revenue by the mart and by the facts, read in one statement."""
        return tuple(str(value) for value in self.tables.spark.sql(BOTH).first())
