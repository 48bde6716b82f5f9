"""Local days and time zones: day numbers, instants, and the rules of the pinned `tzdata` package."""

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

FIRST_DAY = date(2000, 1, 1)
"""The day with the number 0. Earlier days are refused."""

_FIRST_ORDINAL = FIRST_DAY.toordinal()
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_DAY = 86_400_000_000
_FIRST_DAY_SINCE_EPOCH = (FIRST_DAY - _UNIX_EPOCH.date()).days


def day_number(day: date) -> int:
    """Return the number of days from 2000-01-01 to this day."""
    return day.toordinal() - _FIRST_ORDINAL


def day_date(number: int) -> date:
    """Return the date of a day number."""
    return date.fromordinal(number + _FIRST_ORDINAL)


@lru_cache(maxsize=20_000)
def day_text(number: int) -> str:
    """Return the date of a day number as `2026-03-01`. Cached, because every calendar shows the same days."""
    return day_date(number).isoformat()


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970-01-01 UTC to a moment."""
    return (moment - _UNIX_EPOCH) // _MICROSECOND


def utc_day(at: int) -> int:
    """Return the number of the UTC day that is in progress `at` microseconds after 1970-01-01 UTC."""
    return at // _MICROSECONDS_PER_DAY - _FIRST_DAY_SINCE_EPOCH


def start_of(utc_day: int) -> int:
    """Return the beginning of a UTC day, in microseconds from 1970-01-01 UTC."""
    return (utc_day + _FIRST_DAY_SINCE_EPOCH) * _MICROSECONDS_PER_DAY


def days_since_epoch(number: int) -> int:
    """Return the days from 1970-01-01 to the day with this number."""
    return number + _FIRST_DAY_SINCE_EPOCH


def instant(at: int) -> datetime:
    """Return the UTC time that is `at` microseconds after 1970-01-01 UTC."""
    return _UNIX_EPOCH + timedelta(microseconds=at)


@cache
def zone_names() -> frozenset[str]:
    """Return the accepted IANA names: those of the pinned `tzdata` package."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=700)
def zone_of(name: str) -> ZoneInfo:
    """Return the zone with this name. Raise KeyError if the name is unknown.

    It comes from the `tzdata` package and never from the machine's own files, because the same event must
    fall on the same day on every machine.
    """
    if name not in zone_names():
        raise KeyError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def today_in(zone: str | None, now: datetime) -> date:
    """Return the date of `now` in a zone: an IANA name, an offset such as `+02:00`, or None for UTC."""
    if zone is None:
        return now.astimezone(UTC).date()
    if zone[0] in "+-":
        sign = -1 if zone[0] == "-" else 1
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        return (now.astimezone(UTC) + sign * offset).date()
    return now.astimezone(zone_of(zone)).date()
