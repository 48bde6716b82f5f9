"""How often a population's first answers to each content were right."""

from collections.abc import Callable, Iterable
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
    rates = {
        subject: CorrectRate(
            round(sum(scores_of(b"".join(learners.values()))) / PERFECT / len(learners), 3), len(learners)
        )
        for subject, learners in first.items()
    }
    return dict(sorted(rates.items(), key=lambda rate: (rate[1], rate[0][1], rate[0][0] or "")))
