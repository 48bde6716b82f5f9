"""Other estimates of a right answer, for comparison with the product's. Each learns from a learner's rows."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Protocol

from benchmarks.evaluation.log import Row


class Estimate(Protocol):
    """What is estimated of one learner."""

    def share(self, item: str, topic: str) -> float:
        """Return the probability of a right answer to an item."""

    def learn(self, row: Row) -> None:
        """Take an answer of the learner into account."""


type Baseline = Callable[[], Estimate]
"""Returns the estimate of a learner without answers."""


class OwnAccuracy:
    """The learner's accuracy so far, with two answers added to keep it off 0 and 1."""

    def __init__(self) -> None:
        self.right = self.answers = 0

    def share(self, item: str, topic: str) -> float:
        """Return the accuracy."""
        return (self.right + 1) / (self.answers + 2)

    def learn(self, row: Row) -> None:
        """Count the answer."""
        self.right += bool(row.right)
        self.answers += 1


class ReplacedHeuristic:
    """What the replaced tracker would say: the mean of the topics' accuracies plus ten points."""

    def __init__(self) -> None:
        self.topics: dict[str, list[bool]] = defaultdict(list)

    def share(self, item: str, topic: str) -> float:
        """Return the same share for every item."""
        if not self.topics:
            return 0.5
        return min(0.99, max(0.01, fmean(map(fmean, self.topics.values())) + 0.1))

    def learn(self, row: Row) -> None:
        """Count the answer in its topic."""
        self.topics[row.topic].append(bool(row.right))


class Constant:
    """The share of all answers that are right."""

    def __init__(self, share: float) -> None:
        self._share = share

    def share(self, item: str, topic: str) -> float:
        """Return the share."""
        return self._share

    def learn(self, row: Row) -> None:
        """Ignore the answer."""


class Elo:
    """A rating of the learner against the ratings of items, both in logits.

    The first step is about one logit, and later ones get smaller, as in adaptive practice (Pelánek 2016).
    """

    def __init__(self, items: Mapping[str, float]) -> None:
        self.items = items
        self.rating = 0.0
        self.answers = 0

    def share(self, item: str, topic: str) -> float:
        """Return the logistic of the difference between both ratings."""
        return 1 / (1 + math.exp(self.items.get(item, 0.0) - self.rating))

    def learn(self, row: Row) -> None:
        """Move the rating towards the result."""
        self.rating += elo_step(self.answers) * (bool(row.right) - self.share(row.item, row.topic))
        self.answers += 1


def elo_step(answers: int) -> float:
    """Return the size of a rating's step after so many answers."""
    return 1 / (1 + 0.05 * answers)


def elo_items(tuning: Iterable[Sequence[Row]]) -> dict[str, float]:
    """Return the ratings of items after the answers of these learners, one learner after the other."""
    items: dict[str, float] = {}
    seen: dict[str, int] = defaultdict(int)
    for history in tuning:
        learner = Elo(items)
        for row in history:
            if row.right is not None:
                surprise = bool(row.right) - learner.share(row.item, row.topic)
                learner.learn(row)
                items[row.item] = items.get(row.item, 0.0) - elo_step(seen[row.item]) * surprise
                seen[row.item] += 1
    return items
