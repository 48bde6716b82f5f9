"""The metrics of AWS's services that the template uses, their dimensions, and where AWS documents them."""

from typing import NamedTuple


class Source(NamedTuple):
    """Metrics of a namespace that have the same dimensions."""

    dimensions: frozenset[str]
    names: frozenset[str]
    documented_at: str


def _source(dimensions: str, names: str, documented_at: str) -> Source:
    return Source(
        frozenset(dimensions.split()),
        frozenset(names.split()),
        f"https://docs.aws.amazon.com/{documented_at}",
    )


AWS_METRICS: dict[str, tuple[Source, ...]] = {
    "AWS/Lambda": (
        _source(
            "FunctionName",
            "Duration Errors Invocations IteratorAge Throttles",
            "lambda/latest/dg/monitoring-metrics-types.html",
        ),
        # Of an alias, by the version that was executed.
        _source(
            "FunctionName Resource ExecutedVersion", "Errors", "lambda/latest/dg/monitoring-metrics-view.html"
        ),
        # Only with `MetricsConfig: EventCount` of the event source mapping, for Kinesis and DynamoDB streams.
        _source(
            "EventSourceMappingUUID",
            "DroppedEventCount OnFailureDestinationDeliveredEventCount",
            "lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics",
        ),
    ),
    "AWS/Kinesis": (
        _source(
            "StreamName",
            "IncomingRecords WriteProvisionedThroughputExceeded",
            "streams/latest/dev/monitoring-with-cloudwatch.html",
        ),
    ),
    "AWS/Firehose": (
        _source(
            "DeliveryStreamName",
            "DeliveryToS3.DataFreshness DeliveryToS3.Records",
            "firehose/latest/dev/monitoring-with-cloudwatch-metrics.html",
        ),
    ),
    # "Metrics that specify both the EventBusName and RuleName dimensions refer to a custom event bus."
    "AWS/Events": (
        _source(
            "EventBusName RuleName",
            "FailedInvocations Invocations InvocationsFailedToBeSentToDlq",
            "eventbridge/latest/userguide/eb-monitoring.html",
        ),
        # A rule on the account's own bus, as a schedule is.
        _source(
            "RuleName", "FailedInvocations Invocations", "eventbridge/latest/userguide/eb-monitoring.html"
        ),
    ),
    "AWS/States": (
        _source("StateMachineArn", "ExecutionsFailed", "step-functions/latest/dg/procedure-cw-metrics.html"),
    ),
    "AWS/SQS": (
        _source(
            "QueueName",
            "ApproximateNumberOfMessagesVisible",
            "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
        ),
    ),
    # Those of HTTP APIs. REST APIs have others: 5XXError.
    "AWS/ApiGateway": (
        _source(
            "ApiId Stage", "4xx 5xx Count Latency", "apigateway/latest/developerguide/http-api-metrics.html"
        ),
    ),
    "AWS/DynamoDB": (
        _source(
            "TableName",
            "ConsumedReadCapacityUnits ConsumedWriteCapacityUnits",
            "amazondynamodb/latest/developerguide/metrics-dimensions.html",
        ),
    ),
    "AWS/Logs": (
        _source(
            "LogGroupName",
            "IncomingBytes",
            "AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html",
        ),
    ),
}


def is_emitted_by_aws(namespace: str, name: str, dimensions: frozenset[str]) -> bool:
    """Return whether a service emits a metric with exactly these dimensions."""
    return any(name in s.names and dimensions == s.dimensions for s in AWS_METRICS.get(namespace, ()))
