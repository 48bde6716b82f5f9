"""Simulate learners of easy and hard catalogs, whose true share of new questions is known.

    python -m benchmarks.populations [LEARNERS]

They answer each content once and do not learn. The exam asks 65 new questions like those of the catalog.
"""

import sys
from datetime import datetime, timedelta
from random import Random
from statistics import fmean

from benchmarks.evaluation.log import CODE, LearnerState, Row
from benchmarks.evaluation.report import table
from domain.catalog import NO_DIFFICULTY, Certification, ContentMetadata, assign
from domain.days import day_number
from domain.difficulty import logistic
from domain.exam import EXAM_QUESTIONS
from domain.readiness import assess

CATEGORIES = 6
EACH = 40
"""Contents of each category."""
BETWEEN_LEARNERS, BETWEEN_CATEGORIES, BETWEEN_ITEMS = 0.8, 0.35, 0.5
"""Standard deviations, in logits."""
START = datetime(2026, 1, 1)


def main(learners: int = 150) -> int:
    """Print the bias and the chances of each population. Return the exit code."""
    rows = [
        _row(mean, answers, rated, learners)
        for mean in (-1.5, 0.0, 1.5)
        for answers in (12, 30, 60)
        for rated in (0, 200)
    ]
    header = ("right on average", "answers", "learners behind rates", "bias", "mark", "told", "passed")
    print(table(header, rows))
    return 0


def _row(mean: float, answers: int, rated: int, learners: int) -> tuple[str, ...]:
    rng = Random(7)
    easy = [rng.gauss(mean, BETWEEN_ITEMS) for _ in range(CATEGORIES * EACH)]
    spread = (BETWEEN_LEARNERS**2 + BETWEEN_CATEGORIES**2) ** 0.5
    items = []
    for n, x in enumerate(easy):
        right = sum(rng.random() < logistic(rng.gauss(0, spread) + x) for _ in range(rated))
        rate = right / rated if rated else None
        items.append(
            ContentMetadata(f"{n}", f"c{n // EACH}", correct_rate=rate, answered_by=rated if rated else None)
        )
    certification = assign(Certification(CODE), items, 0)
    mark = {-1.5: 30, 0.0: 50, 1.5: 70}[mean]
    errors, truths, told, passed = [], [], [], []
    for _ in range(learners):
        overall = rng.gauss(0, BETWEEN_LEARNERS)
        skills = [rng.gauss(overall, BETWEEN_CATEGORIES) for _ in range(CATEGORIES)]
        state = LearnerState("learner", certification)
        chosen = rng.sample(range(len(easy)), answers)
        state.apply(
            *(
                Row(
                    START + timedelta(minutes=minute),
                    f"{n}",
                    f"c{n // EACH}",
                    NO_DIFFICULTY,
                    rng.random() < logistic(skills[n // EACH] + easy[n]),
                    30,
                )
                for minute, n in enumerate(chosen)
            )
        )
        found = assess(state.track, state.days, certification, day_number(START.date()), pass_mark=mark)
        truth = 100 * fmean(logistic(skills[n // EACH] + x) for n, x in enumerate(easy))
        truths.append(truth)
        errors.append((found.estimate or 0.0) - truth)
        asked = (rng.randrange(CATEGORIES) for _ in range(EXAM_QUESTIONS))
        right = sum(rng.random() < logistic(skills[c] + rng.gauss(mean, BETWEEN_ITEMS)) for c in asked)
        if found.pass_probability is not None:
            told.append(found.pass_probability)
            passed.append(100 * right >= mark * EXAM_QUESTIONS)
    chances = (f"{fmean(told):.0%}", f"{fmean(passed):.0%}") if told else ("–", "–")
    return f"{fmean(truths):.0f}%", f"{answers}", f"{rated}", f"{fmean(errors):+.1f}", f"{mark}%", *chances


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
