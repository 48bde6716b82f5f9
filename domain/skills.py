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
    between_learners: float = 0.5
    """Variance of the learners' skills around that of the population."""
    between_catalogs: float = 0.1
    """Variance of the population's skill around the prior, if nobody's answers to the catalog are known."""
    between_categories: float = 0.15
    """Variance of a learner's skills in the categories around their overall skill."""
    unmet: float = 0.2
    """Variance of the difficulty of categories. It matters for categories without any answer."""
    repeat: float = 0.3
    """Weight of a learner's first repeated answer, if repeats are better than expected and the first answers
    say much about the skill."""
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
_REPEATS_OF_LEARNER_TO_HALVE = 40.0
"""The same of a learner's repeated answers in all categories, for those that are better than expected: who
repeats a few contents of each category learns these by heart as well."""
_CONTENTS_TO_BE_PRACTISED = 20.0
"""Number of answered contents from which on a learner is no longer expected to be worse than others."""
_CONTENTS_FOR_REPEATS = 20.0
"""Number of answered contents from which on repeated answers have their full weight: who repeats a few
contents learns these by heart."""
_MOST_BY_REPEAT = 0.037
"""Weight of a first repeat at most, as a multiple of what the prior and the first answers say of the overall
skill (their curvature). So none raises a skill by more than 0.04 logits, or the estimate by a point, even if
the first answers say little because the learner got hardly any or nearly all of them right."""

_CONVERGED = 2e-3
"""Largest step, in logits, at which to stop. Newton's steps square their error: the next is negligible."""
_CURVATURE_CONVERGED = 1e-4
"""The same if the curvature is needed, because it is that before the last step."""
_CERTAINTY = 2.0
"""No skill changes by more than twice a step's length: by the overall step and by its category's own. If it
changes by d < 1, the most probable skill is at most -ln(1-d) away from where the step began. On the way,
p(1-p) falls at most as fast as e to the power of minus the distance. So 1-d of the curvature remains."""
_LONGEST_STEP = 2.0
_MAX_STEPS = 50


class Answers(NamedTuple):
    """The answers to the contents of one category."""

    first: Sequence[tuple[float, float]]
    """First answers to contents that are equally hard: their number, and how hard the contents are (e to the
    power of minus their easiness)."""
    first_number: int
    """Number of all first answers."""
    first_score: float
    """Sum of their scores; a perfect one is 1."""
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
        return self.first_number + CONSTANTS.worse_repeat * counted


class Skills(NamedTuple):
    """The most probable skills of a learner, in logits."""

    categories: Mapping[str, float]
    """Only categories with answers."""
    learner: float
    """The overall skill, which is also the skill in every category without answers."""


def infer_skills(
    answers: Mapping[str, Answers], contents: int, prior: float, variance: float, constants: Constants
) -> Skills:
    """Return the most probable skills, given the answers by category.

    `contents`: the number of contents with a scored answer. `prior`: the overall skill that is expected of a
    learner who has practised enough. `variance`: that of the overall skill around the prior.

    The overall skill is drawn from around the prior, and each category's from around the overall skill. First
    answers are right or wrong with the probability that the skill gives. Repeated answers are expected to be
    `met` easier; what they add is limited, however many there are. The slope of the log posterior falls with
    each skill, and a right answer adds a slope of at least 0, so it lowers none of the skills.
    """
    prior += constants.unpractised * max(0.0, 1 - contents / _CONTENTS_TO_BE_PRACTISED)
    repeats = sum([found.repeats for found in answers.values()])
    better = constants.repeat * min(1.0, contents / _CONTENTS_FOR_REPEATS)
    found = _Found(_guess(answers, prior, variance), [0.0] * len(answers), 0.0)
    expected = prior, variance
    without: list[_Terms] = [
        (each.first_score, each.first, 0, 0.0, 0.0, 0.0, 0.0) for each in answers.values()
    ]
    if not repeats:
        found = _solve(without, found, expected, constants, _CONVERGED)
    else:
        found = _solve(without, found, expected, constants, _CURVATURE_CONVERGED, better / _MOST_BY_REPEAT)
        better = min(better, _MOST_BY_REPEAT * found.curvature)
        found = _solve(_terms(answers, better, repeats, constants), found, expected, constants, _CONVERGED)
    return Skills(
        {name: found.learner + offset for name, offset in zip(answers, found.offsets, strict=True)},
        found.learner,
    )


def _guess(answers: Mapping[str, Answers], prior: float, variance: float) -> float:
    """Return about the overall skill: the search for it takes fewer steps from there than from the prior."""
    number = score = harder = 0.0
    for found in answers.values():
        number += found.first_number
        score += found.first_score
        harder += found.first_number * found.harder
    # Half an answer more on each side keeps the logarithm finite.
    skill = math.log((harder + 1) / (number + 1) * (score + 0.5) / (number - score + 0.5))
    said = INFORMATION * number * variance
    return prior + (skill - prior) * said / (1 + said)


class _Found(NamedTuple):
    """A solution, or where to begin the search for one."""

    learner: float
    """The overall skill."""
    offsets: Sequence[float]
    """How much each category's skill is above it."""
    curvature: float
    """How fast the slope for the overall skill falls, the categories' skills following it."""


type _Terms = tuple[float, Sequence[tuple[float, float]], int, float, float, float, float]
"""What one category adds to the slope: the score of the first answers and these, the number and score of the
repeats, how hard these are, and their weights if they are better and if they are worse than expected."""


def _terms(answers: Mapping[str, Answers], better: float, repeats: int, constants: Constants) -> list[_Terms]:
    """Return what each category adds to the slope.

    `better`: the weight of a first repeat that is better than expected. `repeats`: the number of repeats in
    all categories.
    """
    easier = math.exp(-constants.met)
    halving = repeats / _REPEATS_OF_LEARNER_TO_HALVE
    terms: list[_Terms] = []
    for first, _, of_first, number, score, harder in answers.values():
        # Only the better weight falls with repeats in other categories. If the worse one did, a wrong answer
        # in one category would raise the skill in another.
        crowding = 1 + number / _REPEATS_TO_HALVE
        weights = better / (crowding + halving), constants.worse_repeat / crowding
        terms.append((of_first, first, number, score, harder * easier, *weights))
    return terms


def _solve(
    terms: Sequence[_Terms],
    begin: _Found,
    expected_of_learner: tuple[float, float],
    constants: Constants,
    converged: float,
    enough: float = math.inf,
) -> _Found:
    """Return the most probable skills by Newton's method.

    `expected_of_learner`: the prior and the variance of the overall skill around it. `converged`: the largest
    step at which to stop. `enough`: stop earlier once the curvature of the most
    probable skills is certainly above this.
    """
    prior, learners = expected_of_learner
    categories = constants.between_categories
    learner, offsets, _ = begin
    offsets = list(offsets)
    curvature = 0.0
    exp = math.exp
    for _ in range(_MAX_STEPS):
        slope = (prior - learner) / learners
        curvature = 1 / learners
        category_steps = []
        for (right, first, repeats, score, harder, better, worse), offset in zip(terms, offsets, strict=True):
            odds = exp(-learner - offset)
            s, c = right, 0.0
            for count, hard in first:
                p = 1 / (1 + odds * hard)
                expected = count * p
                s -= expected
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
        if largest < converged or curvature * (1 - _CERTAINTY * largest) > enough:
            break
    return _Found(learner, offsets, curvature)


def learner_variance(answers: Sequence[float], variance: float, constants: Constants) -> float:
    """Return the variance of the overall skill, given the number of answers in each category.

    `variance`: that without any answer.
    """
    precision = 1 / variance
    for count in answers:
        information = INFORMATION * count
        precision += information / (1 + information * constants.between_categories)
    return 1 / precision
