"""A fold bug leaves a wrong counter with a thousand learners. It is found and mended."""

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path

import pytest

from cli.stack import Stack
from domain.catalog import ContentMetadata
from domain.log_line import to_text
from domain.tally import COUNTERS, increments
from functions.catalog import CatalogWriter
from functions.log_objects import read_line
from functions.project import Projector
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import commands, second_stack, with_views
from tests.integration.rebuilds import lines

NAME = "streakline-wrong"
WRONG = [f"wrong-{n:04}" for n in range(1_000)]
RIGHT = [f"right-{n:04}" for n in range(200)]
DAYS = 6
ARRIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
LINES_IN_OBJECT = 500
SECONDS = list(COUNTERS).index("seconds")


@pytest.fixture(scope="module")
def both(stack: Deployed) -> Iterator[Stack]:
    """A stack whose log is right, and whose live views were folded from it by a release with a bug."""
    with second_stack(stack.stack, NAME, Views="both") as deployed:
        blue, green = deployed.generation("blue"), deployed.generation("green")
        contents = [ContentMetadata(f"saa-{n}", "Storage") for n in range(DAYS)]
        CatalogWriter(blue, (green,)).update({"SAA": contents}, 1_700_000_000_000_000)
        projector = Projector(blue, deployed.quarantine)
        fold(deployed, projector, RIGHT)
        with pytest.MonkeyPatch.context() as planted:
            # The time spent grows by 7 seconds, whatever was reported.
            planted.setattr(
                "domain.fold.increments",
                lambda i: tuple((n, 7 if n == SECONDS else amount) for n, amount in increments(i)),
            )
            fold(deployed, projector, WRONG)
        yield deployed


def fold(stack: Stack, projector: Projector, learners: list[str]) -> None:
    """Write the interactions of these learners to the event log, and fold them."""
    made = lines(
        *[
            {
                "event_id": f"e{day}",
                "user_id": who,
                "content_id": f"saa-{day}",
                "interaction_type": "answered",
                "occurred_at": (ARRIVED - timedelta(days=DAYS - day)).isoformat(),
                "score": 80,
                "time_spent": 60,
            }
            for day in range(DAYS)
            for who in learners
        ],
        at=ARRIVED,
    )
    for number, some in enumerate(batched(made, LINES_IN_OBJECT)):
        stack.client("s3").put_object(
            Bucket=stack.outputs["EventLogBucket"],
            Key=f"log/2026/11/20/{learners[0]}-{number}.gz",
            Body=gzip.compress("".join(f"{to_text(line)}\n" for line in some).encode()),
        )
        received = [one for line in some for one in read_line(line)]
        assert projector.apply(received).applied == len(some)


def seconds_of(stack: Stack, user: str) -> int:
    state = stack.generation(stack.live).read_state(user)
    assert state is not None
    return state.total.seconds


def test_a_wrong_counter_of_a_thousand_learners_is_found_and_mended(both: Stack, tmp_path: Path) -> None:
    command = commands(both, tmp_path)
    assert (seconds_of(both, WRONG[0]), seconds_of(both, RIGHT[0])) == (7 * DAYS, 60 * DAYS)
    began = time.monotonic()
    rebuilt = command("rebuild", "--yes")
    print(f"rebuilt {len(WRONG) + len(RIGHT)} learners in {time.monotonic() - began:.0f} s")
    assert (rebuilt["status"], rebuilt["report"]["learners"]) == ("finished", len(WRONG) + len(RIGHT))

    began = time.monotonic()
    found = command("compare", exit_code=1)
    print(f"compared them in {time.monotonic() - began:.0f} s")
    assert found["equal"] == len(RIGHT)
    assert sorted((one["user_id"], one["wrong"]) for one in found["unexplained"]) == [
        (user, "live") for user in WRONG
    ]

    command("refold", WRONG[0], "--yes")
    assert seconds_of(both, WRONG[0]) == 60 * DAYS
    found = command("compare", exit_code=1)
    assert sorted(one["user_id"] for one in found["unexplained"]) == WRONG[1:]

    # What was rebuilt becomes live, although the views that it leaves are wrong.
    assert command("cutover", "--yes")["live"] == "green"
    assert {seconds_of(both, user) for user in (*WRONG, *RIGHT)} == {60 * DAYS}

    # The way back is refused. After the wrong generation is dropped, it is rebuilt like the other one.
    command("cutover", "--yes", "--to", "blue", exit_code=1)
    dropped = both.generation("blue").table
    with_views(both, NAME, "green")
    both.client("dynamodb").delete_table(TableName=dropped)
    again = with_views(both, NAME, "both")
    command = commands(again, tmp_path)
    # An erased learner is in the log until the next pass, and a rebuild brings nothing of theirs back.
    command("erase", RIGHT[0], "--yes")
    assert command("rebuild", "--yes")["generation"] == "blue"
    assert command("compare")["is_safe"]
    assert command("cutover", "--yes")["live"] == "blue"
    assert {seconds_of(again, user) for user in (*WRONG, *RIGHT[1:])} == {60 * DAYS}
    erased = again.generation("blue").read_state(RIGHT[0])
    assert erased is not None
    assert erased.erased_at is not None
    assert erased.total.interactions == 0
