"""The logger and the metrics of all functions. Lambda itself records the traces (template.yaml)."""

import os
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

type Handler = Callable[[dict[str, Any], Any], None]
"""The handler of a stream's events: it takes the event and Lambda's context."""

TROUBLES = {"unreadable_state": "UnreadableStates", "later_format": "LaterFormats", "failed": "Failures"}
"""The metric that counts a trouble, by its code: an item that can't be read, or a bug."""

logger = Logger()
metrics = Metrics()


def observed(handler: Handler) -> Handler:
    """Decorate the handler of a stream's events.

    Its log lines carry the id of the invocation, and its metrics are emitted at its end, also if it fails.
    """

    @metrics.log_metrics
    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> None:
        log_request_id(context.aws_request_id)
        handler(event, context)

    observed_handler: Handler = handle
    return observed_handler


def log_request_id(request_id: str) -> None:
    """Add the id of an invocation, or of a request to the API, to all further log lines."""
    logger.append_keys(request_id=request_id)


def count_trouble(code: str) -> None:
    """Emit a trouble that the API has met, at once: its functions have no metrics that wait for their end."""
    with single_metric(TROUBLES[code], MetricUnit.Count, 1):
        pass
    count_by_version(1)


def count_by_version(troubles: int) -> None:
    """Emit how often this version met an item that it can't read, a later format or a bug.

    The alarms of a deployment watch this metric. It is emitted at once and by version: they must not mix this
    version's trouble with that of the one before it, which this one may mend. Without trouble there is none.
    """
    if troubles:
        with single_metric("TroublesByVersion", MetricUnit.Count, troubles) as metric:
            metric.add_dimension("function", os.environ["AWS_LAMBDA_FUNCTION_NAME"])
            metric.add_dimension("version", os.environ["AWS_LAMBDA_FUNCTION_VERSION"])


def count_quarantined(codes: Iterable[tuple[str, int]], generation: str | None = None) -> None:
    """Emit how many records went to quarantine, by code, and by generation if one is given.

    Each code that occurs is a metric of its own, with a dimension of its own, and so a line of its own.
    """
    for code, records in codes:
        with single_metric("Quarantined", MetricUnit.Count, records) as metric:
            metric.add_dimension("code", code)
            if generation:
                metric.add_dimension("generation", generation)
