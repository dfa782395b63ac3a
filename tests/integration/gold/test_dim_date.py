from pyspark.sql import functions as F


def test_it_has_the_columns_of_its_contract(follows_its_contract):
    assert follows_its_contract("dim_date")


def test_it_has_every_day_of_1990_to_2049(world):
    days = world()["gold.dim_date"]
    bounds = days.agg(F.min("calendar_date"), F.max("calendar_date"), F.count_distinct("calendar_date"), F.count("*"))
    assert [str(value) for value in bounds.first()] == ["1990-01-01", "2049-12-31", "21915", "21915"]


def test_a_day_at_the_turn_of_the_year_belongs_to_the_iso_year_of_its_thursday(world):
    columns = (
        "calendar_date",
        "iso_year_number",
        "iso_week_number",
        "iso_weekday_number",
        "weekday_name",
        "is_weekend",
    )
    days = (
        world()["gold.dim_date"].where("calendar_date in (date'2021-01-03', date'2024-12-30')").orderBy("calendar_date")
    )
    assert [tuple(map(str, row)) for row in days.select(*columns).collect()] == [
        ("2021-01-03", "2020", "53", "7", "Sunday", "True"),
        ("2024-12-30", "2025", "1", "1", "Monday", "False"),
    ]


def test_after_the_first_build_there_is_nothing_to_do(world, recompute):
    run = recompute("dim_date", world(), world())
    assert run.keys == []
    assert run.equals_a_rebuild()
