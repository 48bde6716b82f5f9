"""Learners' states after some answers, for the tests of readiness."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.estimate import content_share
from domain.fold import Buckets, fold
from domain.learner import Applied, Day, Learner, Track
from domain.readiness import Readiness, assess
from tests.factory import buckets_after, make_parsed, needed_of

TODAY = 9_800
PERFECT = 10_000
TOLERANCE = 1e-3
"""Percentage points: Newton's method stops this close to the solution."""
_MINUTE = 60 * 10**6
_DAY = 24 * 60 * _MINUTE
_DAY_0 = 10_957
"""The day with number 0, in days since 1970."""


class Answer(NamedTuple):
    content: int
    """Ordinal."""
    score: int = PERFECT
    """Hundredths."""
    age: int = 0
    """Days before `TODAY`."""
    minute: int = 0
    """Minute of that day."""

    @property
    def at(self) -> int:
        """Microseconds since 1970."""
        return (_DAY_0 + TODAY - self.age) * _DAY + self.minute * _MINUTE


def make_certification(
    code: str = "SAA", levels: Sequence[str] = ("beginner",), categories: int = 3, each: int = 4
) -> Certification:
    """Return a certification whose contents have 1 to 3 questions and these levels in turn."""
    ids = [(f"c{c}", f"c{c}-{n}") for c in range(categories) for n in range(each)]
    rows = [
        ContentMetadata(content, category, levels[n % len(levels)], 1 + n % 3)
        for n, (category, content) in enumerate(ids)
    ]
    return assign(Certification(code), rows, 0)


def with_rates(certification: Certification, rates: Sequence[float], answered_by: int = 50) -> Certification:
    """Return a certification whose contents have these rates of right first answers in turn."""
    contents = [
        content._replace(correct_rate=rates[content.ordinal % len(rates)], answered_by=answered_by)
        for content in certification.contents
    ]
    return Certification(certification.code, 1, tuple(contents))


def retired(certification: Certification, *content_ids: str) -> Certification:
    """Return a certification without these contents; without all if none is given."""
    ids = content_ids or tuple(certification.by_id)
    return assign(certification, [ContentMetadata(content, active=False) for content in ids], 1)


class State(NamedTuple):
    """A learner's state and day buckets."""

    learner: Learner = Learner("u")
    days: Mapping[int, Day] = MappingProxyType({})
    applied: Mapping[int, Applied] = MappingProxyType({})

    def after(
        self, answers: Sequence[Answer], certification: Certification, first: int = 0, seconds: int = 0
    ) -> "State":
        """Return the state after these answers. Their event ids count up from `first`."""
        learner, buckets = self.learner, Buckets(self.days, self.applied)
        catalog = Catalog({certification.code: certification})
        for n, answer in enumerate(answers, first):
            interaction = make_parsed(
                event_id=f"e{n}",
                user_id="u",
                content_id=certification.contents[answer.content].content_id,
                certification=certification.code,
                at=answer.at,
                day=TODAY - answer.age,
                score=answer.score,
                seconds=seconds,
            )
            change = fold(learner, needed_of(buckets, learner, [interaction]), [interaction], catalog)
            learner = change.learner
            buckets = buckets_after(buckets, change)
        latest = {learner.latest.number: learner.latest} if learner.latest else {}
        return State(learner, {**buckets.days, **latest}, buckets.applied)

    def track(self, certification: Certification) -> Track:
        """Return the track in a certification."""
        return self.learner.tracks.get(certification.code, Track())

    def assess(
        self,
        certification: Certification,
        today: int = TODAY,
        pass_mark: float | None = None,
        questions: int = 65,
    ) -> Readiness:
        """Return the assessment on a day."""
        track = self.track(certification)
        return assess(track, self.days, certification, today, pass_mark=pass_mark, questions=questions)

    def share(self, content: int, certification: Certification) -> float:
        """Return the expected share of one content today."""
        found = certification.contents[content]
        return content_share(found, self.track(certification), self.days, certification, TODAY)


def assess_answers(answers: Sequence[Answer], certification: Certification) -> Readiness:
    """Return the assessment of a learner with these answers."""
    return State().after(answers, certification).assess(certification)


def estimate(answers: Sequence[Answer], certification: Certification) -> float:
    """Return the percentage of new questions that a learner with these answers is expected to get right."""
    found = assess_answers(answers, certification).estimate
    assert found is not None
    return found
