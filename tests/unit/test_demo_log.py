"""The demo's log: the estimate of readiness agrees with the truth that the generator knows."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, NamedTuple

import pytest

from cli.demo_log import LAST_DAY, demo_catalog, demo_log
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.days import day_number
from domain.interaction import Interaction, InvalidInteraction, parse
from domain.readiness import Readiness, assess
from tests.factory import fold_batches

ARRIVAL = datetime(2027, 1, 1, tzinfo=UTC)


class Told(NamedTuple):
    truth: float
    """Per cent."""
    readiness: Readiness


def catalog() -> Catalog:
    rows: dict[str, list[ContentMetadata]] = {}
    for row in demo_catalog():
        level = row.difficulty_level or ""
        rows.setdefault(row.certification_type, []).append(
            ContentMetadata(row.content_id, row.category, level)
        )
    return Catalog({code: assign(Certification(code), found, 0) for code, found in rows.items()})


def valid(interactions: list[dict[str, Any]]) -> Iterator[Interaction]:
    for fields in interactions:
        try:
            yield parse(fields, ARRIVAL)
        except InvalidInteraction:
            continue


def told(seed: int) -> Mapping[str, Told]:
    """Return what is told to each learner of a demo with this seed, beside the truth."""
    log = demo_log(seed)
    by_learner: dict[str, list[Interaction]] = {}
    for interaction in valid(log.interactions):
        by_learner.setdefault(interaction.user_id, []).append(interaction)
    content = catalog()
    found = {}
    for user, history in by_learner.items():
        folded = fold_batches([history], content)
        [(code, track)] = folded.learner.tracks.items()
        days = dict(folded.days)
        if folded.learner.latest:
            days[folded.learner.latest.number] = folded.learner.latest
        readiness = assess(track, days, content.certifications[code], day_number(LAST_DAY))
        found[user] = Told(100 * log.expected[user], readiness)
    return found


@pytest.mark.parametrize("seed", [20260301, 1, 2, 3, 4, 5])
def test_the_estimate_is_on_average_within_five_points_of_the_truth(seed: int) -> None:
    learners = told(seed)
    assert len(learners) == 40
    errors = [(each.readiness.estimate or 0.0) - each.truth for each in learners.values()]
    assert abs(fmean(errors)) < 5, f"replay with told({seed})"
    assert fmean(map(abs, errors)) < 10


def test_intervals_hold_the_truth_and_chances_of_passing_are_as_frequent_as_told() -> None:
    learners = [each for seed in range(5) for each in told(seed).values()]
    held = [e.readiness.interval.low <= e.truth <= e.readiness.interval.high for e in learners]
    assert fmean(held) > 0.8
    chances = [
        (chance, each.truth >= each.readiness.pass_mark)
        for each in learners
        if (chance := each.readiness.pass_probability) is not None
    ]
    assert len(chances) > 50
    assert fmean(chance for chance, _ in chances) == pytest.approx(
        fmean(able for _, able in chances), abs=0.1
    )
    assert not any(able for chance, able in chances if chance < 0.1)


def test_who_knows_the_questions_by_heart_is_told_so_beside_the_estimate() -> None:
    shown = told(20260301)["demo-ada"].readiness
    assert shown.estimate is not None
    assert shown.practice is not None
    assert shown.practice > shown.estimate
