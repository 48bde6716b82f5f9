"""The benchmarks' own arithmetic: capacity units, prices, plots and the baselines that they compare with."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.counted_table import CountedTable
from benchmarks.dashboards import recomputed
from benchmarks.dollars import Load, by_api, by_bus, by_stream, of_dashboards
from benchmarks.figures import Plot, Series, at_most, percentile
from benchmarks.histories import contents, fixed, generated
from benchmarks.naive import consume_one
from benchmarks.plots import svg
from benchmarks.processing import plain_loop

KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}


def item(size: int) -> dict[str, Any]:
    """Return an item that DynamoDB counts as so many bytes."""
    return {**KEY, "x": {"B": b"." * (size - 7)}}


@pytest.mark.parametrize(("size", "units"), [(100, 1), (1024, 1), (1025, 2), (5000, 5)])
def test_a_write_costs_a_unit_for_each_kilobyte(size: int, units: int) -> None:
    table = CountedTable()
    table.put_item(TableName="t", Item=item(size))
    assert table.write_units == units
    # The larger one of the item before and after the write counts.
    table.put_item(TableName="t", Item=item(100))
    assert table.write_units == 2 * units


def test_a_transaction_costs_twice_as_much_and_all_or_nothing_is_written() -> None:
    table = CountedTable()
    table.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": item(1500)}}])
    assert table.write_units == 4


@pytest.mark.parametrize(("size", "consistent", "units"), [(100, True, 1), (4097, True, 2), (4097, False, 1)])
def test_a_read_costs_a_unit_for_four_kilobytes_or_half_of_it(
    size: int, consistent: bool, units: float
) -> None:
    table = CountedTable()
    table.put_item(TableName="t", Item=item(size))
    table.get_item(TableName="t", Key=KEY, ConsistentRead=consistent)
    assert table.read_units == units


def test_the_naive_consumer_counts_an_event_once_for_ten_units() -> None:
    table = CountedTable()
    fields = generated(1, 1, contents(1))[0]
    consume_one(table, fields)
    assert table.write_units == 10
    with pytest.raises(Exception, match="TransactionCanceled"):
        consume_one(table, fields)


def test_the_plain_loop_and_recomputing_count_every_interaction() -> None:
    history = generated(3, 10, contents(5))
    [learner] = plain_loop(list(fixed(history, 7))).values()
    assert learner["count"] == 30
    found = recomputed(history)
    assert found["totals"]["interactions"] == 30
    assert found["longest"] == 3
    assert sum(sums["interactions"] for _, sums in found["trends"]) == 30


def test_dollars_add_up_by_service_and_door() -> None:
    load = Load(write_units=2.0, read_units=1.0, cpu_seconds=0.0, batches=0.0)
    stream = by_stream(load)
    assert stream["DynamoDB"] == pytest.approx(2 * 0.625 + 0.125)
    assert stream["Firehose"] == pytest.approx(0.138, abs=0.001)
    assert sum(by_bus(load).values()) == pytest.approx(sum(stream.values()) + 1)
    assert sum(by_api(load).values()) > sum(by_bus(load).values())
    assert of_dashboards(8)["DynamoDB"] == 1.0


def test_a_figure_says_whether_it_is_within_its_limit() -> None:
    assert at_most(1, "f", 1.2, 1.3, "").is_reached
    assert not at_most(1, "f", 1.31, 1.3, "").is_reached
    assert percentile([3, 1, 2], 0.5) == 2


def test_a_plot_is_svg_with_its_points_in_order() -> None:
    series = [Series("a < b", [(1, 10), (10, 20), (100, 4000)])]
    root = ElementTree.fromstring(svg(Plot("title & more", "x", "y", series)))
    [line] = [found for found in root.iter() if found.tag.endswith("polyline")]
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert all(left < right and below > above for (left, below), (right, above) in pairwise(points))
