"""The simulated world: the sound and complete records of each source system for a day."""

from datetime import date

from retailflow.contracts import feeds
from retailflow_local.simulator import any_feed, catalog, crm, orders, payments, shops, stock, tills, web
from retailflow_local.simulator.dice import Dice


class World(Dice):
    """A pure function of (seed, scale, date): the same bytes in any process and any order of calls.

    Records are plain dicts with the field names of the feeds. They may share objects, so do not change them.
    """

    def orders_of(self, day: date) -> list[dict]:
        return orders.orders_of(self, day)

    def customers_of(self, day: date) -> list[dict]:
        return crm.customers_of(self, day)

    def records(self, feed: str, day: date) -> list[dict]:
        """Return the sound records of any feed."""
        if feed in MODULES:
            return MODULES[feed](self, day)
        return any_feed.records_of(self, feed, day, self.records)


# The feeds with a module of their own. Any other is simulated from its contract.
MODULES = {
    "orders": orders.orders_of,
    "customers": crm.customers_of,
    "products": catalog.products_of,
    "stores": shops.stores_of,
    "store_sales": tills.sales_of,
    "inventory": stock.inventory_of,
    "payments": payments.payments_of,
    "clickstream": web.clicks_of,
}
_ALL = sorted(feeds(), key=lambda one: [*MODULES, one.name].index(one.name))
API_FEEDS = tuple(one.name for one in _ALL if one.delivery == "api")
FILE_FEEDS = tuple(one.name for one in _ALL if one.delivery == "file")
ALL_FEEDS = API_FEEDS + FILE_FEEDS
