"""A generation of the views is rebuilt by the deployed state machine and compared with the live one."""

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest

from cli.compare import compare_generations
from cli.rebuild import Progressed, Rebuilds
from cli.stack import Stack
from domain.catalog import ContentMetadata
from domain.log_line import to_text
from functions.catalog import CatalogWriter
from functions.generations import LIVE
from functions.log_objects import read_line
from functions.project import Projector
from functions.rebuild_runs import LatestRun
from functions.store import Store
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import second_stack
from tests.integration.rebuilds import lines

SECONDS = 120
"""How long a rebuild of a few lines may take. It takes a few seconds."""
ARRIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEARNERS = [f"learner-{n}" for n in range(20)]


@pytest.fixture(scope="module")
def both(stack: Deployed) -> Iterator[Stack]:
    """A stack with two generations, a history in the log, and the live views of that history."""
    with second_stack(stack.stack, "streakline-rebuild", Views="both") as deployed:
        client = deployed.client("dynamodb")
        blue, green = (Store(client, deployed.outputs[f"{c}ViewsTableName"]) for c in ("Blue", "Green"))
        contents = [ContentMetadata(f"saa-{n}", "Storage") for n in range(5)]
        CatalogWriter(blue, (green,)).update({"SAA": contents}, 1_700_000_000_000_000)
        records = [
            {
                "event_id": f"{who}-{day}",
                "user_id": who,
                "content_id": f"saa-{day % 5}",
                "interaction_type": "completed" if day % 2 else "answered",
                "occurred_at": (ARRIVED - timedelta(days=20 - day)).isoformat(),
                "score": 80,
            }
            for day in range(10)
            for who in LEARNERS
        ]
        made = lines(*records, at=ARRIVED)
        for n in range(4):
            body = "".join(f"{to_text(line)}\n" for line in made[n::4])
            deployed.client("s3").put_object(
                Bucket=deployed.outputs["EventLogBucket"],
                Key=f"log/2026/11/20/{n}.gz",
                Body=gzip.compress(body.encode()),
            )
        received = [one for line in made for one in read_line(line)]
        assert Projector(blue, deployed.quarantine).apply(received).applied == len(records)
        yield deployed


def finished(stack: Stack) -> Progressed:
    """Return the rebuild once it is no longer running."""
    deadline = time.monotonic() + SECONDS
    while (found := Rebuilds(stack).status(with_report=True)).status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


def test_the_state_machine_rebuilds_what_the_live_generation_has(both: Stack) -> None:
    begun = Rebuilds(both).begin(yes=True)
    assert begun.status == "running"
    with pytest.raises(click.ClickException, match="is under way"):
        Rebuilds(both).begin(yes=True)
    found = finished(both)
    assert (found.status, found.cause) == ("finished", None)
    report = found.report
    assert (report.lines, report.learners, report.applied) == (200, 20, 200)
    assert report.awards > 0
    compared = compare_generations(both, both.live)
    assert (compared.learners, compared.equal, compared.is_safe) == (20, 20, True)


def test_a_rebuild_that_fails_says_why_and_is_resumed(both: Stack) -> None:
    client, control = both.client("dynamodb"), both.outputs["ControlTableName"]
    epochs = '[["blue", 0], ["green", 1]]'
    rebuilds = Rebuilds(both)
    latest = rebuilds.runs.latest()
    assert latest is not None
    # Somebody makes the generation live while it is built.
    run = LatestRun(f"{latest.run}-2", "green", int(time.time() * 1000))
    client.put_item(TableName=control, Item={**LIVE, "epochs": {"S": epochs}})
    try:
        time.sleep(6)
        assert rebuilds.runs.begin(run, latest)
        rebuilds._start(run, run.run)
        failed = finished(both)
    finally:
        client.delete_item(TableName=control, Key=LIVE)
    assert failed.status == "failed"
    assert "the green generation is live" in (failed.cause or "")
    time.sleep(6)
    rebuilds.go_on(yes=True, redrive=False)
    again = finished(both)
    assert again.status == "finished"
    assert (again.report.applied, again.report.duplicates) == (0, 200)
