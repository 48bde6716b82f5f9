"""The circumstances of a history: limits, policies and rates of failures."""

from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The limits, policies and failure rates under which a history runs."""

    fault_rate: float = 0.0
    """Probability that a call to a service meets a fault."""
    fault_budget: int = 0
    """Maximum number of faults in the history."""
    transaction_items: int = 100
    item_bytes: int = 400 * 1024
    batch_get: int = 100
    ordinals_per_part: int = 1000
    page_items: int = 100
    transaction_bytes: int = 4 * 1024 * 1024
    inline_bytes: int = 64 * 1024
    max_races: int = 20
    """Maximum lost write races of a learner or of the catalog before the batch is redelivered."""
    max_reads: int = 20
    """Maximum attempts of a read that is left incomplete or is overtaken by a write."""
    out_of_time_rate: float = 0.0
    """Probability that an invocation is about to time out when it checks its remaining time."""
    oversize_rate: float = 0.0
    """Probability that DynamoDB rejects a learner's item as too large, which the store found to fit."""
    idempotent_transactions: bool = True
    """Whether DynamoDB recognises a retried transaction by its ClientRequestToken."""
    partitioned_by_learner: bool = True
    """Whether all records of a learner are in one shard."""
    shards: int = 1
    reshards: bool = False
    """Whether each shard is closed midway and continues in two child shards."""
    batch_size: int = 10
    bisects: bool = True
    """Whether the event source may split a failed batch in two."""
    redelivery_rate: float = 0.0
    """Probability that a batch is delivered again although it succeeded."""
    concurrent_delivery_rate: float = 0.0
    """Probability that two consumers receive the same batch at the same time."""
    expiry_rate: float = 0.0
    """Probability that a failed batch is given up because of its age."""
    catalog_first: bool = False
    """Whether the catalog is complete before the first interaction arrives, and never changes afterwards."""
    content_moves: bool = False
    """Whether some content changes its category and difficulty."""
    freezes: int = 0
    """The streak policy: maximum number of banked freezes."""
    readers: int = 0
    next_release_rate: float = 0.0
    """Share of the deliveries that the next release handles."""
    damaged_learners: int = 0
    """Number of learners who have an unreadable item at the same time."""
    exam_rate: float = 0.0
    """Share of the events that are results of exams."""
    framed_rate: float = 0.0
    """Probability that a record begins a frame of several records."""

    erased_learners: int = 0
    """Number of learners who are erased while the history runs."""
    refolds: int = 0
    """Number of times that a learner is refolded from the log."""
    counts_rarity: bool = False
    """Whether learners and awards are counted."""

    @property
    def may_refuse(self) -> bool:
        """Whether the limits are low enough that a state or a day can be full."""
        return (
            self.item_bytes < 400 * 1024 or self.transaction_bytes < 4 * 1024 * 1024 or self.oversize_rate > 0
        )


def draw_circumstances(random: Random, sparse: bool) -> Circumstances:
    """Draw the circumstances of a history; a sparse one has small transactions, but no low size limits."""
    chance = random.random
    damaged_learners = random.choice((1, 1, 2, 5, 5)) if chance() < 0.2 else 0
    return Circumstances(
        fault_rate=random.choice((0.0, 0.03, 0.08, 0.15, 0.25)),
        fault_budget=random.choice((3, 8, 16)),
        # In a sparse history, one interaction writes at most 11 items: the state, one closed local day, one
        # closed UTC day, and 8 awards (see `history._content`). A lower limit would refuse valid ones.
        transaction_items=11 if sparse else 100,
        item_bytes=400 * 1024 if sparse or chance() < 0.85 else random.randrange(600, 1600),
        batch_get=random.choice((100, 100, 100, 2, 4)),
        ordinals_per_part=random.choice((1000, 1000, 3, 5)),
        page_items=random.choice((100, 100, 1, 3)),
        transaction_bytes=4 * 1024 * 1024 if sparse or chance() < 0.95 else random.randrange(1500, 6000),
        max_races=random.choice((20, 20, 3, 1)),
        max_reads=random.choice((20, 20, 2)),
        out_of_time_rate=random.choice((0.0, 0.0, 0.0, 0.03)),
        oversize_rate=0.0 if sparse or chance() < 0.97 else 0.05,
        inline_bytes=random.choice((64 * 1024, 64 * 1024, 30)),
        idempotent_transactions=chance() < 0.6,
        partitioned_by_learner=chance() < 0.6,
        shards=random.choice((1, 2, 2, 3)),
        reshards=chance() < 0.3,
        # A batch of few records has too few learners in trouble to fail for it.
        batch_size=random.choice((20, 40, 60) if sparse or damaged_learners > 3 else (3, 8, 16, 30, 60)),
        bisects=chance() < 0.6,
        redelivery_rate=random.choice((0.0, 0.0, 0.1, 0.2)),
        concurrent_delivery_rate=random.choice((0.0, 0.0, 0.2, 0.4)),
        expiry_rate=random.choice((0.0, 0.0, 0.0, 0.1)),
        catalog_first=chance() < 0.4,
        content_moves=chance() < 0.3,
        freezes=random.choice((0, 0, 1, 2)),
        readers=1 if chance() < 0.15 else 0,
        next_release_rate=random.choice((0.3, 0.5, 0.7)) if chance() < 0.25 else 0.0,
        damaged_learners=damaged_learners,
        framed_rate=random.choice((0.2, 0.5)) if chance() < 0.2 else 0.0,
        exam_rate=random.choice((0.1, 0.3, 0.8)) if chance() < 0.25 else 0.0,
    )


def with_erasures(drawn: Circumstances, random: Random) -> Circumstances:
    """Return circumstances in which, with some chance, learners are erased, counted and refolded.

    They have a chance of their own, so that the rest of a history does not depend on them.
    """
    if random.random() >= 0.25:
        return drawn
    # A repaired award would lose its mark, the next release has no counter of its own, and marks of several
    # learners do not fit into the smallest transactions.
    may_count = not (drawn.damaged_learners or drawn.next_release_rate or drawn.may_refuse)
    return replace(
        drawn,
        erased_learners=random.choice((1, 1, 2)),
        counts_rarity=may_count,
        refolds=random.choice((0, 6, 9)) if may_count and _may_refold(drawn) else 0,
    )


def _may_refold(drawn: Circumstances) -> bool:
    """Return whether a refold gives what the consumer gives.

    It counts content where it is now, and is atomic only in one transaction.
    """
    return not drawn.content_moves and drawn.transaction_items == 100
