"""Rounding that never claims more than is true."""


def round_within(value: float, lowest: float, highest: float, digits: int) -> float:
    """Return a value rounded to some digits. The result is a limit only if the value has reached that limit.

    So 99.96 % completed is 99.9 and not 100.0, and a share of one in a million learners is not 0.
    """
    step = 10.0**-digits
    rounded = round(value, digits)
    if lowest < value < highest:
        rounded = round(min(max(rounded, lowest + step), highest - step), digits)
    return rounded


def round_percent(part: int, whole: int, digits: int = 1) -> float | None:
    """Return a part of a whole in per cent; None if the whole is 0."""
    return round_within(100 * part / whole, 0, 100, digits) if whole else None


def percent_text(percent: float, highest: float = 100) -> str:
    """Return a number as whole per cent for people. It is 0 or `highest` only if the number is."""
    return f"{round_within(percent, 0, highest, 0):.0f} %"
