from retailflow_spark.delta.spans import merged


def test_spans_that_overlap_are_one_and_few_stay_as_they_are():
    assert merged([("d", "f"), ("a", "c"), ("b", "b"), (None, None)]) == [("a", "c"), ("d", "f")]


def test_too_many_spans_are_merged_across_the_smallest_gaps():
    days = ["O20260101", "O20260102", "O20260103", "O20260301", "O20260302", "P1"]
    assert merged([(day, day) for day in days], most=3) == [
        ("O20260101", "O20260103"),
        ("O20260301", "O20260302"),
        ("P1", "P1"),
    ]
    assert merged([(day, day) for day in days], most=1) == [("O20260101", "P1")]


def test_more_keys_than_one_condition_holds_are_all_in_its_spans():
    keys = [f"K{number * 7919 % 10007:05d}" for number in range(500)]
    spans = merged((key, key) for key in keys)
    assert len(spans) == 50
    assert all(any(least <= key <= greatest for least, greatest in spans) for key in keys)
