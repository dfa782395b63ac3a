"""Records that several tests use. A test changes what it is about: `PAID | {"amount": "2"}`."""

AT = "2026-01-15T10:00:00Z"
PAID = {
    "payment_event_id": "E1", "order_id": "O1", "event_type": "captured", "amount": "1", "currency": "EUR",
    "occurred_at": AT, "recorded_at": AT,
}  # fmt: skip


def line(product_id: str = "P1", quantity: int = 1, unit_price: str = "1", **more: object) -> dict:
    """Return a line of an order."""
    return {"product_id": product_id, "quantity": quantity, "unit_price": unit_price, **more}
