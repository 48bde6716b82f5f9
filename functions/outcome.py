"""What became of a batch of the stream, or of one learner's part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from functions.errors import Unreadable
from functions.quarantine import Quarantined
from functions.records import Received

MAX_REASON_LENGTH = 500


class Trouble(NamedTuple):
    """A learner whose records can't be applied before somebody repairs a state, or releases a fix."""

    code: str
    error: Exception
    received: Sequence[Received]

    def refused(self) -> list[Quarantined]:
        """Return the learner's records as entries of the quarantine."""
        cause = str(self.error) if isinstance(self.error, Unreadable) else f"a bug: {self.error!r}"
        reason = f"{cause}; see the consumer's log"[:MAX_REASON_LENGTH]
        return [received.refused(self.code, reason) for received in self.received]


@dataclass(slots=True)
class Outcome:
    """The result of a batch, or of one learner's part of it.

    Each record is counted in exactly one of the first five fields, or comes again because of `errors`.
    """

    applied: int = 0
    duplicates: int = 0
    erased: int = 0
    """Events of learners who are erased, or who have started again later."""
    quarantined: list[Quarantined] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    """Failures that can succeed at the next delivery."""
    late: int = 0
    """Valid interactions, among all of these, that arrived more than two days after they occurred."""
    conflicts: int = 0
    """Lost write races."""
    awards: int = 0
    """Awards of the generation that was live."""
    lags: list[int] = field(default_factory=list)
    """Milliseconds from arrival to commit, of the records of commits in the generation that was live."""
    received: int = 0
    learners: int = 0
    """Records of the whole batch, those in frames counted alone, and the learners of its valid ones."""

    def add(self, other: "Outcome") -> None:
        """Add another outcome to this one."""
        self.applied += other.applied
        self.duplicates += other.duplicates
        self.erased += other.erased
        self.quarantined += other.quarantined
        self.troubles += other.troubles
        self.errors += other.errors
        self.late += other.late
        self.conflicts += other.conflicts
        self.awards += other.awards
        self.lags += other.lags
