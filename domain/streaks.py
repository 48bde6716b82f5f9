"""Study days, and the streaks that follow from them.

Streaks are computed from a calendar and never counted. So a late interaction repairs a streak by itself, and
a duplicate changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress, count

RUN_PER_FREEZE = 7
"""The number of study days in a row that banks one freeze."""

_ONES = bytes.maketrans(b"01", b"\0\1")

# Day 0 (2000-01-01) was a Saturday: weeks begin on Mondays.
_WEEKDAY_OF_DAY_0 = 5


@dataclass(frozen=True, slots=True)
class StudyCalendar:
    """A set of study days, as a bitmap that begins with the first of them.

    Days are numbered from 2000-01-01. Bit n of `bits` is day `first + n`. Equal sets are equal objects.
    """

    first: int = 0
    bits: int = 0

    def __contains__(self, day: int) -> bool:
        return day >= self.first and bool(self.bits >> (day - self.first) & 1)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __iter__(self) -> Iterator[int]:
        return compress(count(self.first), self._text().encode().translate(_ONES))

    @property
    def last(self) -> int | None:
        """The latest study day; None without any."""
        return self.first + self.bits.bit_length() - 1 if self.bits else None

    def add(self, day: int) -> "StudyCalendar":
        """Return the calendar with this study day added."""
        if not self.bits:
            return StudyCalendar(day, 1)
        if day < self.first:
            return StudyCalendar(day, self.bits << (self.first - day) | 1)
        return StudyCalendar(self.first, self.bits | 1 << (day - self.first))

    def until(self, day: int) -> "StudyCalendar":
        """Return the study days up to and including this day."""
        if day < self.first:
            return StudyCalendar()
        bits = self.bits & ((1 << (day - self.first + 1)) - 1)
        return StudyCalendar(self.first, bits) if bits else StudyCalendar()

    def between(self, first: int, last: int) -> "StudyCalendar":
        """Return the study days from `first` to `last`, both included."""
        past = max(0, first - self.first)
        return StudyCalendar(self.first + past, self.bits >> past).until(last)

    def _text(self) -> str:
        """Return one character per day. On long bitmaps, string search is faster than arithmetic."""
        return f"{self.bits:b}"[::-1] if self.bits else ""

    def to_bytes(self) -> bytes:
        """Return the bitmap, little-endian."""
        return self.bits.to_bytes((self.bits.bit_length() + 7) // 8, "little")

    @classmethod
    def from_bytes(cls, first: int, data: bytes) -> "StudyCalendar":
        """Return the calendar with this first day and the bitmap that `to_bytes` wrote."""
        return cls(first, int.from_bytes(data, "little")) if data else cls()


@dataclass(frozen=True, slots=True)
class Streaks:
    """The streaks of a calendar, as of one day. Lengths are in study days."""

    current: int
    longest: int
    total: int
    frozen: tuple[int, ...] = ()
    """The missed days that a freeze was spent on, in order."""
    banked: int = 0
    """The number of freezes that can still be spent."""


def streaks(calendar: StudyCalendar, today: int | None = None, freezes: int = 0) -> Streaks:
    """Return the streaks up to `today` (default: the last study day). Later days are ignored.

    The current streak ends today or yesterday, because today is not over yet. With `freezes` n, every 7 study
    days in a row bank one freeze, and at most n are banked. A missed day spends one: it keeps the run, does
    not lengthen it, and starts the count of 7 again.
    """
    if today is not None:
        calendar = calendar.until(today)
    if calendar.last is None:
        return Streaks(0, 0, 0)
    # Days missed since the last study day, up to yesterday, also break the streak or spend freezes.
    missed = 0 if today is None else max(0, today - 1 - calendar.last)
    if freezes:
        return _frozen_streaks(calendar._text() + "0" * missed, calendar.first, freezes)
    bits = calendar.bits
    gaps = bits ^ ((1 << bits.bit_length()) - 1)
    current = 0 if missed else bits.bit_length() - gaps.bit_length()
    return Streaks(current, _longest_run(bits), len(calendar))


def longest_streak(calendar: StudyCalendar, freezes: int = 0) -> int:
    """Return the longest streak ever, in study days. `freezes` is as for `streaks`."""
    if freezes:
        return streaks(calendar, freezes=freezes).longest
    return _longest_run(calendar.bits) if calendar.bits else 0


def _longest_run(bits: int) -> int:
    """Return the most ones in a row. There can be thousands, so runs are found by doubling."""
    # A bit of starts[k] is set if a run of 2**k ones begins there.
    starts = [bits]
    while more := starts[-1] & starts[-1] >> (1 << len(starts) - 1):
        starts.append(more)
    begun, length = starts[-1], 1 << len(starts) - 1
    for power in range(len(starts) - 2, -1, -1):
        if longer := begun & starts[power] >> length:
            begun, length = longer, length + (1 << power)
    return length


def _frozen_streaks(text: str, first: int, freezes: int) -> Streaks:
    """Return the streaks of days written as 1 (studied) and 0 (missed). The text begins with a 1."""
    longest = run = banked = total = begin = 0
    frozen: list[int] = []
    while True:
        end = _find(text, "0", begin)
        run += end - begin
        longest = max(longest, run)
        banked = min(freezes, banked + (end - begin) // RUN_PER_FREEZE)
        begin = _find(text, "1", end)
        spent = min(banked, begin - end)
        # Freezes are spent on days as they are missed, even if that does not save the run in the end.
        frozen += range(first + end, first + end + spent)
        banked -= spent
        if spent < begin - end:
            run = 0
            # Without a banked freeze, only the next run that banks one matters: skip to it.
            start = text.rfind("0", begin, _find(text, "1" * RUN_PER_FREEZE, begin)) + 1
            if begin < start:
                longest = max(longest, len(max(text[begin:start].split("0"))))
                begin = start
        if begin == len(text):
            total = text.count("1")
            # A run that is still open at the end of the text was added up only if it was not skipped.
            return Streaks(run, longest, total, tuple(frozen), banked)


def _find(text: str, what: str, begin: int) -> int:
    """Return the position of `what`, or the end of the text."""
    found = text.find(what, begin)
    return len(text) if found < 0 else found


@dataclass(frozen=True, slots=True)
class Weeks:
    """The runs of weeks (Monday to Sunday) with enough study days."""

    current: int
    longest: int


def weekly_streak(calendar: StudyCalendar, today: int, goal: int = 1) -> Weeks:
    """Return the runs of weeks with at least `goal` (1 to 7) study days, up to `today`.

    The current run ends this week or last week, because this week is not over yet.
    """
    calendar = calendar.until(today)
    if calendar.last is None:
        return Weeks(0, 0)
    weekday = (calendar.first + _WEEKDAY_OF_DAY_0) % 7
    bits = calendar.bits << weekday
    weeks = (bits.bit_length() + 6) // 7
    mondays = _mondays(weeks)
    # Handle all weeks at once: each has a field of seven bits, in which its study days are added up.
    counts = sum((bits >> day) & mondays for day in range(7))
    reached = ((counts + mondays * (64 - goal)) >> 6) & mondays
    text = f"{reached:b}"[::-1][::7]
    this_week = (today - (calendar.first - weekday)) // 7
    last = len(text) - 1
    current = len(text) - 1 - text.rfind("0") if reached and this_week - last <= 1 else 0
    return Weeks(current, len(max(text.split("0"))))


@lru_cache(maxsize=64)
def _mondays(weeks: int) -> int:
    """Return a bitmap with one bit for the first day of each week."""
    return ((1 << 7 * weeks) - 1) // 127
