"""The estimates that the product's is compared with, fitted to tuning learners where they need others."""

from collections.abc import Sequence
from statistics import fmean

from benchmarks.evaluation.baselines import (
    Baseline,
    Constant,
    Elo,
    OwnAccuracy,
    ReplacedHeuristic,
    elo_items,
)
from benchmarks.evaluation.best_lr import BestLr, FittedLr
from benchmarks.evaluation.log import Row


def baselines(tuning: Sequence[Sequence[Row]]) -> dict[str, Baseline]:
    """Return the baselines by name. Those that depend on other learners use these histories."""
    answers = [row.right for history in tuning for row in history if row.right is not None]
    share = fmean(answers) if answers else 0.5
    items = elo_items(tuning)
    fitted = FittedLr.of(tuning)
    return {
        "own accuracy": OwnAccuracy,
        "Elo with item difficulty": lambda: Elo(items),
        "Best-LR with decay": lambda: BestLr(fitted),
        "replaced heuristic": ReplacedHeuristic,
        "constant": lambda: Constant(share),
    }
