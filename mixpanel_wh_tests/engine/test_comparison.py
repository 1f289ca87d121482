"""Records of both ends compared: copies, tombstones, order of arrival, and bounded memory."""

import pytest

from mixpanel_wh.engine.comparison import Comparison, Findings, Record, joined


def one(name: str, stamp: int = 0, deleted: bool = False, **properties: object) -> Record:
    return Record((name,), properties, stamp, deleted)


def compared(expected: list[Record], held: list[Record], whole: bool = True) -> Findings:
    comparison = Comparison(whole)
    for record in expected:
        comparison.expect(record)
    for record in held:
        comparison.hold(record)
    if comparison.untold:
        comparison.tell(expected)
    assert not comparison.untold
    return comparison.findings()


def test_equal_records_agree_whatever_the_order_of_their_properties() -> None:
    found = compared([one("a", x=1, y=[2])], [one("a", y=[2], x=1)])
    assert found == Findings(expected=1, held=1)


def test_what_only_one_end_has_is_missing_or_extra() -> None:
    found = compared([one("a"), one("b")], [one("b"), one("c")])
    assert (found.missing, found.extra, found.differing) == (1, 1, 0)
    assert [(each.kind, each.record) for each in found.differences] == [("missing", "a"), ("extra", "c")]


def test_the_copy_that_came_in_last_counts_in_whatever_order_copies_are_read() -> None:
    for held in ([one("a", 1, x=1), one("a", 2, x=2)], [one("a", 2, x=2), one("a", 1, x=1)]):
        assert compared([one("a", x=2)], held).differing == 0
        assert compared([one("a", x=1)], held).differing == 1


def test_of_copies_that_came_in_together_the_one_read_last_counts() -> None:
    assert compared([one("a", x=2)], [one("a", x=1), one("a", x=2)]).differing == 0


def test_a_tombstone_takes_a_record_away_and_a_later_copy_brings_it_back() -> None:
    gone, back = one("a", 2, deleted=True), one("a", 3, x=1)
    assert compared([one("a", x=1)], [one("a", 1, x=1), gone]).missing == 1
    assert compared([], [one("a", 1, x=1), gone]) == Findings()
    assert compared([one("a", x=1)], [gone, back]) == Findings(expected=1, held=1)


def test_true_is_not_one_and_a_text_is_not_a_number() -> None:
    assert compared([one("a", x=True)], [one("a", x=1)]).differing == 1
    assert compared([one("a", x="1")], [one("a", x=1)]).differing == 1


def test_more_properties_than_expected_differ_only_in_whole_records() -> None:
    expected, held = [one("a", x=1, y=None)], [one("a", x=1, z=3)]
    assert compared(expected, held, whole=False).differing == 0
    assert compared(expected, [one("a", x=1, y=2)], whole=False).differing == 1
    [difference] = compared([one("a", x=1)], held).differences
    assert (difference.property_name, difference.expected, difference.held) == ("z", None, "3")


def test_several_rows_of_one_profile_are_one_record_with_the_later_values() -> None:
    found = compared([one("a", x=1, y=1), one("a", x=2)], [one("a", x=2, y=1)], whole=False)
    assert found == Findings(expected=1, held=1)


@pytest.mark.parametrize("planted", [0, 40])
def test_when_memory_is_short_both_ends_are_thinned_alike(planted: int) -> None:
    comparison = Comparison(whole=True, most_bytes=50_000)
    for n in range(2_000):
        comparison.expect(one(f"record {n}", x="y" * 50))
    for n in range(planted, 2_000 + planted):
        comparison.hold(one(f"record {n}", x="y" * 50))
    found = comparison.findings()
    assert found.share < 1 / 8
    assert 0 < found.expected < 150
    assert found.held - found.extra == found.expected - found.missing
    assert bool(found.missing or found.extra) <= bool(planted)


def test_findings_of_several_comparisons_are_added_up_and_show_each_kind() -> None:
    parts = [compared([one(f"m{part}{n}") for n in range(15)], [one(f"e{part}")]) for part in range(3)]
    found = joined(parts)
    assert (found.expected, found.held, found.missing, found.extra, found.share) == (45, 3, 45, 3, 1.0)
    assert [each.kind for each in found.differences] == ["missing"] * 20 + ["extra"] * 3


def test_what_is_excused_is_expected_when_held_and_not_missing_when_not() -> None:
    comparison = Comparison(whole=True)
    for name in ("a", "b", "c"):
        comparison.expect(one(name), excused=name != "c")
    comparison.hold(one("a"))
    found = comparison.findings()
    assert (found.expected, found.held, found.missing, found.excused) == (3, 1, 1, 1)


def test_equal_content_is_kept_as_hashes_in_a_fraction_of_its_size() -> None:
    comparison = Comparison(whole=True, most_bytes=1_000_000)
    for n in range(2_000):
        comparison.expect(one(f"record {n}", x="y" * 5_000))
    for n in range(2_000):
        comparison.hold(one(f"record {n}", x="y" * 5_000))
    assert comparison.findings() == Findings(expected=2_000, held=2_000)


def test_a_difference_that_is_not_told_again_is_counted_without_a_sample() -> None:
    comparison = Comparison(whole=True)
    comparison.expect(one("a"))
    assert comparison.untold
    comparison.tell([])
    assert (comparison.findings().missing, comparison.findings().differences) == (1, ())
