"""When a learner last practised each category and content, and how much of their memory of these is left."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.learner import Day

RECENT_DAYS = 31
"""Number of days, today included, whose buckets are read. What is left of a memory after them stays: 0.18,
which would fall to 0.10 by day 90. Reading three months instead would double a dashboard's read units."""

_REMEMBERED_DAYS = 365
"""What is left of a memory after so many days stays."""
LEFT: Sequence[float] = [(1 + days) ** -0.5 for days in range(_REMEMBERED_DAYS + 1)]
"""How much is left of a memory, 0 to 1, by its age in days. In the practice logs, a power of the days fits
better than any half-life."""


class Practice(NamedTuple):
    """The recent study days with scored answers in one certification."""

    ages: dict[str, int]
    """Days since the last scored answer in each category; without those that have none in `RECENT_DAYS`."""
    days: int
    """Number of days with a scored answer."""

    def memory(self, category: str) -> float:
        """Return how much is left of the memory of what was practised last in a category, 0 to 1."""
        return LEFT[self.ages.get(category, RECENT_DAYS)]


def practice_of(code: str, days: Mapping[int, Day], today: int, categories: int) -> Practice:
    """Return when each category of a certification was practised within `RECENT_DAYS` up to `today`.

    `days`: the day buckets by number. `categories`: the number of categories with a scored answer, ever.
    """
    ages: dict[str, int] = {}
    number = 0
    # From the newest day on: the first one with a scored answer in a category is the most recent one.
    for age in range(RECENT_DAYS):
        day = days.get(today - age)
        if day is None or code not in day.tallies:
            continue
        tallies = day.tallies[code].categories
        for tally in tallies.values():
            if tally.scored:
                number += 1
                break
        if len(ages) < categories:
            for name, tally in tallies.items():
                if tally.scored and name not in ages:
                    ages[name] = age
    return Practice(ages, number)
