"""Convert source rows to records of a feed. A value that breaks the contract is passed on unchanged.

Nothing is invented: a value that the source lacks is null. The publisher's notes add some facts to the files: a line's
price is its product's `ProductPrice`, there is no discount and no tax, and all amounts are in USD.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from retailflow_local.adventureworks.source import Oltp, Row, Sales, us_date
from retailflow_local.adventureworks.zones import zone_of

# The source has no dates for master data, so all of it is valid from before the first order (2017-01-01).
SINCE = "2016-12-31T00:00:00Z"
# The source contains completed sales only, without a status. Every status but `cancelled` counts as revenue;
# `delivered` is the final one.
STATUS = "delivered"
CURRENCY = "USD"

Record = dict[str, Any]


def order(lines: list[Row], day: date, sales: Sales, oltp: Oltp) -> Record:
    """Return the order that consists of a day's rows with one OrderNumber and CustomerKey.

    OrderNumber alone is not a key: two customers share SO62019, and two share SO72019.
    """
    head = lines[0]
    number, customer = _text(head["OrderNumber"]), _text(head["CustomerKey"])
    country = oltp.country_of_territory.get(head["TerritoryKey"], "ZZ")
    return {
        "order_id": f"{number}-{customer}" if number and customer else None,
        "customer_id": customer,
        "ordered_at": f"{day}T12:00:00Z",
        "updated_at": f"{day}T12:00:00Z",
        "status": STATUS,
        "currency": CURRENCY,
        "shipping": {"amount": None, "method": None, "address": _address(country)},
        "coupon_codes": [],
        "lines": [_line(line, sales) for line in lines],
    }


def _line(row: Row, sales: Sales) -> Record:
    return {
        "line_number": _integer(row["OrderLineItem"]),
        "product_id": _text(row["ProductKey"]),
        "quantity": _integer(row["OrderQuantity"]),
        "unit_price": _text(sales.products.get(row["ProductKey"], {}).get("ProductPrice")),
        "discount_amount": None,
        "tax_amount": None,
    }


def customer(row: Row, oltp: Oltp) -> Record:
    """Return a customer. Phone and home address come from the second data set, if number and email agree there."""
    email, phone, home = oltp.contacts.get(row["CustomerKey"], ("", "", {}))
    if email.lower() != row["EmailAddress"].lower():
        phone, home = "", {}
    return {
        "customer_id": _text(row["CustomerKey"]),
        "first_name": _text(row["FirstName"]),
        "last_name": _text(row["LastName"]),
        "email": _text(row["EmailAddress"]),
        "phone": _text(phone),
        "birth_date": _iso_date(row["BirthDate"]),
        "address": _address_of(home) if home else None,
        "segment": None,
        "loyalty_tier": None,
        "marketing_consent": None,
        "created_at": None,
        "updated_at": SINCE,
        "deleted_at": None,
    }


def product(row: Row, oltp: Oltp) -> Record:
    """Return a product that is sold. Its id is ProductKey, as in order lines."""
    return _product(row["ProductKey"], row["ProductName"], row["ProductSubcategoryKey"], oltp) | {
        "list_price": _decimal(row["ProductPrice"]),
        "unit_cost": _decimal(row["ProductCost"]),
    }


def component(row: Row, oltp: Oltp) -> Record:
    """Return a product that only the second data set has: a part, or a model that is not sold in these years."""
    return _product(oltp_product_id(row), row["Name"], row["ProductSubcategoryID"], oltp) | {
        "list_price": _decimal(row["ListPrice"]),
        "unit_cost": _decimal(row["StandardCost"]),
    }


def oltp_product_id(row: Row) -> str:
    """Return ProductID with a prefix, because the same number as a ProductKey names another product."""
    return f"oltp-{row['ProductID']}"


def _product(product_id: str, name: str, subcategory_key: str, oltp: Oltp) -> Record:
    category, subcategory = oltp.subcategories.get(subcategory_key, (None, None))
    return {
        "product_id": _text(product_id),
        "name": _text(name),
        "category": category,
        "subcategory": subcategory,
        "brand": None,
        "currency": CURRENCY,
        "is_active": True,
        "updated_at": SINCE,
    }


def shop(row: Row, address: Row) -> Record:
    """Return a bike shop that resells AdventureWorks' goods, at its main office. It has none of our tills."""
    place = _address_of(address)
    zone = zone_of(place["country"], place["region"])
    return _store(f"shop-{row['BusinessEntityID']}", "shop", row["Name"], place, zone)


def warehouse(row: Row) -> Record:
    """Return a stock location. The source does not say where it is, so its country is `ZZ` and its zone UTC."""
    return _store(f"location-{row['LocationID']}", "warehouse", row["Name"], _address("ZZ"), "UTC")


def _store(store_id: str, store_type: str, name: str, place: Record, zone: str | None) -> Record:
    return {
        "store_id": store_id,
        "store_type": store_type,
        "name": _text(name),
        **place,
        "timezone": zone,
        "opened_on": None,
        "closed_on": None,
        "updated_at": SINCE,
    }


def stock(row: Row, day: date, product_id: str, unit_cost: str) -> Record:
    """Return the stock of one product at one location, with the types of the Parquet feed.

    `reorder_point` is null: the source has one per product, not per product and location.
    """
    return {
        "store_id": f"location-{row['LocationID']}",
        "product_id": product_id,
        "snapshot_date": day,
        "quantity_on_hand": int(row["Quantity"]),
        "quantity_reserved": None,
        "quantity_on_order": None,
        "reorder_point": None,
        "unit_cost": Decimal(unit_cost),
        "recorded_at": datetime.fromisoformat(f"{day}T12:00:00+00:00"),
    }


def _address_of(row: Row) -> Record:
    # StateProvinceCode is a fixed-width column of the source: "WA ".
    return _address(
        _text(row.get("CountryRegionCode")) or "ZZ",
        _text((row.get("StateProvinceCode") or "").rstrip()),
        _text(row.get("City")),
        _text(row.get("PostalCode")),
    )


def _address(
    country: str, region: str | None = None, city: str | None = None, postal_code: str | None = None
) -> Record:
    return {"country": country, "region": region, "city": city, "postal_code": postal_code}


def _text(text: str | None) -> str | None:
    return text or None


def _integer(text: str) -> int | str | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else _text(text)


def _decimal(text: str) -> str | None:
    """Return the number with a digit before the point: the second data set writes `.0000`."""
    return f"0{text}" if re.fullmatch(r"\.[0-9]+", text) else _text(text)


def _iso_date(text: str) -> str | None:
    try:
        return us_date(text).isoformat()
    except ValueError:
        return _text(text)
