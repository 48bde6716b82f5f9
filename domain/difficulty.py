"""How easy each content of a certification is, from the population's first answers and its level.

Easiness is a logit: its logistic is the share of all learners that get the content right at first.
"""

import math
from collections.abc import Mapping, Sequence

from domain.catalog import Content

POPULATION = 0.0
"""Logit of the share of first answers that are right in a population of which nothing is known."""
HARDER: Mapping[str, float] = {"intermediate": 0.5, "advanced": 1.0}
"""How much harder than beginner content, in logits, as long as nobody's answers to it are known."""
SHRINKAGE = 10.0
"""A rate is drawn towards the rate of its category as if so many learners had answered with that rate. The
rate of a category is drawn towards that of the certification, and this one towards `POPULATION`, likewise."""
HIGHEST_RATE = 0.999
"""Highest share to infer from rates; the lowest is its complement. Rates are written with three decimals, and
the logit of 1 is infinite."""
UNSTATED = 15
"""Number of learners to assume behind a rate that comes without `answered_by`."""


def easiness(contents: Sequence[Content]) -> list[float]:
    """Return the easiness of each content of a certification, in logits.

    Content without `correct_rate` is as easy as its category, and harder or easier by its level in comparison
    with the other contents.
    """
    if not contents:
        return []
    levels = [HARDER.get(content.difficulty, 0.0) for content in contents]
    mean = math.fsum(levels) / len(levels)
    whole = _rate(contents, logistic(POPULATION))
    groups: dict[str, list[Content]] = {}
    for content in contents:
        groups.setdefault(content.category, []).append(content)
    of_categories = {name: logit(_rate(group, whole)) for name, group in groups.items()}
    found: list[float] = []
    for content, level in zip(contents, levels, strict=True):
        expected = of_categories[content.category] + mean - level
        rated = learners_behind(content) > 0
        found.append(logit(_rate([content], logistic(expected))) if rated else expected)
    return found


def learners_behind(content: Content) -> int:
    """Return the number of learners behind a content's rate; 0 without one."""
    if content.correct_rate is None:
        return 0
    return UNSTATED if content.answered_by is None else content.answered_by


def logistic(logit: float) -> float:
    """Return the share, 0 to 1, of a logit."""
    return 1.0 / (1.0 + math.exp(-logit))


def logit(share: float) -> float:
    """Return the logit of a share strictly between 0 and 1."""
    return math.log(share / (1 - share))


def _rate(contents: Sequence[Content], expected: float) -> float:
    """Return the share of right first answers to all contents, drawn towards the expected share.

    It is at least 0.001 and at most `HIGHEST_RATE`.
    """
    learners = [learners_behind(content) for content in contents]
    right = math.fsum(
        (content.correct_rate or 0.0) * n for content, n in zip(contents, learners, strict=True)
    )
    share = (right + SHRINKAGE * expected) / (sum(learners) + SHRINKAGE)
    return min(HIGHEST_RATE, max(1 - HIGHEST_RATE, share))
