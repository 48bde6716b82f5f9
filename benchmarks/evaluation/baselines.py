"""Simple estimates of the next answer, for comparison with the product's estimate."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from benchmarks.evaluation.log import Row


class SoFar(NamedTuple):
    """A learner's answers so far."""

    right: int
    answers: int
    topics: Mapping[str, tuple[int, int]]
    """Number of right answers and of all answers, by topic."""


type Baseline = Callable[[SoFar, str], float]
"""Return the probability of a right answer, given the answers so far and the topic."""


def own_accuracy(so_far: SoFar, _: str) -> float:
    """Return the learner's accuracy so far. Two answers are added to keep it off 0 and 1."""
    return (so_far.right + 1) / (so_far.answers + 2)


def own_topic_accuracy(so_far: SoFar, topic: str) -> float:
    """Return the learner's accuracy in the topic so far, with two answers added."""
    right, answers = so_far.topics.get(topic, (0, 0))
    return (right + 1) / (answers + 2)


def replaced_heuristic(so_far: SoFar, _: str) -> float:
    """Return what the replaced tracker would say: the mean of the topics' accuracies plus ten points."""
    if not so_far.topics:
        return 0.5
    mean = fmean(right / answers for right, answers in so_far.topics.values())
    return min(0.99, max(0.01, mean + 0.1))


def baselines(tuning: Iterable[Sequence[Row]]) -> dict[str, Baseline]:
    """Return the baselines by name. Those that depend on other learners use these histories."""
    answers = [row for history in tuning for row in history if row.right is not None]
    share = fmean(bool(row.right) for row in answers) if answers else 0.5
    by_topic: dict[str, list[bool]] = defaultdict(list)
    for row in answers:
        by_topic[row.topic].append(bool(row.right))
    # Ten answers at the overall share are added, so that a topic with few answers says little.
    of_topic = {topic: (sum(right) + 10 * share) / (len(right) + 10) for topic, right in by_topic.items()}
    return {
        "own accuracy so far": own_accuracy,
        "own accuracy in the category": own_topic_accuracy,
        "everybody's accuracy in the category": lambda _, topic: of_topic.get(topic, share),
        "constant": lambda _, __: share,
        "replaced heuristic": replaced_heuristic,
    }
