"""A learner's skill in each category, inferred from their answers by partial pooling.

A skill is a logit: its logistic is the share that the learner gets right of content they have never met.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Constants(NamedTuple):
    """The model's constants, in logits and squared logits, chosen on tuning learners and rounded."""

    prior: float = -0.5
    """The skill expected of a learner without any answer."""
    between_learners: float = 2.0
    """Variance of the learners' skills around `prior`."""
    between_categories: float = 0.25
    """Variance of a learner's skills in the categories around their overall skill."""
    met: float = 1.0
    """How much easier a content is once the learner has answered it, right or wrong."""
    known: float = 2.5
    """How much easier a content is once the learner has answered it right; at least `met`."""
    drift: float = 0.015
    """Variance that no number of answers removes, as a multiple of p(1-p): learning and forgetting until
    the exam, and the model's own error."""


CONSTANTS = Constants()

INFORMATION = 0.2
"""Information in one answer, in inverse squared logits: p(1-p) for shares from 28% to 72%.

It is a constant, so the uncertainty depends on the number of answers and never on whether they were right.
"""

_CONVERGED = 1e-4
"""Largest step, in logits, at which to stop. Newton's steps square their error: the next is negligible."""
_LONGEST_STEP = 2.0
_MAX_STEPS = 50

type Answers = tuple[float, float, float]
"""Answers in one category: sum of the scores (a perfect one is 1), number of answers to content that was new
to the learner, number of the other answers."""


class Skills(NamedTuple):
    """The most probable skills of a learner, in logits."""

    categories: Mapping[str, float]
    """Only categories with answers."""
    learner: float
    """The overall skill, which is also the skill in every category without answers."""


def infer_skills(answers: Mapping[str, Answers], constants: Constants) -> Skills:
    """Return the most probable skills, given the answers by category.

    The overall skill is drawn from the prior, and each category's from the overall skill. The log posterior
    is concave and its second derivatives across categories are positive. A right answer adds a slope of at
    least 0, so it lowers none of the skills.
    """
    prior, learners, categories, met = constants[:4]
    easier = math.exp(-met)
    counts = list(answers.values())
    learner = _first_guess(counts, prior)
    offsets = [0.0] * len(counts)
    exp = math.exp
    for _ in range(_MAX_STEPS):
        slope = (prior - learner) / learners
        curvature = 1 / learners
        category_steps = []
        for (score, first, repeated), offset in zip(counts, offsets, strict=True):
            odds = exp(-learner - offset)
            p = 1 / (1 + odds)
            expected = first * p
            s = score - expected
            c = expected - expected * p
            if repeated:
                p = 1 / (1 + odds * easier)
                expected = repeated * p
                s -= expected
                c += expected - expected * p
            # Eliminate the category's own step: so much of its slope and curvature is left for the learner's.
            stiffness = c * categories + 1
            slope += (s + c * offset) / stiffness
            curvature += c / stiffness
            category_steps.append((s * categories - offset, c * categories, stiffness))
        step = max(-_LONGEST_STEP, min(_LONGEST_STEP, slope / curvature))
        learner += step
        largest = abs(step)
        for n, (s, c, stiffness) in enumerate(category_steps):
            move = (s - c * step) / stiffness
            size = abs(move)
            if size > largest:
                largest = size
            if size > _LONGEST_STEP:
                move *= _LONGEST_STEP / size
            offsets[n] += move
        if largest < _CONVERGED:
            break
    return Skills(
        {name: learner + offset for name, offset in zip(answers, offsets, strict=True)},
        learner,
    )


def _first_guess(counts: Iterable[Answers], prior: float) -> float:
    """Return the overall skill that Newton's method starts from: near the logit of the learner's accuracy."""
    answers = sum(first + repeated for _, first, repeated in counts)
    right = sum(score for score, _, _ in counts)
    return prior + (math.log((right + 1) / (answers - right + 1)) - prior) * answers / (answers + 10)


def learner_variance(answers: Iterable[float], constants: Constants) -> float:
    """Return the variance of the overall skill, given the number of answers in each category."""
    precision = 1 / constants.between_learners
    for count in answers:
        information = INFORMATION * count
        precision += information / (1 + information * constants.between_categories)
    return 1 / precision
