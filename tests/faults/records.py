"""The records of a feed on a day of the matrix: new ones, a correction, a late old version, a duplicate, a bad one."""

from datetime import date, timedelta
from typing import Any

FIRST = date(2026, 1, 15)


def day_of(number: int) -> date:
    return FIRST + timedelta(days=number)


def payments(number: int) -> list[dict[str, Any]]:
    def event(of: int, letter: str, amount: str, recorded_at: str) -> dict[str, Any]:
        return {
            "payment_event_id": f"E{of}{letter}", "order_id": f"O{of % 4}", "event_type": "captured", "amount": amount,
            "currency": "EUR", "occurred_at": f"{day_of(of)}T10:00:00Z", "recorded_at": recorded_at,
        }  # fmt: skip

    now, old = f"{day_of(number)}T12:00:00Z", f"{day_of(number - 1)}T11:00:00Z"
    double = event(number, "b", "2.20", now)
    return [
        event(number, "a", "1.10", now),
        double,
        double,
        event(number - 1, "a", f"{number}.50", now),
        event(number - 1, "b", "99", old),
        {"payment_event_id": f"bad {number}"},
    ]


def customers(number: int) -> list[dict[str, Any]]:
    def customer(of: int, letter: str, segment: str, updated_at: str) -> dict[str, Any]:
        return {"customer_id": f"C{of}{letter}", "segment": segment, "updated_at": updated_at}

    now, old = f"{day_of(number)}T12:00:00Z", f"{day_of(number - 1)}T11:00:00Z"
    double = customer(number, "b", "new", now)
    return [
        customer(number, "a", "new", now),
        double,
        double,
        customer(number - 1, "a", f"moved {number}", now),
        customer(number - 1, "b", "late", old),
        {"customer_id": f"bad {number}"},
    ]


def orders(number: int) -> list[dict[str, Any]]:
    def order(of: int, letter: str, price: str, updated_at: str) -> dict[str, Any]:
        line = {"line_number": 1, "product_id": "P1", "quantity": 2, "unit_price": price}
        return {
            "order_id": f"O{of}{letter}", "ordered_at": f"{day_of(of)}T10:00:00Z", "updated_at": updated_at,
            "status": "paid", "currency": "EUR", "lines": [line],
        }  # fmt: skip

    now, old = f"{day_of(number)}T12:00:00Z", f"{day_of(number - 1)}T11:00:00Z"
    double = order(number, "b", "2.20", now)
    return [
        order(number, "a", "1.10", now),
        double,
        double,
        order(number - 1, "a", f"{number}.50", now),
        order(number - 1, "b", "99", old),
        {"order_id": f"bad {number}"},
    ]


OF = {"payments": payments, "customers": customers, "orders": orders}
