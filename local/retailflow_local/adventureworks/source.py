"""The CSV files of the public data set, read as they are: every field is text, nothing is cleaned."""

import csv
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from retailflow_local.errors import WorkspaceError

Row = dict[str, str]

HOME, MAIN_OFFICE = "2", "3"  # AddressTypeID


@dataclass(frozen=True)
class Sales:
    """The folder `adventureworks_sales`: orders by day, customers, and products by ProductKey."""

    orders: dict[date, list[Row]]
    customers: list[Row]
    products: dict[str, Row]


@dataclass(frozen=True)
class Oltp:
    """The folder `adventureworks_oltp`, joined as far as its own keys allow. Empty if the folder is absent."""

    country_of_territory: dict[str, str] = field(default_factory=dict)
    subcategories: dict[str, tuple[str, str]] = field(default_factory=dict)  # id: (category, subcategory)
    products: dict[str, Row] = field(default_factory=dict)  # by ProductID
    contacts: dict[str, tuple[str, str, Row]] = field(default_factory=dict)  # CustomerID: (email, phone, address)
    shops: list[tuple[Row, Row]] = field(default_factory=list)  # (Store, address)
    locations: list[Row] = field(default_factory=list)
    inventory: list[Row] = field(default_factory=list)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file with a header, in UTF-8 with or without a byte order mark.

    Raises:
        WorkspaceError: the file is missing, or a row has more or fewer fields than the header.
    """
    if not path.is_file():
        raise WorkspaceError(f"{path} is missing: point --source at a whole copy of the data set")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        rows = list(reader)
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise WorkspaceError(
                f"{path}, record {number}: the number of fields differs from the header's; repair the file"
            )
    return rows


def us_date(text: str) -> date:
    """Parse a date written as month/day/year, with or without leading zeros.

    Raises:
        ValueError: the text is not a date of this form.
    """
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day))


def read_sales(folder: Path) -> Sales:
    """Read `adventureworks_sales`.

    Raises:
        WorkspaceError: the folder or one of its files is missing, or an order line has no readable OrderDate, so that
            it belongs to no day.
    """
    files = sorted(folder.glob("AdventureWorks_Sales_*.csv"))
    if not files:
        raise WorkspaceError(
            f"{folder} has no AdventureWorks_Sales_*.csv: point --source at the folder adventureworks_sales"
        )
    orders: dict[date, list[Row]] = {}
    for path in files:
        for number, row in enumerate(read_rows(path), start=1):
            try:
                day = us_date(row["OrderDate"])
            except ValueError as error:
                raise WorkspaceError(
                    f"{path}, record {number}: OrderDate {row['OrderDate']!r} is not M/D/Y, so the line has no day"
                ) from error
            orders.setdefault(day, []).append(row)
    products = read_rows(folder / "AdventureWorks_Products.csv")
    return Sales(
        orders=orders,
        customers=read_rows(folder / "AdventureWorks_Customers.csv"),
        products={row["ProductKey"]: row for row in products},
    )


def read_oltp(folder: Path) -> Oltp:
    """Read `adventureworks_oltp`. Each address includes its state's code, name, country and territory."""

    def table(name: str) -> list[Row]:
        return read_rows(folder / f"{name}.csv")

    states = {row["StateProvinceID"]: row for row in table("StateProvince")}
    addresses = {row["AddressID"]: states[row["StateProvinceID"]] | row for row in table("Address")}
    address_of = {
        (row["BusinessEntityID"], row["AddressTypeID"]): addresses[row["AddressID"]]
        for row in table("BusinessEntityAddress")
    }
    emails = {row["BusinessEntityID"]: row["EmailAddress"] for row in table("EmailAddress")}
    phones = {row["BusinessEntityID"]: row["PhoneNumber"] for row in table("PersonPhone")}
    categories = {row["ProductCategoryID"]: row["Name"] for row in table("ProductCategory")}
    return Oltp(
        country_of_territory={row["TerritoryID"]: row["CountryRegionCode"] for row in table("SalesTerritory")},
        subcategories={
            row["ProductSubcategoryID"]: (categories[row["ProductCategoryID"]], row["Name"])
            for row in table("ProductSubcategory")
        },
        products={row["ProductID"]: row for row in table("Product")},
        contacts={
            row["CustomerID"]: (
                emails.get(row["PersonID"], ""),
                phones.get(row["PersonID"], ""),
                address_of.get((row["PersonID"], HOME), {}),
            )
            for row in table("Customer")
        },
        shops=[(row, address_of.get((row["BusinessEntityID"], MAIN_OFFICE), {})) for row in table("Store")],
        locations=table("Location"),
        inventory=table("ProductInventory"),
    )
