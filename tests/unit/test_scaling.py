"""docs/scaling.md and the script that prints its tables: they say the same, and the arithmetic holds."""

import re
from pathlib import Path

import pytest

from benchmarks import monthly
from benchmarks.dollars import by_stream, on_demand, provisioned
from tests.integration.watched import watched_by_alarms

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "scaling.md").read_text()
TEXT = " ".join(DOCUMENT.split())


@pytest.mark.parametrize(("name", "table"), monthly.tables())
def test_a_table_of_the_document_is_what_the_script_prints(name: str, table: str) -> None:
    [found] = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", DOCUMENT, re.DOTALL)
    assert found == table, "run python -m benchmarks.monthly, and copy its tables"


def test_what_an_interaction_costs_the_table_is_what_the_benchmark_measured() -> None:
    results = (ROOT / "benchmarks" / "results.md").read_text()
    [measured] = re.findall(r"by stream, 25 a learner-day, 1 each \|.*?\(DynamoDB ([\d.]+),", results)
    assert by_stream(monthly.LOAD)["DynamoDB"] == pytest.approx(float(measured), abs=0.006)


def test_the_examples_in_the_text_are_those_of_the_arithmetic() -> None:
    statistics = (10_000, 1.42, 1.5)
    month = [monthly.HOURS * on_demand(*statistics)]
    month += [monthly.HOURS * provisioned(*statistics, used) for used in (1, 0.7)]
    assert (
        "{:,.0f} dollars on demand, {:,.0f} provisioned if all of them are used, and {:,.0f}".format(*month)
        in TEXT
    )
    writes, reads = monthly.warming(20_000, 25_000)
    assert f"= {writes:.2f} dollars of write units" in TEXT
    assert f"= {reads:.2f} dollars of read units" in TEXT
    ratio = provisioned(1, 1.42, 1.5, 1) / on_demand(1, 1.42, 1.5)
    assert f"costs {ratio:.2f} of one on demand" in TEXT
    units = f"ReadCapacityUnits={20_000 / 0.7:.0f},WriteCapacityUnits={16_200 / 0.7:.0f}"
    assert (monthly.LOAD.write_units, monthly.LOAD.read_units) == (1.62, 2.0)
    assert units in TEXT


def test_a_stack_without_traffic_costs_what_the_documents_say() -> None:
    deploying = (ROOT / "docs" / "deploy.md").read_text()
    for text in (TEXT, deploying):
        assert f"bout {monthly.idle():.0f} dollars a month" in text
    with_log, without = (len(list(watched_by_alarms({"EventLog": log}))) for log in ("on", "off"))
    dev = monthly.idle(snapshots=False) - 0.10 * (with_log - without)
    assert f"`dev` costs about {dev:.0f}" in deploying
    traces = monthly.traces(1) * monthly.HOURS * 3600 * monthly.TRACE.dollars
    assert f"An interaction each second adds {traces:.0f} for traces" in TEXT


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
