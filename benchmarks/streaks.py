"""Measure how long the streak view of a ten-year calendar takes. The target is at most 100 microseconds.

python -m benchmarks.streaks
"""

from functools import partial
from random import Random
from statistics import median
from timeit import repeat

from domain import views
from domain.catalog import Catalog
from domain.learner import Learner
from domain.streaks import StudyCalendar, streaks
from domain.views import ViewContext

DAYS = 3653
FIRST = 6000


def calendars() -> dict[str, StudyCalendar]:
    """Return ten years of study days for each pattern of study."""
    random = Random(17)
    studied = {
        "every day": [True] * DAYS,
        "nine days in ten": [random.random() < 0.9 for _ in range(DAYS)],
        "two days in three": [random.random() < 0.67 for _ in range(DAYS)],
        "every other day": [n % 2 == 0 for n in range(DAYS)],
        "seven on, one off": [n % 8 != 7 for n in range(DAYS)],
        "working days": [n % 7 < 5 for n in range(DAYS)],
    }
    return {
        name: StudyCalendar(FIRST, sum(1 << n for n, day in enumerate(days) if day))
        for name, days in studied.items()
    }


def main() -> None:
    """Print the median times in microseconds."""
    today = FIRST + DAYS
    print(f"{'':20} {'streaks':>10} {'view':>10} {'2 freezes':>10} {'view':>10}  µs")
    for name, calendar in calendars().items():
        learner = Learner("learner", calendar=calendar)
        figures = []
        for freezes in (0, 2):
            at = ViewContext(learner, {}, (), Catalog(), today, freezes)
            for call in (partial(streaks, calendar, today, freezes), partial(views.streak, at)):
                figures.append(1e4 * median(repeat(call, number=100, repeat=9)))
        print(f"{name:20} " + " ".join(f"{figure:10.0f}" for figure in figures))


if __name__ == "__main__":
    main()
