"""The alarms and the dashboard: who is told, and whether what they watch exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import dollars
from functions import announce, project
from tests.aws_metrics import AWS_METRICS, is_emitted_by_aws
from tests.integration.conftest import Context, World, interaction, stream_event
from tests.integration.emitted import emitted
from tests.integration.template import template
from tests.integration.watched import (
    Watched,
    alarms,
    dashboard,
    expressions,
    metric_widgets,
    queries,
    watched_by_alarms,
    watched_by_dashboard,
)

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
OWNERS = {
    "FunctionName": "AWS::Serverless::Function",
    "StreamName": "AWS::Kinesis::Stream",
    "DeliveryStreamName": "AWS::KinesisFirehose::DeliveryStream",
    "EventBusName": "AWS::Events::EventBus",
    "RuleName": "AWS::Events::Rule",
    "QueueName": "AWS::SQS::Queue",
    "ApiId": "AWS::ApiGatewayV2::Api",
    "TableName": "AWS::DynamoDB::Table",
    "LogGroupName": "AWS::Logs::LogGroup",
}
"""The type of the resource that each dimension names."""
EVERYTHING_WATCHED = [*watched_by_alarms(), *watched_by_dashboard()]

each_alarm = pytest.mark.parametrize("name", alarms())


# -- who is told -----------------------------------------------------------------------------------


@each_alarm
def test_every_alarm_tells_the_topic_when_it_begins_and_when_it_ends(name: str) -> None:
    properties = alarms()[name]["Properties"]
    topic = [["OwnAlarmTopic", "AlarmTopic", "AlarmTopicArn"]]
    assert properties["AlarmActions"] == properties["OKActions"] == topic
    assert properties["TreatMissingData"] == "notBreaching"


def test_cloudwatch_may_publish_to_the_topic_and_use_its_key() -> None:
    resources = template()["Resources"]
    assert resources["AlarmTopic"]["Properties"]["KmsMasterKeyId"] == "AlarmKey.Arn"
    granted = [
        (name, statement["Action"])
        for name, document in (("AlarmKey", "KeyPolicy"), ("AlarmTopicPolicy", "PolicyDocument"))
        for statement in resources[name]["Properties"][document]["Statement"]
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert granted == [
        ("AlarmKey", ["kms:Decrypt", "kms:GenerateDataKey*"]),
        ("AlarmTopicPolicy", "sns:Publish"),
    ]


@each_alarm
def test_every_alarm_has_a_page_that_its_description_names(name: str) -> None:
    assert alarms()[name]["Properties"]["AlarmDescription"].endswith(f"See docs/operations.md#{name.lower()}")
    page = OPERATIONS.read_text().partition(f"\n### {name}\n")[2].partition("\n#")[0]
    parts = re.findall(r"^\*\*(.+?)\*\*", page, re.MULTILINE)
    assert parts == ["It means:", "Look at:", "Do:"]


def test_there_is_no_page_of_an_alarm_that_does_not_exist() -> None:
    pages = OPERATIONS.read_text().partition("\n## Alarms\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^### (.+)$", pages, re.MULTILINE)) == sorted(alarms())


# -- what they watch -------------------------------------------------------------------------------


def every_metric_of_the_code(
    world: World, capsys: pytest.CaptureFixture[str]
) -> set[tuple[str, frozenset[str]]]:
    """Return the names and dimensions of all metrics that the functions emit, from running them."""
    capsys.readouterr()
    project.handler(stream_event(interaction("a"), b"{"), Context())
    unreadable = {"pk": {"S": "USER#ann"}, "sk": {"S": "EARNED#streak-3"}}
    announce.handler({"Records": [{"dynamodb": {"NewImage": unreadable}}]}, Context())
    return {(one.name, frozenset(one.dimensions)) for one in emitted(capsys.readouterr().out)}


def test_every_metric_that_is_watched_is_one_that_aws_or_the_code_emits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    own = every_metric_of_the_code(world, capsys)
    assert len(EVERYTHING_WATCHED) > 90
    for watched in EVERYTHING_WATCHED:
        dimensions = frozenset(watched.dimensions)
        if watched.namespace == "Streakline":
            assert (watched.name, dimensions) in own, watched
        else:
            assert is_emitted_by_aws(watched.namespace, watched.name, dimensions), watched


def test_metrics_of_the_code_are_those_of_this_stack() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "Streakline"
    assert variables["POWERTOOLS_SERVICE_NAME"] == "AWS::StackName"
    for watched in EVERYTHING_WATCHED:
        if watched.namespace == "Streakline":
            assert watched.dimensions == {"service": "AWS::StackName"}, watched


def event_sources() -> dict[str, dict[str, Any]]:
    """Return the streams that functions read, by the logical ids of the mappings."""
    resources = template()["Resources"].items()
    return {
        f"{name}{event}": source["Properties"]
        for name, resource in resources
        if resource["Type"] == "AWS::Serverless::Function"
        for event, source in resource["Properties"].get("Events", {}).items()
        if source["Type"] in {"Kinesis", "DynamoDB"}
    } | {
        name: resource["Properties"]
        for name, resource in resources
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    }


@pytest.mark.parametrize("watched", EVERYTHING_WATCHED, ids=lambda watched: f"{watched.by}-{watched.name}")
def test_every_dimension_names_a_resource_of_its_kind(watched: Watched) -> None:
    for dimension, value in watched.dimensions.items():
        if dimension in {"service", "Stage"}:
            assert value in {"AWS::StackName", "$default"}
        elif dimension == "EventSourceMappingUUID":
            assert event_sources()[value]["MetricsConfig"] == {"Metrics": ["EventCount"]}
        else:
            assert template()["Resources"][owner_of(value)]["Type"] == OWNERS[dimension]


def owner_of(value: str) -> str:
    """Return the logical id of the resource that a dimension's value is taken from."""
    if value in {"RuleName", "Select 2 of BusToStream.Arn"}:
        return "BusToStream"
    return {"LogDelivery": "EventLogDelivery"}.get(value, value.removesuffix(".QueueName"))


def test_an_alarm_on_a_conditional_resource_has_its_condition() -> None:
    resources = template()["Resources"]
    for watched in watched_by_alarms():
        alarm = alarms()[watched.by]
        for dimension, value in watched.dimensions.items():
            if dimension == "EventSourceMappingUUID" and value not in resources:
                value = next(name for name in resources if event_source_of(value, name))
            condition = resources.get(owner_of(value), {}).get("Condition")
            conditional = conditional_in(alarm["Properties"])
            if condition and not (conditional and value in json.dumps(conditional)):
                own = alarm["Condition"]
                held = [own, *template()["Conditions"][own]]
                # With both generations there is a green one.
                assert condition in held or (condition == "GreenViews" and "BothViews" in held), watched


def conditional_in(value: Any) -> list[Any]:
    """Return the conditions in a part of the template, with what each chooses from."""
    if isinstance(value, dict):
        return [found for inner in value.values() for found in conditional_in(inner)]
    if not isinstance(value, list):
        return []
    is_condition = value and isinstance(value[0], str) and value[0] in template()["Conditions"]
    return [value] if is_condition else [found for inner in value for found in conditional_in(inner)]


def event_source_of(mapping: str, function: str) -> bool:
    """Return whether an event source mapping is one of a function's."""
    return any(f"{function}{event}" == mapping for event in function_events(function))


def function_events(function: str) -> dict[str, Any]:
    """Return the events of a function of the template; none of any other resource."""
    events: dict[str, Any] = template()["Resources"][function].get("Properties", {}).get("Events", {})
    return events


def test_every_function_and_every_stream_that_is_read_has_its_alarms() -> None:
    functions = {
        name for name, one in template()["Resources"].items() if one["Type"] == "AWS::Serverless::Function"
    }
    watched = list(watched_by_alarms())
    for metric in ("Errors", "Throttles"):
        assert {one.dimensions["FunctionName"] for one in watched if one.name == metric} == functions
    for metric in ("DroppedEventCount", "OnFailureDestinationDeliveredEventCount"):
        of_metric = {one.dimensions["EventSourceMappingUUID"] for one in watched if one.name == metric}
        assert of_metric == set(event_sources())
    readers = {name for name in functions if any(source.startswith(name) for source in event_sources())}
    assert {one.dimensions["FunctionName"] for one in watched if one.name == "IteratorAge"} == readers


@each_alarm
def test_an_expression_reads_the_metrics_of_its_alarm_and_at_most_ten(name: str) -> None:
    found = queries(alarms()[name])
    if found:
        [expression] = [one["Expression"] for one in found if "Expression" in one]
        metrics = [one["Id"] for one in found if "MetricStat" in one]
        assert all(one["ReturnData"] is False for one in found if "MetricStat" in one)
        assert len(metrics) == len(set(metrics)) <= 10
        read = set(re.findall(r"\b[a-z]\w*\b", re.sub(r"\$\{.*?\}", "", expression)))
        assert read == set(metrics) or expression == "SUM(METRICS())"


def value_of(expression: str, **values: float | None) -> float:
    """Return the value of an expression of CloudWatch for one datapoint of each metric, None if it has none.

    SUM of a list passes over what is missing. FILL fills gaps between datapoints, and here there is no other.
    """
    functions: dict[str, Any] = {
        "IF": lambda condition, yes, no: yes if condition else no,
        "SUM": lambda found: sum(value for value in found if value is not None),
        "FILL": lambda value, _: value,
        "PERIOD": lambda _: 3600,
    }
    python = re.sub(r"\bAND\b", "and", expression)
    result: float = eval(python, {"__builtins__": {}}, functions | values)
    return result


@pytest.mark.parametrize(
    ("records", "done", "idle"),
    [(5, 0, 1), (5, None, 1), (5, 1, 0), (0, None, 0), (0, 3, 0)],
)
@pytest.mark.parametrize("name", ["ConsumerIsIdle", "ConsumerIsIdleForHours", "EventLogIsIdle"])
def test_a_reader_is_idle_if_records_arrive_and_it_does_nothing(
    name: str, records: int, done: int | None, idle: int
) -> None:
    expression = queries(alarms()[name])[0]["Expression"]
    assert value_of(expression, records=records, done=done) == idle
    assert alarms()[name]["Properties"]["Threshold"] == 0


def test_the_documented_cost_counts_the_metrics_of_the_alarms() -> None:
    text = " ".join(OPERATIONS.read_text().split())
    match = re.search(r"(\d+) metrics in alarms .*? (\d+) metrics of event sources", text)
    assert match
    optional = re.compile("ProgressTable|Green")
    read = [one for one in watched_by_alarms() if not optional.search(f"{one.by} {one.dimensions}")]
    assert len(read) == int(match[1])
    assert 6 * sum(not optional.search(name) for name in event_sources()) == int(match[2])


# -- the dashboard ---------------------------------------------------------------------------------


def test_the_dashboard_shows_every_alarm_under_the_alarms_own_condition() -> None:
    _, values = template()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    separator, arns = values["Alarms"]
    [widget] = [one for one in dashboard()["widgets"] if one["type"] == "alarm"]
    assert (separator, widget["properties"]["alarms"]) == ('", "', ["${Alarms}"])
    shown = {(None, arn) if isinstance(arn, str) else (arn[0], arn[1]) for arn in arns}
    assert shown == {(alarm.get("Condition"), f"{name}.Arn") for name, alarm in alarms().items()}
    assert len(arns) <= 100


def test_quarantined_records_are_searched_by_dimensions_that_the_code_emits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    [search] = [
        one["expression"]
        for widget in metric_widgets()
        for one in expressions(widget)
        if "SEARCH" in one["expression"]
    ]
    match = re.match(r"SEARCH\('\{Streakline,([\w,]+)\} MetricName=\"(\w+)\"", search)
    assert match
    assert (match[2], frozenset(match[1].split(","))) in every_metric_of_the_code(world, capsys)


def test_widgets_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboard()["widgets"]:
        places = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not places & taken
        assert max(x for x, _ in places) < 24
        taken |= places


def test_the_dashboards_dollars_are_those_of_the_benchmarks_prices() -> None:
    [widget] = [one for one in metric_widgets() if one["title"].startswith("Dollars")]
    parameters = {
        "ShardCount": "2",
        "FirehoseRecord": template()["Resources"]["Dashboard"]["Properties"]["DashboardBody"][1][
            "FirehoseRecord"
        ][1],
    }
    units: dict[str, float] = {"writes": 3e6, "reads": 5e6, "records": 7e6, "requests": 11e6, "matched": 13e6}
    units |= {"logged": 17 * 1024**3}
    milliseconds = {f"t{n}": n * 1e9 for n in range(1, 6)}
    invocations = {f"n{n}": n * 1e6 for n in range(1, 6)}
    found = {
        one["id"]: value_of(
            re.sub(r"\$\{(\w+)\}", lambda name: parameters[name[1]], one["expression"]),
            **units, **milliseconds, **invocations,
        )
        for one in expressions(widget)
        if one["id"] != "total"
    }  # fmt: skip
    memory = [1769 / 1024, 1, 0.5, 0.5, 0.5]
    assert found == {
        "dynamodb": pytest.approx(3e6 * dollars.WRITE_UNIT.dollars + 5e6 * dollars.READ_UNIT.dollars),
        "functions": pytest.approx(
            sum(n * 1e6 * memory[n - 1] for n in range(1, 6)) * dollars.LAMBDA_GB_SECOND.dollars
            + 15e6 * dollars.LAMBDA_REQUEST.dollars,
            rel=1e-4,
        ),
        "kinesis": pytest.approx(7e6 * dollars.KINESIS_PUT.dollars + 2 * dollars.KINESIS_SHARD_HOUR.dollars),
        "firehose": pytest.approx(7e6 * 5 / 1024**2 * dollars.FIREHOSE_GB.dollars),
        "gateway": pytest.approx(11e6 * dollars.API_REQUEST.dollars),
        "bus": pytest.approx(13e6 * dollars.BUS_EVENT.dollars),
        "logs": pytest.approx(17 * dollars.LOG_GB.dollars),
    }
    [total] = [one["expression"] for one in expressions(widget) if one["id"] == "total"]
    assert set(re.findall(r"[a-z]\w*", total)) == found.keys()


def test_the_dashboards_memory_sizes_are_those_of_the_functions() -> None:
    resources = template()["Resources"]
    [widget] = [one for one in metric_widgets() if one["title"].startswith("Dollars")]
    timed = [m[3].strip("${}") for m in widget["metrics"] if m[0] == "AWS/Lambda" and m[1] == "Duration"]
    default = template()["Globals"]["Function"]["MemorySize"]
    sizes = [resources[name]["Properties"].get("MemorySize", default) for name in timed]
    assert sizes == [1769, 1024, 512, 512, 512]


def test_every_source_of_aws_metrics_is_used_and_says_where_it_is_documented() -> None:
    used = {(one.namespace, one.name) for one in EVERYTHING_WATCHED}
    for namespace, sources in AWS_METRICS.items():
        for source in sources:
            assert source.documented_at.startswith("https://docs.aws.amazon.com/")
            assert {(namespace, name) for name in source.names} <= used
