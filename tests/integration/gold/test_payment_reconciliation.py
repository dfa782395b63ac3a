def line(unit_price: str) -> dict:
    return {"product_id": "P1", "quantity": 1, "unit_price": unit_price}


def payment(event_type: str, amount: str, **more) -> dict:
    return {"event_type": event_type, "amount": amount, **more}


COLUMNS = (
    "order_id",
    "currency",
    "due_amount",
    "captured_amount",
    "refunded_amount",
    "difference_amount",
    "is_reconciled",
)


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("payment_reconciliation")


def test_only_captures_pay_and_chargebacks_count_as_refunded(world):
    payments = [
        *(payment("authorized", "9"), payment("voided", "9"), payment("captured", "0.1"), payment("captured", "0.2")),
        *(payment("refunded", "0.05"), payment("chargeback", "0.15")),
    ]
    assert world(orders=[{"lines": [line("0.1")]}], payments=payments).rows("payment_reconciliation", *COLUMNS) == [
        ("O1", "EUR", "0.1000", "0.3000", "0.2000", "0.0000", "true")
    ]


def test_a_positive_difference_is_owed_by_the_customer_and_a_negative_one_to_them(world):
    orders = [
        {"order_id": "O1", "lines": [line("5")]},
        {"order_id": "O2", "status": "cancelled", "lines": [line("5")]},
        {"order_id": "O3", "status": "cancelled", "lines": [line("5")]},
    ]
    payments = [payment("captured", "2"), payment("captured", "5", order_id="O2")]
    assert world(orders=orders, payments=payments).rows("payment_reconciliation", *COLUMNS) == [
        ("O1", "EUR", "5.0000", "2.0000", "0.0000", "3.0000", "false"),
        ("O2", "EUR", "0.0000", "5.0000", "0.0000", "-5.0000", "false"),
        ("O3", "EUR", "0.0000", "0.0000", "0.0000", "0.0000", "true"),
    ]


def test_payments_in_another_currency_or_without_their_order_have_their_own_rows(world):
    payments = [
        *(payment("captured", "5"), payment("captured", "1", currency="USD")),
        *(payment("captured", "7", order_id="O9"), payment("captured", "2", order_id=None)),
    ]
    columns = ("order_id", "currency", "order_status", "difference_amount")
    assert world(orders=[{"lines": [line("5")]}], payments=payments).rows("payment_reconciliation", *columns) == [
        ("O1", "EUR", "paid", "0.0000"),
        ("O1", "USD", None, "-1.0000"),
        ("O9", "EUR", None, "-7.0000"),
        ("unknown", "EUR", None, "-2.0000"),
    ]


def test_a_row_has_the_moments_of_its_first_and_last_payment_event(world):
    payments = [payment("captured", "1", occurred_at=f"2026-01-1{day}T00:00:00Z") for day in (7, 5, 6)]
    assert world(payments=payments).rows("payment_reconciliation", "first_occurred_at", "last_occurred_at") == [
        ("2026-01-15 00:00:00", "2026-01-17 00:00:00")
    ]


def test_changed_orders_and_new_payments_are_recomputed_and_no_others(world, recompute):
    orders = [{"order_id": f"O{number}", "lines": [line("5")]} for number in (1, 2, 3)]
    paid = payment("captured", "5", payment_event_id="E1", order_id="O3")
    before = world(orders=orders, payments=[paid])
    new = [payment("captured", "5", payment_event_id="E2", order_id="O2"), payment("captured", "1", order_id=None)]
    after = world(orders=[{**orders[0], "status": "cancelled"}, *orders[1:]], payments=[paid, *new])
    run = recompute("payment_reconciliation", before, after)
    assert run.keys == [("O1",), ("O2",), ("unknown",)]
    assert run.equals_a_rebuild()
