"""Best-LR with decay: a logistic regression on counts of right and wrong answers (Gervet et al. 2020).

It needs scikit-learn, which is in the extra `bench`.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.evaluation.log import Row

_HALVED_AFTER = 20
"""Number of later answers that halve the weight of an answer."""
_DECAY = 0.5 ** (1 / _HALVED_AFTER)
type Features = dict[str, float]


class _Counts:
    """Decayed counts of a learner's right and wrong answers: overall, by topic, and by item."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        self._answers = 0

    def features(self, item: str, topic: str) -> Features:
        found: Features = {f"item {item}": 1.0, f"topic {topic}": 1.0}
        for name, key in (("all", ""), ("topic", f"t{topic}"), ("item", f"i{item}")):
            for right in (True, False):
                count, at = self._counts[f"{key}{right}"]
                found[f"{name} {right}"] = math.log1p(count * _DECAY ** (self._answers - at))
        return found

    def add(self, row: Row) -> None:
        self._answers += 1
        for key in ("", f"t{row.topic}", f"i{row.item}"):
            name = f"{key}{bool(row.right)}"
            count, at = self._counts[name]
            self._counts[name] = (count * _DECAY ** (self._answers - at) + 1, self._answers)


@dataclass(frozen=True)
class FittedLr:
    """The weights of the features, fitted to the answers of tuning learners."""

    weights: Mapping[str, float]
    intercept: float

    @classmethod
    def of(cls, tuning: Sequence[Sequence[Row]]) -> "FittedLr":
        """Fit the regression to these histories."""
        features: list[Features] = []
        right: list[bool] = []
        for history in tuning:
            counts = _Counts()
            for row in history:
                if row.right is not None:
                    features.append(counts.features(row.item, row.topic))
                    right.append(row.right)
                    counts.add(row)
        if len(set(right)) < 2:
            return cls({}, 0.0)
        vectorizer = DictVectorizer()
        model = LogisticRegression(C=1.0, max_iter=300).fit(vectorizer.fit_transform(features), right)
        names = vectorizer.get_feature_names_out()
        return cls(dict(zip(names, model.coef_[0], strict=True)), float(model.intercept_[0]))


class BestLr:
    """The estimate of one learner by the fitted regression."""

    def __init__(self, fitted: FittedLr) -> None:
        self._fitted = fitted
        self._counts = _Counts()

    def share(self, item: str, topic: str) -> float:
        """Return the probability of a right answer to an item."""
        weights = self._fitted.weights
        features = self._counts.features(item, topic)
        logit = self._fitted.intercept + sum(
            weights.get(name, 0.0) * value for name, value in features.items()
        )
        return 1 / (1 + math.exp(-logit))

    def learn(self, row: Row) -> None:
        """Count the answer."""
        self._counts.add(row)
