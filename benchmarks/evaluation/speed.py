"""The time that one assessment takes."""

import time
from datetime import datetime, timedelta
from statistics import fmean, median

from benchmarks.evaluation.log import CODE, LearnerState, Row
from domain.catalog import Certification, ContentMetadata, assign
from domain.readiness import assess

ANSWERS_A_DAY = 12
CONTENTS = 20
"""Number of contents in each category."""
RUNS = 300


def time_assessment(days: int, categories: int = 12, *, rated: bool = False) -> str:
    """Return how long it takes to assess a learner with this many categories and study days.

    `rated`: each content has a rate of right first answers.
    """
    names = [f"c{n:02}" for n in range(categories)]
    items = [ContentMetadata(f"{name}-{n}", name, "intermediate") for name in names for n in range(CONTENTS)]
    certification = assign(Certification(CODE), items, 0)
    state = LearnerState("learner", certification)
    start = datetime(2026, 1, 1)
    for n in range(days * ANSWERS_A_DAY):
        # 37 has no factor in common with the number of items, so all of them have their turn.
        item = items[n * 37 % len(items)]
        at = start + timedelta(days=n // ANSWERS_A_DAY)
        state.apply(Row(at, item.content_id, item.category, item.difficulty, n % 3 > 0, 30))
    today = max(state.days)
    if rated:
        rates = ((content.ordinal * 7 % 19 + 1) / 20 for content in certification.contents)
        contents = zip(certification.contents, rates, strict=True)
        known = tuple(content._replace(correct_rate=rate, answered_by=50) for content, rate in contents)
        certification = Certification(CODE, 1, known)
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        assess(state.track, state.days, certification, today)
        seconds.append(time.perf_counter() - begin)
    touched = fmean(len(day.tallies[CODE].categories) for day in state.days.values())
    kind = "categories with rates" if rated else "categories"
    return (
        f"{categories} {kind}, {days} study days with {touched:.0f} categories each: "
        f"median {1e6 * median(seconds):.0f} µs, best {1e6 * min(seconds):.0f} µs"
    )
