"""Study days and the streaks they make: computed from a calendar, never counted.

So a late interaction mends a streak by itself, and a duplicate changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

RUN_PER_FREEZE = 7
"""Study days in a row that bank one freeze."""

# Day 0 (2000-01-01) was a Saturday: weeks begin on Mondays.
_WEEKDAY_OF_DAY_0 = 5


@dataclass(frozen=True, slots=True)
class StudyCalendar:
    """A set of study days: a bitmap from the first of them on.

    Days are numbered from 2000-01-01. Bit n of `bits` is day `first + n`; one set has one form.
    """

    first: int = 0
    bits: int = 0

    def __contains__(self, day: int) -> bool:
        return day >= self.first and bool(self.bits >> (day - self.first) & 1)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __iter__(self) -> Iterator[int]:
        for n, bit in enumerate(self._text()):
            if bit == "1":
                yield self.first + n

    @property
    def last(self) -> int | None:
        """The latest study day; None where there is none."""
        return self.first + self.bits.bit_length() - 1 if self.bits else None

    def add(self, day: int) -> "StudyCalendar":
        """The calendar with one study day more."""
        if not self.bits:
            return StudyCalendar(day, 1)
        if day < self.first:
            return StudyCalendar(day, self.bits << (self.first - day) | 1)
        return StudyCalendar(self.first, self.bits | 1 << (day - self.first))

    def until(self, day: int) -> "StudyCalendar":
        """The study days up to and including this one."""
        if day < self.first:
            return StudyCalendar()
        bits = self.bits & ((1 << (day - self.first + 1)) - 1)
        return StudyCalendar(self.first, bits) if bits else StudyCalendar()

    def _text(self) -> str:
        """One character a day from the first on: string search beats arithmetic on long bitmaps."""
        return f"{self.bits:b}"[::-1] if self.bits else ""

    def to_bytes(self) -> bytes:
        """The bitmap, little-endian."""
        return self.bits.to_bytes((self.bits.bit_length() + 7) // 8, "little")

    @classmethod
    def from_bytes(cls, first: int, data: bytes) -> "StudyCalendar":
        """The inverse of `first` and `to_bytes`."""
        return cls(first, int.from_bytes(data, "little")) if data else cls()


@dataclass(frozen=True, slots=True)
class Streaks:
    """What a calendar amounts to, on one day. Lengths are in study days."""

    current: int
    longest: int
    total: int
    frozen: tuple[int, ...] = ()
    """Missed days that a freeze was spent on, in order."""
    banked: int = 0
    """Freezes at hand."""


def streaks(calendar: StudyCalendar, today: int | None = None, freezes: int = 0) -> Streaks:
    """The streaks up to `today` (default: the last study day), later days left out.

    The current streak ends today or yesterday: studying is not yet due today. With `freezes` n, every 7
    study days in a row bank one, at most n; a missed day spends one, which keeps the run and does not
    lengthen it, and starts the count of 7 anew.
    """
    if today is not None:
        calendar = calendar.until(today)
    if calendar.last is None:
        return Streaks(0, 0, 0)
    text = calendar._text()
    # Days missed up to yesterday belong to the story too: they break the streak, or spend freezes.
    missed = 0 if today is None else max(0, today - 1 - calendar.last)
    if freezes == 0:
        longest = len(max(text.split("0")))
        current = 0 if missed else len(text) - 1 - text.rfind("0")
        return Streaks(current, longest, len(calendar))
    return _frozen_streaks(text + "0" * missed, calendar.first, freezes)


def _frozen_streaks(text: str, first: int, freezes: int) -> Streaks:
    run = longest = banked = day = total = 0
    frozen: list[int] = []
    for studied, group in groupby(text):
        length = len(list(group))
        if studied == "1":
            run += length
            total += length
            longest = max(longest, run)
            banked = min(freezes, banked + length // RUN_PER_FREEZE)
        elif length <= banked:
            banked -= length
            frozen += range(first + day, first + day + length)
        else:
            # The freezes at hand are spent on the days that were missed, though they save nothing.
            frozen += range(first + day, first + day + banked)
            banked = run = 0
        day += length
    return Streaks(run, longest, total, tuple(frozen), banked)
