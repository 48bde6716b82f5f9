"""A learner's skill in each category, inferred from their answers by partial pooling.

A skill is a logit in comparison with the population: the learner gets right the share of new content that is
the logistic of the skill plus the content's easiness.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Constants(NamedTuple):
    """The model's constants, in logits and squared logits, chosen on tuning learners and rounded."""

    unpractised: float = -0.5
    """How much the skill expected of a learner without any answer differs from that of others."""
    between_learners: float = 0.6
    """Variance of the learners' skills around the prior."""
    between_categories: float = 0.15
    """Variance of a learner's skills in the categories around their overall skill."""
    repeat: float = 0.2
    """Weight of a category's first repeated answer, if repeats are better than expected and many contents
    were answered."""
    worse_repeat: float = 0.15
    """Weight of a category's first repeated answer, if repeats are worse than expected."""
    met: float = 1.0
    """How much easier a content is once the learner has answered it, right or wrong."""
    known: float = 2.6
    """How much easier a content is once the learner has answered it right; at least `met`."""
    drift: float = 0.03
    """Variance that no number of answers removes, as a multiple of p(1-p): learning and forgetting until
    the exam, and the model's own error."""


CONSTANTS = Constants()

INFORMATION = 0.2
"""Information in one answer, in inverse squared logits: p(1-p) for shares from 28% to 72%.

It is a constant, so the uncertainty depends on the number of answers and never on whether they were right.
"""
_REPEATS_TO_HALVE = 5.0
"""Number of repeated answers in a category that halve the weight of each: a thousand count as five do."""
_CONTENTS_TO_BE_PRACTISED = 20.0
"""Number of answered contents from which on a learner is no longer expected to be worse than others."""
_CONTENTS_FOR_REPEATS = 20.0
"""Number of answered contents from which on repeated answers have their full weight: who repeats a few
contents learns these by heart."""

_CONVERGED = 1e-4
"""Largest step, in logits, at which to stop. Newton's steps square their error: the next is negligible."""
_LONGEST_STEP = 2.0
_MAX_STEPS = 50


class Answers(NamedTuple):
    """The answers to the contents of one category."""

    first: Sequence[tuple[float, float, float]]
    """First answers to contents that are equally hard: their number, the sum of their scores (a perfect one
    is 1), and how hard the contents are (e to the power of minus their easiness)."""
    repeats: int
    """Number of the other scored answers."""
    repeats_score: float
    """Sum of their scores, at most `repeats`."""
    harder: float
    """How hard the category's contents are on average."""

    @property
    def number(self) -> float:
        """The number of first answers that say as much as all answers do."""
        counted = self.repeats * _REPEATS_TO_HALVE / (_REPEATS_TO_HALVE + self.repeats)
        return sum([count for count, _, _ in self.first]) + CONSTANTS.worse_repeat * counted


class Skills(NamedTuple):
    """The most probable skills of a learner, in logits."""

    categories: Mapping[str, float]
    """Only categories with answers."""
    learner: float
    """The overall skill, which is also the skill in every category without answers."""


def infer_skills(answers: Mapping[str, Answers], contents: int, prior: float, constants: Constants) -> Skills:
    """Return the most probable skills, given the answers by category.

    `contents`: the number of contents with a scored answer. `prior`: the overall skill that is expected of a
    learner who has practised enough.

    The overall skill is drawn from around the prior, and each category's from around the overall skill. First
    answers are right or wrong with the probability that the skill gives. Repeated answers are expected to be
    `met` easier; what they add is limited, however many there are. The slope of the log posterior falls with
    each skill, and a right answer adds a slope of at least 0, so it lowers none of the skills.
    """
    unpractised, learners, categories, repeat, worse_repeat, met = constants[:6]
    prior += unpractised * max(0.0, 1 - contents / _CONTENTS_TO_BE_PRACTISED)
    easier = math.exp(-met)
    better_repeat = repeat * min(1.0, contents / _CONTENTS_FOR_REPEATS)
    terms = [_terms(found, better_repeat, worse_repeat, easier) for found in answers.values()]
    learner = prior
    offsets = [0.0] * len(terms)
    exp = math.exp
    for _ in range(_MAX_STEPS):
        slope = (prior - learner) / learners
        curvature = 1 / learners
        category_steps = []
        for (first, repeats, score, harder, better, worse), offset in zip(terms, offsets, strict=True):
            odds = exp(-learner - offset)
            s = c = 0.0
            for count, right, hard in first:
                p = 1 / (1 + odds * hard)
                expected = count * p
                s += right - expected
                c += expected - expected * p
            if repeats:
                p = 1 / (1 + odds * harder)
                expected = repeats * p
                weight = better if score > expected else worse
                s += weight * (score - expected)
                c += weight * (expected - expected * p)
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


type _Terms = tuple[Sequence[tuple[float, float, float]], int, float, float, float, float]


def _terms(answers: Answers, better_repeat: float, worse_repeat: float, easier: float) -> _Terms:
    """Return what the slope needs: the answers, and the weights of repeats that are better and worse."""
    saturated = _REPEATS_TO_HALVE / (_REPEATS_TO_HALVE + answers.repeats)
    return (
        answers.first,
        answers.repeats,
        answers.repeats_score,
        answers.harder * easier,
        better_repeat * saturated,
        worse_repeat * saturated,
    )


def learner_variance(answers: Sequence[float], constants: Constants) -> float:
    """Return the variance of the overall skill, given the number of answers in each category."""
    precision = 1 / constants.between_learners
    for count in answers:
        information = INFORMATION * count
        precision += information / (1 + information * constants.between_categories)
    return 1 / precision
