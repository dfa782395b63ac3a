"""The places of people and shops, with their currencies and taxes."""

from decimal import Decimal
from typing import NamedTuple


class Place(NamedTuple):
    country: str
    region: str
    city: str
    postal_code: str
    timezone: str

    def address(self) -> dict[str, str]:
        return {"country": self.country, "region": self.region, "city": self.city, "postal_code": self.postal_code}


PLACES = (
    Place("DE", "Berlin", "Berlin", "10115", "Europe/Berlin"),
    Place("DE", "Hamburg", "Hamburg", "20095", "Europe/Berlin"),
    Place("DE", "Bayern", "München", "80331", "Europe/Berlin"),
    Place("DE", "Nordrhein-Westfalen", "Köln", "50667", "Europe/Berlin"),
    Place("ES", "Comunidad de Madrid", "Madrid", "28001", "Europe/Madrid"),
    Place("ES", "Cataluña", "Barcelona", "08001", "Europe/Madrid"),
    Place("ES", "Canarias", "Las Palmas", "35001", "Atlantic/Canary"),
    Place("PT", "Lisboa", "Lisboa", "1100-148", "Europe/Lisbon"),
    Place("PT", "Porto", "Porto", "4000-012", "Europe/Lisbon"),
    Place("FR", "Île-de-France", "Paris", "75001", "Europe/Paris"),
    Place("FR", "Auvergne-Rhône-Alpes", "Lyon", "69001", "Europe/Paris"),
    Place("IT", "Lazio", "Roma", "00184", "Europe/Rome"),
    Place("AT", "Wien", "Wien", "1010", "Europe/Vienna"),
    Place("NL", "Noord-Holland", "Amsterdam", "1012", "Europe/Amsterdam"),
    Place("IE", "Leinster", "Dublin", "D01 F5P2", "Europe/Dublin"),
    Place("GB", "England", "London", "EC1A 1BB", "Europe/London"),
    Place("US", "NY", "New York", "10001", "America/New_York"),
    Place("US", "IL", "Chicago", "60601", "America/Chicago"),
    Place("US", "CA", "Los Angeles", "90001", "America/Los_Angeles"),
    Place("JP", "Tōkyō", "Tōkyō", "100-0001", "Asia/Tokyo"),
)
UNKNOWN_ADDRESS = {"country": "ZZ", "region": None, "city": None, "postal_code": None}

_CURRENCY = {"GB": "GBP", "US": "USD", "JP": "JPY"}
PER_EURO = {"EUR": Decimal(1), "GBP": Decimal("0.86"), "USD": Decimal("1.09"), "JPY": Decimal(163)}
_TAX = {
    "DE": "0.19", "ES": "0.21", "PT": "0.23", "FR": "0.20", "IT": "0.22", "AT": "0.20", "NL": "0.21", "IE": "0.23",
    "GB": "0.20", "US": "0.08875", "JP": "0.10", "ZZ": "0",
}  # fmt: skip
TAX_RATE = {country: Decimal(rate) for country, rate in _TAX.items()}


def smallest_unit(currency: str) -> Decimal:
    return Decimal(1) if currency == "JPY" else Decimal("0.01")


def currency_of(country: str) -> str:
    return _CURRENCY.get(country, "EUR")
