"""How often a population's first answers to each content were right."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from domain.first_answers import answer_bytes, scores_of
from domain.interaction import Interaction
from domain.tally import PERFECT

type Subject = tuple[str | None, str]
"""A certification, or None if the interactions do not name one, and a content."""


class CorrectRate(NamedTuple):
    """What the metadata of a content says of its difficulty."""

    correct_rate: float
    """The share of the learners' first answers that were right, 0 to 1, with three decimals."""
    answered_by: int
    """The number of learners behind it."""


def correct_rates(
    interactions: Iterable[Interaction], resolve: Callable[[Subject], Subject] = lambda named: named
) -> dict[Subject, CorrectRate]:
    """Return the rate of each content that was scored, the lowest rate first.

    `resolve` returns the subject that interactions about a subject count for. Without it, interactions about
    the same content have one rate if they name its certification and another if they do not.

    The first answer of a learner to a content is the earliest one with a score; of those within the same
    minute, it is the one with the lowest score. A score from 0 to 100 counts as a part of a right answer.
    """
    first: dict[Subject, dict[str, bytes]] = {}
    for interaction in interactions:
        if interaction.score is not None:
            answer = answer_bytes(interaction.at, interaction.score)
            learners = first.setdefault(resolve((interaction.certification, interaction.content_id)), {})
            learners[interaction.user_id] = min(answer, learners.get(interaction.user_id, answer))
    return _ranked(
        {subject: (sum(scores_of(b"".join(of.values()))), len(of)) for subject, of in first.items()}
    )


class FirstAnswers(NamedTuple):
    """First answers to a content by one name of its certification, summed up over learners.

    Whoever has answered the content by several names is left out of the sum, and has one of these for each
    name: which answer was the first is known only when the names are resolved.
    """

    subject: Subject
    hundredths: int
    """The sum of the scores."""
    learners: int
    learner: str | None = None
    """The learner, if it is one who has answered by several names."""
    minute: str = ""
    """When that learner answered, in a form whose order is that of time."""


def rates_of(
    answers: Iterable[FirstAnswers], resolve: Callable[[Subject], Subject]
) -> dict[Subject, CorrectRate]:
    """Return the same as `correct_rates`, from sums."""
    sums: dict[Subject, tuple[int, int]] = {}
    alone: dict[tuple[Subject, str], tuple[str, int]] = {}
    for some in answers:
        subject = resolve(some.subject)
        hundredths, learners = sums.setdefault(subject, (0, 0))
        if some.learner is None:
            sums[subject] = (hundredths + some.hundredths, learners + some.learners)
        else:
            answer = (some.minute, some.hundredths)
            alone[subject, some.learner] = min(answer, alone.get((subject, some.learner), answer))
    for (subject, _), (_, score) in alone.items():
        hundredths, learners = sums[subject]
        sums[subject] = (hundredths + score, learners + 1)
    return _ranked(sums)


def _ranked(sums: Mapping[Subject, tuple[int, int]]) -> dict[Subject, CorrectRate]:
    """Return the rates for sums of hundredths and numbers of learners, the lowest rate first."""
    rates = {
        subject: CorrectRate(round(hundredths / PERFECT / learners, 3), learners)
        for subject, (hundredths, learners) in sums.items()
    }
    return dict(sorted(rates.items(), key=lambda rate: (rate[1], rate[0][1], rate[0][0] or "")))
