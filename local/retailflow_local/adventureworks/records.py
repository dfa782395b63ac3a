"""One source row to one record of a feed. A value the contract will refuse is passed on as it stands.

Nothing is invented: what the source does not say is null. What it says elsewhere than in its files is fixed by the
publisher's notes: a line's price is its product's `ProductPrice`, there is no discount and no tax, all in USD.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from retailflow_local.adventureworks.source import Oltp, Row, Sales, us_date
from retailflow_local.adventureworks.zones import zone_of

# The source dates no master data, so it all holds since before the first order (2017-01-01).
SINCE = "2016-12-31T00:00:00Z"
# The source knows completed sales only and says nothing of their progress. Every status but `cancelled` carries
# revenue; `delivered` is the one nothing follows.
STATUS = "delivered"
CURRENCY = "USD"

Record = dict[str, Any]


def order(lines: list[Row], day: date, sales: Sales, oltp: Oltp) -> Record:
    """The order that a day's rows of one OrderNumber and CustomerKey make up.

    OrderNumber alone is no key: SO62019 and SO72019 are each used by two customers.
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
    """A customer; phone and home address come from the second data set, where both keys, number and email, agree."""
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
    """A product that is sold: its id is ProductKey, the one that order lines use."""
    return _product(row["ProductKey"], row["ProductName"], row["ProductSubcategoryKey"], oltp) | {
        "list_price": _decimal(row["ProductPrice"]),
        "unit_cost": _decimal(row["ProductCost"]),
    }


def component(row: Row, oltp: Oltp) -> Record:
    """A product that only the second data set knows: parts, and models that these years do not sell."""
    return _product(oltp_product_id(row), row["Name"], row["ProductSubcategoryID"], oltp) | {
        "list_price": _decimal(row["ListPrice"]),
        "unit_cost": _decimal(row["StandardCost"]),
    }


def oltp_product_id(row: Row) -> str:
    """ProductID and ProductKey are different numbers for different things, so this one has a prefix."""
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
    """One of the bike shops that resell AdventureWorks' goods, at its main office. It has no till of ours."""
    place = _address_of(address)
    zone = zone_of(place["country"], place["region"])
    return _store(f"shop-{row['BusinessEntityID']}", "shop", row["Name"], place, zone)


def warehouse(row: Row) -> Record:
    """A stock location. The source does not say where it stands, so its country is `ZZ` and its clock UTC."""
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
    """The stock of one product at one location, typed as the Parquet feed is.

    `reorder_point` stays null: the source has one for a product, not for a product at a location.
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
    """The same number with a digit before the point: the second data set writes `.0000`."""
    return f"0{text}" if re.fullmatch(r"\.[0-9]+", text) else _text(text)


def _iso_date(text: str) -> str | None:
    try:
        return us_date(text).isoformat()
    except ValueError:
        return _text(text)
