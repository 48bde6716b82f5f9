"""When a learner last practised each category and content, and how much of their memory of these is left."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from domain.learner import Day
from domain.tally import Breakdown

RECENT_DAYS = 31
"""Number of days, today included, whose buckets are read. What is left of a memory after them stays: 0.18,
which would fall to 0.10 by day 90. Reading three months instead would double a dashboard's read units."""

_REMEMBERED_DAYS = 365
"""What is left of a memory after so many days stays."""
LEFT: Sequence[float] = [(1 + days) ** -0.5 for days in range(_REMEMBERED_DAYS + 1)]
"""How much is left of a memory, 0 to 1, by its age in days. In the practice logs, a power of the days fits
better than any half-life."""

_AGE = itemgetter(0)


class Practice(NamedTuple):
    """The recent study days with scored answers in one certification."""

    ages: dict[str, int]
    """Days since the last scored answer in each category; without those that have none in `RECENT_DAYS`."""
    days: int
    """Number of days with a scored answer."""

    def age(self, category: str) -> int:
        """Return the days since the last scored answer in a category, at most `RECENT_DAYS`."""
        return self.ages.get(category, RECENT_DAYS)

    def memory(self, category: str) -> float:
        """Return how much is left of the memory of what was practised last in a category, 0 to 1."""
        return LEFT[self.age(category)]


type RecentDay = tuple[int, Breakdown]
"""Age of a day in days (0 is today), and what the learner did on it in one certification."""


def recent_days(code: str, days: Iterable[Day], today: int) -> list[RecentDay]:
    """Return the last `RECENT_DAYS` up to `today` with activity in a certification, newest first."""
    first = today - RECENT_DAYS
    aged = [
        (today - day.number, day.tallies[code])
        for day in days
        if first < day.number <= today and code in day.tallies
    ]
    return sorted(aged, key=_AGE)


def practice_of(recent: Sequence[RecentDay], categories: int) -> Practice:
    """Return when each category was practised.

    `recent`: as `recent_days` returns it. `categories`: the number of categories with a scored answer.
    """
    ages: dict[str, int] = {}
    days = 0
    # Days are sorted newest first, so the first day with a scored answer is the most recent one.
    for age, of_day in recent:
        tallies = of_day.categories
        for tally in tallies.values():
            if tally.scored:
                days += 1
                break
        if len(ages) < categories:
            for name, tally in tallies.items():
                if tally.scored and name not in ages:
                    ages[name] = age
    return Practice(ages, days)
