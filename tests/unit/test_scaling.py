"""docs/scaling.md and the script that prints its tables: they say the same, and the arithmetic holds."""

import re
from pathlib import Path

import pytest

from benchmarks import monthly
from benchmarks.dollars import by_stream

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "scaling.md").read_text()


@pytest.mark.parametrize(("name", "table"), monthly.tables())
def test_a_table_of_the_document_is_what_the_script_prints(name: str, table: str) -> None:
    [found] = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", DOCUMENT, re.DOTALL)
    assert found == table, "run python -m benchmarks.monthly, and copy its tables"


def test_what_an_interaction_costs_the_table_is_what_the_benchmark_measured() -> None:
    results = (ROOT / "benchmarks" / "results.md").read_text()
    [measured] = re.findall(r"by stream, 25 a learner-day, 1 each \|.*?\(DynamoDB ([\d.]+),", results)
    assert by_stream(monthly.LOAD)["DynamoDB"] == pytest.approx(float(measured), abs=0.006)


def test_the_examples_in_the_text_are_those_of_the_arithmetic() -> None:
    def of(write_units: float, read_units: float) -> tuple[float, float]:
        load = monthly.LOAD._replace(write_units=write_units, read_units=read_units)
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(monthly, "LOAD", load)
            return monthly.on_demand(10_000).dollars, monthly.provisioned(10_000, 1).dollars

    on_demand, provisioned = of(1.32, 2.0)
    assert f"{on_demand:,.0f} and {provisioned:,.0f} dollars" in DOCUMENT
    assert f"= {monthly.warming(20_000):.2f} dollars of write units" in DOCUMENT
    assert f"= {13_000 * monthly.READ_CAPACITY_HOUR.dollars:.2f} dollars of read units" in DOCUMENT
    ratio = monthly.provisioned(1, 1).dollars / monthly.on_demand(1).dollars
    assert f"costs {ratio:.2f} of one on demand" in DOCUMENT
    capacity = monthly.provisioned(10_000, 0.7)
    assert (
        f"ReadCapacityUnits={capacity.read_units:.0f},WriteCapacityUnits={capacity.write_units:.0f}"
        in DOCUMENT
    )


@pytest.mark.parametrize("rate", [0.1, 1, 100, 700, 701, 10_000])
def test_every_interaction_is_in_a_batch_that_the_event_source_can_make(rate: float) -> None:
    batches = monthly.batches(rate)
    assert 0 < batches <= rate
    assert rate / batches <= monthly.MAX_BATCH_SIZE + 1e-6


def test_more_traffic_never_costs_less_and_the_stream_is_the_cheapest_door() -> None:
    for door in monthly.DOORS:
        totals = [sum(monthly.month(rate, door).values()) for rate in (1, 10, 100, 1_000, 10_000)]
        assert totals == sorted(totals)
    for rate in (1, 10_000):
        stream, bus, api = (sum(monthly.month(rate, door).values()) for door in monthly.DOORS)
        assert stream < bus < api
