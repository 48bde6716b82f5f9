"""Bad releases are taken back by the alarms of the template, and nothing is lost by them."""

import json
from base64 import b64decode
from collections import Counter
from typing import Any

import pytest

from domain.fold import fold
from domain.learner import Learner
from functions import items, project
from functions.errors import LaterFormat, Unreadable
from tests.integration.canary import LEARNERS, Deployment, Version
from tests.integration.conftest import World

BEFORE = 3
"""Minutes before a release."""


def good(_: pytest.MonkeyPatch) -> None:
    """Change nothing."""


def cannot_read_states(patch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: Any) -> Any:
        raise Unreadable("the state has no attribute that this release needs")

    patch.setattr(items, "learner_of", unreadable)


def knows_only_the_format_before(patch: pytest.MonkeyPatch) -> None:
    def later(*_: Any) -> Any:
        raise LaterFormat("the state has format 2; this release reads 1")

    patch.setattr(items, "learner_of", later)


def has_a_bug(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(project, "fold", lambda *_: 1 // 0)


def has_a_bug_for_one_learner_in_five(patch: pytest.MonkeyPatch) -> None:
    def fails_for_some(learner: Any, *given: Any) -> Any:
        return 1 // 0 if learner.user_id.endswith(("2", "7")) else fold(learner, *given)

    patch.setattr(project, "fold", fails_for_some)


def does_not_start(patch: pytest.MonkeyPatch) -> None:
    def no_projector() -> Any:
        raise KeyError("A_VARIABLE_OF_THE_NEXT_RELEASE")

    patch.setattr(project, "projector", no_projector)


@pytest.fixture
def deployment(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Deployment:
    made = Deployment(Version("7", good), monkeypatch, lambda: capsys.readouterr().out)
    made.run(range(BEFORE))
    return made


def counted(world: World) -> Counter[str]:
    """Return how many interactions each learner's state has."""
    users = [f"learner-{n}" for n in range(LEARNERS)]
    learners, _ = world.store.load(users)
    return Counter(
        {user: one.total.interactions for user, one in learners.items() if isinstance(one, Learner)}
    )


def redrive(deployment: Deployment, world: World) -> int:
    """Deliver what is in quarantine again, and return how many records that were."""
    refused = [json.loads(b64decode(message["payload"])) for message in world.quarantined()]
    for one in refused:
        deployment.deliver([one], 60, None, 0)
    return len(refused)


@pytest.mark.parametrize(
    ("plant", "alarm"),
    [
        (cannot_read_states, "ReleaseTroublesLearners"),
        (knows_only_the_format_before, "ReleaseTroublesLearners"),
        (has_a_bug, "ReleaseTroublesLearners"),
        (has_a_bug_for_one_learner_in_five, "ReleaseTroublesLearners"),
        (does_not_start, "ReleaseFails"),
    ],
)
def test_a_bad_release_is_taken_back_before_all_learners_meet_it_and_nothing_is_lost(
    deployment: Deployment, world: World, plant: Any, alarm: str
) -> None:
    assert deployment.release(Version("8", plant), BEFORE) == alarm
    assert deployment.live.number == "7"
    assert 0 < deployment.invoked["8"] < 0.2 * deployment.invoked["7"]
    deployment.run(range(20, 22))
    redrive(deployment, world)
    assert counted(world) == Counter(one["user_id"] for one in deployment.sent)
    assert not world.quarantined()


def test_a_good_release_gets_everything_after_ten_minutes(deployment: Deployment, world: World) -> None:
    assert deployment.release(Version("8", good), BEFORE) is None
    assert deployment.live.number == "8"
    assert 0 < deployment.invoked["8"] < deployment.invoked["7"]
    deployment.run(range(20, 21))
    assert counted(world) == Counter(one["user_id"] for one in deployment.sent)


def test_a_release_that_mends_a_bug_goes_out_while_the_one_before_it_still_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Version("7", has_a_bug_for_one_learner_in_five)
    deployment = Deployment(bad, monkeypatch, lambda: capsys.readouterr().out)
    deployment.run(range(BEFORE))
    assert deployment.release(Version("8", good), BEFORE) is None
    deployment.run(range(20, 21))
    assert redrive(deployment, world) > 0
    assert counted(world) == Counter(one["user_id"] for one in deployment.sent)


def test_the_way_back_to_a_release_that_can_not_read_what_the_next_has_stored_is_stopped(
    deployment: Deployment, world: World
) -> None:
    # The states that version 7 wrote have this format. Version 6 wrote and reads the one before it.
    assert items.FORMAT == 2
    older = Version("8", lambda patch: patch.setattr(items, "FORMAT", 1))
    assert deployment.release(older, BEFORE) == "ReleaseTroublesLearners"
    assert redrive(deployment, world) > 0
    assert counted(world) == Counter(one["user_id"] for one in deployment.sent)
