"""Predictions of every learner's next answer and last third, each made from the earlier answers only."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from benchmarks.evaluation.baselines import Baseline, SoFar
from benchmarks.evaluation.log import LearnerState, Row
from benchmarks.evaluation.measures import Outcome
from domain.catalog import Certification
from domain.content_set import ContentSet
from domain.days import day_number
from domain.estimate import content_share
from domain.learner import Track
from domain.readiness import Readiness, assess
from domain.skills import CONSTANTS, Constants
from domain.tally import PERFECT

PASS_MARKS = (50, 60, 70, 80)
"""In percent."""
MIN_ANSWERS = 9
"""The last third of a learner with fewer answers is too short to be an exam."""
SHIPPED = "readiness"
"""Name of the product's estimate."""

VARIANTS: Mapping[str, Constants] = {
    SHIPPED: CONSTANTS,
    "without memory of contents": CONSTANTS._replace(met=0.0, known=0.0),
    "without categories": CONSTANTS._replace(between_categories=1e-6),
    "weaker memory": CONSTANTS._replace(met=0.5, known=1.5),
}


class LastThird(NamedTuple):
    """One learner's last third taken as an exam: the predictions and the result. Shares are 0 to 1."""

    expected: Mapping[str, float]
    """Expected share of right answers, by name of the estimate."""
    low: float
    """Lower end of the product's interval."""
    high: float
    """Upper end of the product's interval."""
    pass_probabilities: Mapping[int, float]
    """The product's probability of reaching each of `PASS_MARKS`."""
    share: float
    """Share of right answers."""
    questions: int

    @property
    def is_covered(self) -> bool:
        """Whether the result lies in the interval."""
        return self.low - 1e-9 <= self.share <= self.high + 1e-9


class Predictions(NamedTuple):
    """All predictions made for a log."""

    answers: dict[str, list[Outcome]]
    """By name of the estimate."""
    last_thirds: list[LastThird]


def predict_log(
    log: Mapping[str, Sequence[Row]],
    certification: Certification,
    baselines: Mapping[str, Baseline],
    variants: Mapping[str, Constants] = VARIANTS,
) -> Predictions:
    """Walk through every learner's history. Predict each answer and the last third from what came before.

    `variants`: the model with other constants. The one named `SHIPPED` gives the intervals.
    """
    answers: dict[str, list[Outcome]] = defaultdict(list)
    last_thirds: list[LastThird] = []
    for learner, history in log.items():
        state = LearnerState(learner, certification)
        so_far = SoFar(0, 0, {})
        cut = _first_of_last_third(history)
        for position, row in enumerate(history):
            if row.right is not None:
                if so_far.answers == cut:
                    rest = [later for later in history[position:] if later.right is not None]
                    last_thirds.append(_last_third(state, rest, certification, so_far, baselines, variants))
                predicted = _next_answer(state, row, certification, so_far, baselines, variants)
                for name, share in predicted.items():
                    answers[name].append(Outcome(share, row.right))
                so_far = _with_answer(so_far, row.topic, row.right)
            state.apply(row)
    return Predictions(dict(answers), last_thirds)


def has_last_third(history: Sequence[Row]) -> bool:
    """Return whether a learner has enough answers to take the last third as an exam."""
    return sum(row.right is not None for row in history) >= MIN_ANSWERS


def _first_of_last_third(history: Sequence[Row]) -> int | None:
    """Return the number of answers before the last third; None if there are too few answers."""
    return sum(row.right is not None for row in history) * 2 // 3 if has_last_third(history) else None


def _with_answer(so_far: SoFar, topic: str, right: bool) -> SoFar:
    topic_right, topic_answers = so_far.topics.get(topic, (0, 0))
    topics = {**so_far.topics, topic: (topic_right + right, topic_answers + 1)}
    return SoFar(so_far.right + right, so_far.answers + 1, topics)


def _next_answer(
    state: LearnerState,
    row: Row,
    certification: Certification,
    so_far: SoFar,
    baselines: Mapping[str, Baseline],
    variants: Mapping[str, Constants],
) -> dict[str, float]:
    """Return the probability of a right answer by each estimate."""
    content = certification.by_id[row.item]
    days = list(state.days.values())
    today = day_number(row.at.date())
    return {
        **{
            name: content_share(content, state.track, days, certification, today, constants)
            for name, constants in variants.items()
        },
        **{name: estimate(so_far, row.topic) for name, estimate in baselines.items()},
    }


def _last_third(
    state: LearnerState,
    rest: Sequence[Row],
    certification: Certification,
    so_far: SoFar,
    baselines: Mapping[str, Baseline],
    variants: Mapping[str, Constants],
) -> LastThird:
    """Predict the last third as an exam whose questions are known in advance."""
    today = day_number(rest[0].at.date())
    exam = _exam_of_items(certification, rest)

    def assessed(
        exam: Certification, constants: Constants = variants[SHIPPED], mark: float = 70
    ) -> Readiness:
        return assess(
            state.track, state.days, exam, today, pass_mark=mark, questions=len(rest), constants=constants
        )

    def share(exam: Certification, constants: Constants = variants[SHIPPED]) -> float:
        return (assessed(exam, constants).estimate or 0.0) / 100

    interval = assessed(exam).interval
    expected = {name: share(exam, constants) for name, constants in variants.items()}
    expected["if only the topics are known"] = share(_exam_of_topics(certification, rest))
    expected["if the whole catalog is asked"] = share(certification)
    expected["if practice continues in the last third"] = _share_with_practice(state, rest, certification)
    for name, estimate in baselines.items():
        expected[name] = fmean(estimate(so_far, row.topic) for row in rest)
    return LastThird(
        expected,
        interval.low / 100,
        interval.high / 100,
        {mark: assessed(exam, mark=mark).pass_probability or 0.0 for mark in PASS_MARKS},
        fmean(bool(row.right) for row in rest),
        len(rest),
    )


def _exam_of_items(certification: Certification, rest: Sequence[Row]) -> Certification:
    """Return the certification as if its exam asked exactly the items of these rows."""
    return _exam_of(certification, Counter(row.item for row in rest))


def _exam_of_topics(certification: Certification, rest: Sequence[Row]) -> Certification:
    """Return the certification as if its exam asked these rows' topics, with all their items alike."""
    topics = Counter(row.topic for row in rest)
    sizes = Counter(content.category for content in certification.contents)
    # Weights are whole numbers, so they are scaled to be divisible by the size of every topic.
    scale = math.lcm(*(sizes[topic] for topic in topics))
    return _exam_of(
        certification,
        {
            content.content_id: topics[content.category] * scale // sizes[content.category]
            for content in certification.contents
            if content.category in topics
        },
    )


def _exam_of(certification: Certification, questions: Mapping[str, int]) -> Certification:
    """Return the certification as if its exam had this many questions of each content."""
    return Certification(
        certification.code,
        certification.version,
        tuple(
            content._replace(
                active=content.content_id in questions, questions=questions.get(content.content_id, 1)
            )
            for content in certification.contents
        ),
    )


def _share_with_practice(state: LearnerState, rest: Sequence[Row], certification: Certification) -> float:
    """Return the expected share if each answer in the last third makes its item easier the next time."""
    today = day_number(rest[0].at.date())
    days = list(state.days.values())
    track = state.track
    # For each item, the probability of a right answer if it is new, met or known; and how probable each is.
    right: dict[str, tuple[float, float, float]] = {}
    memory: dict[str, tuple[float, float, float]] = {}
    expected = 0.0
    for row in rest:
        if row.item not in right:
            content = certification.by_id[row.item]
            new, met, known = (
                content_share(content, _with_best(track, content.ordinal, best), days, certification, today)
                for best in (0, 1, PERFECT + 1)
            )
            right[row.item] = (new, met, known)
            score = track.best_score(content.ordinal)
            memory[row.item] = (1, 0, 0) if score is None else (0, 1 - score / PERFECT, score / PERFECT)
        p, m = right[row.item], memory[row.item]
        expected += math.sumprod(p, m)
        # After a wrong answer the item is met, after a right one it is known.
        memory[row.item] = (0, m[0] * (1 - p[0]) + m[1] * (1 - p[1]), m[0] * p[0] + m[1] * p[1] + m[2])
    return expected / len(rest)


def _with_best(track: Track, ordinal: int, best: int) -> Track:
    """Return the track with another best score of one content: hundredths + 1, or 0 for none."""
    scores = {n: score for n in track.scored if n != ordinal and (score := track.best_score(n)) is not None}
    if best:
        scores[ordinal] = best - 1
    packed = b"".join(scores[n].to_bytes(2) for n in sorted(scores))
    return track._replace(scored=ContentSet.of(scores), best=packed)
