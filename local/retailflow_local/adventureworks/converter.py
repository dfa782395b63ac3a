"""Convert a day of the public AdventureWorks data to deliveries in RAW, as its source systems would have made them."""

import csv
import hashlib
import io
import json
from collections import defaultdict
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from retailflow import raw
from retailflow.contracts import feed_contract as contract
from retailflow.contracts import feeds
from retailflow.manifests import ulid
from retailflow.raw import Part
from retailflow_local.adventureworks import records
from retailflow_local.adventureworks.clickstream import clickstream
from retailflow_local.adventureworks.source import Oltp, Row, Sales, read_oltp, read_sales
from retailflow_local.simulator.encode import schema_of


class AdventureWorks:
    """The data set at `folder` (`adventureworks_sales`), with its siblings `adventureworks_oltp` and
    `clickstream_ecom` if they are present. Each file is read once, when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        """Raises: WorkspaceError if the data set at `folder` is incomplete."""
        self._folder = folder.resolve()
        self._sales: Sales = read_sales(self._folder)

    @cached_property
    def _oltp(self) -> Oltp | None:
        folder = self._folder.parent / "adventureworks_oltp"
        return read_oltp(folder) if folder.is_dir() else None

    def deliver_day(self, store: raw.RawStore, day: date, first: bool) -> list[str]:
        """Deliver every feed of a day, each complete with `_SUCCESS`. Repeating it changes nothing.

        Args:
            first: whether this is the first day loaded. It delivers all customers; later days deliver none.

        Returns:
            One sentence per feed, which says what was delivered or why the delivery is empty.
        """
        clicks = self._folder.parent / "clickstream_ecom" / "clickstream.csv.gz"
        found: dict[str, tuple[list[Part], str]] = {
            "orders": (self._orders(day), "no order has this date"),
            "customers": (self._customers() if first else [], "all were delivered on the first day"),
            "products": (self._products(), ""),
            "stores": (self._stores(), "adventureworks_oltp is not there"),
            "store_sales": ([], "the data set has no till receipts"),
            "inventory": (self._inventory(day), "adventureworks_oltp is not there"),
            "payments": ([], "the data set has no payment events"),
            "clickstream": (clickstream(clicks, day), "the data set has no web events of this date"),
        }
        for feed in feeds():
            found.setdefault(feed.name, ([], "the data set does not contain this feed"))
        return [_deliver(store, feed, day, parts, why) for feed, (parts, why) in found.items()]

    def _orders(self, day: date) -> list[Part]:
        orders: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self._sales.orders.get(day, []):
            orders[row["OrderNumber"], row["CustomerKey"]].append(row)
        oltp = self._oltp or Oltp()
        return _page("orders", [records.order(lines, day, self._sales, oltp) for lines in orders.values()])

    def _customers(self) -> list[Part]:
        oltp = self._oltp or Oltp()
        return _page("customers", [records.customer(row, oltp) for row in self._sales.customers])

    def _products(self) -> list[Part]:
        oltp = self._oltp or Oltp()
        products = [records.product(row, oltp) for row in self._sales.products.values()]
        products += [records.component(row, oltp) for row in oltp.products.values() if not self._key_of(row)]
        return [Part(".json", _json({"products": products}), len(products))]

    def _stores(self) -> list[Part]:
        if not self._oltp:
            return []
        rows = [records.shop(row, address) for row, address in self._oltp.shops]
        rows += [records.warehouse(row) for row in self._oltp.locations]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return [Part(".csv", text.getvalue().encode(), len(rows))]

    def _inventory(self, day: date) -> list[Part]:
        """Return the stock levels as the day's snapshot. The source has them only once, without a date."""
        if not self._oltp:
            return []
        rows = []
        for row in self._oltp.inventory:
            product = self._oltp.products[row["ProductID"]]
            product_id = self._key_of(product) or records.oltp_product_id(product)
            rows.append(records.stock(row, day, product_id, product["StandardCost"]))
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema_of("inventory")), buffer)
        return [Part(".parquet", buffer.getvalue(), len(rows))]

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {row["ProductSKU"]: key for key, row in self._sales.products.items()}

    def _key_of(self, oltp_product: Row) -> str | None:
        """Return the ProductKey of a product of the second data set. Both sets have the same article numbers."""
        return self._keys.get(oltp_product["ProductNumber"])


def _deliver(store: raw.RawStore, feed: str, day: date, parts: list[Part], why_empty: str) -> str:
    moment = datetime.combine(day, time(23), UTC)
    # The batch id depends on the content, so a day that was loaded without its customers can get them later.
    digests = [hashlib.sha256(part.payload).hexdigest() for part in parts]
    raw.deliver(store, feed, day, ulid(moment, "adventureworks", feed, *digests), moment, parts)
    if contract(feed).delivery == "api":  # the ingestion then finds its own batch, empty, and fetches nothing
        raw.deliver(store, feed, day, next(raw.ingested_batch_ids(feed, day)), moment, [])
    raw.complete(store, feed, day)
    count = sum(part.records for part in parts)
    return f"{feed} {day}: {count:,} records" if parts else f"{feed} {day}: empty, since {why_empty}"


def _page(feed: str, items: list[records.Record]) -> list[Part]:
    """Return the records as the only page of an API's answer; no file if there are no records."""
    if not items:
        return []
    return [Part(".json", raw.join_pages([_json({feed: items, "next_cursor": None})]), len(items))]


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
