import os
from pathlib import Path

import pytest
from memory_store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The public data set, which is not part of this repository."""
    default = Path(__file__).parents[3].parent / "shared" / "data"
    folder = Path(os.environ.get("RETAILFLOW_SAMPLE_DATA", default)) / "adventureworks_sales"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set RETAILFLOW_SAMPLE_DATA to the folder that holds adventureworks_sales")
    return folder


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """A data set of two orders without sibling folders. One is invalid: an unknown product and the quantity `many`."""
    folder = tmp_path / "adventureworks_sales"
    folder.mkdir()
    (folder / "AdventureWorks_Sales_2017.csv").write_text(
        "OrderDate,StockDate,OrderNumber,ProductKey,CustomerKey,TerritoryKey,OrderLineItem,OrderQuantity\n"
        "1/02/2017,9/21/2001,SO1,10,7,1,1,2\n"
        "01/2/2017,9/21/2001,SO1,10,8,1,1,3\n"
        "1/2/2017,9/21/2001,SO1,99,8,1,2,1\n"
        "1/2/2017,9/21/2001,SO1,10,8,1,3,many\n"
    )
    (folder / "AdventureWorks_Products.csv").write_text(
        "ProductKey,ProductSubcategoryKey,ProductSKU,ProductName,ProductCost,ProductPrice\n10,1,SK-1,Bell,1.5,2.3456\n"
    )
    (folder / "AdventureWorks_Customers.csv").write_bytes(
        b"\xef\xbb\xbfCustomerKey,FirstName,LastName,BirthDate,EmailAddress\n"
        + "7,JOSÉ,MUÑOZ,04/8/1966,josé7@example.com\n8,ANN,,31/31/1966,ann8@example.com\n".encode()
    )
    return folder
