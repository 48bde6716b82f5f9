"""The alarms and the dashboard: who is told, and whether what they watch exists."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import dollars, monthly
from functions import announce, project
from tests.aws_metrics import AWS_METRICS, is_emitted_by_aws
from tests.integration.conftest import Context, World, interaction, stream_event
from tests.integration.emitted import emitted
from tests.integration.template import deployed, template
from tests.integration.test_project import damage
from tests.integration.watched import (
    PROGRESS_TABLE,
    STACKS,
    Watched,
    alarms,
    alarms_of,
    dashboard,
    expressions,
    metric_widgets,
    watched_by_alarms,
    watched_by_dashboard,
)

DOCUMENTS = Path(__file__).parents[2] / "docs"
ALARMS = DOCUMENTS / "alarms.md"
OPERATIONS = DOCUMENTS / "operations.md"
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
    "StateMachineArn": "AWS::StepFunctions::StateMachine",
}
"""The type of the resource that each dimension names."""
ADDED_UP = ("SUM(METRICS())", "SUM(FILL(METRICS(), 0))")
"""Expressions that read all metrics of their alarm."""
DAY = 86_400
EVERYTHING: dict[str, str] = {
    "Views": "both",
    "ProgressTableStreamArn": PROGRESS_TABLE,
    "GradualDeployment": "true",
}
"""The parameters of a stack that has every alarm."""

each_alarm = pytest.mark.parametrize("name", alarms())
each_stack = pytest.mark.parametrize("stack", STACKS, ids=lambda stack: "-".join(stack.values())[:60])


def everything_watched(stack: Mapping[str, str]) -> list[Watched]:
    """Return what a stack's alarms and its dashboard watch."""
    return [*watched_by_alarms(stack), *watched_by_dashboard(stack)]


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
    assert alarms()[name]["Properties"]["AlarmDescription"].endswith(f"See docs/alarms.md#{name.lower()}")
    page = ALARMS.read_text().partition(f"\n## {name}\n")[2].partition("\n#")[0]
    parts = re.findall(r"^\*\*(.+?)\*\*", page, re.MULTILINE)
    assert parts == ["It means:", "Look at:", "Do:"]


def test_a_stack_with_everything_has_every_alarm() -> None:
    assert alarms_of(EVERYTHING).keys() == alarms().keys()


def test_there_is_no_page_of_an_alarm_that_does_not_exist() -> None:
    assert sorted(re.findall(r"^## (.+)$", ALARMS.read_text(), re.MULTILINE)) == sorted(alarms())


# -- what they watch -------------------------------------------------------------------------------


def every_metric_of_the_code(
    world: World, capsys: pytest.CaptureFixture[str]
) -> set[tuple[str, frozenset[str]]]:
    """Return the names and dimensions of all metrics that the functions emit, from running them."""
    capsys.readouterr()
    world.project(interaction("a", user_id="bob"))
    damage(world, "bob", "STATE", {"format": {"S": "two"}})
    project.handler(stream_event(interaction("a"), interaction("b", user_id="bob"), b"{"), Context())
    unreadable = {"pk": {"S": "USER#ann"}, "sk": {"S": "EARNED#streak-3"}}
    announce.handler({"Records": [{"dynamodb": {"NewImage": unreadable}}]}, Context())
    return {(one.name, frozenset(one.dimensions)) for one in emitted(capsys.readouterr().out)}


def test_every_metric_that_is_watched_is_one_that_aws_or_the_code_emits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    own = every_metric_of_the_code(world, capsys)
    assert len(everything_watched(EVERYTHING)) > 130
    for stack in STACKS:
        for watched in everything_watched(stack):
            dimensions = frozenset(watched.dimensions)
            if watched.namespace == "Streakline":
                assert (watched.name, dimensions) in own, watched
            else:
                assert is_emitted_by_aws(watched.namespace, watched.name, dimensions), watched


def test_metrics_of_the_code_are_those_of_this_stack() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "Streakline"
    assert variables["POWERTOOLS_SERVICE_NAME"] == "AWS::StackName"
    for watched in everything_watched(EVERYTHING):
        if watched.namespace == "Streakline":
            assert watched.dimensions["service"] == "AWS::StackName", watched
            by_version = {"function", "version"} if watched.name == "TroublesByVersion" else set()
            assert watched.dimensions.keys() == {"service"} | by_version, watched


def functions_of(stack: Mapping[str, str]) -> set[str]:
    """Return the logical ids of a stack's functions."""
    return {name for name, one in deployed(**stack).items() if one["Type"] == "AWS::Serverless::Function"}


def event_sources(stack: Mapping[str, str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the streams that functions of a stack read, by the logical ids of the mappings.

    Each has the function's logical id and the mapping's properties. SAM names those of a function's events.
    """
    of_sam = {
        f"{name}{event}": (name, source["Properties"])
        for name, resource in deployed(**stack).items()
        if resource["Type"] == "AWS::Serverless::Function"
        for event, source in resource["Properties"].get("Events", {}).items()
        if source["Type"] in {"Kinesis", "DynamoDB"}
    }
    others = {
        name: (
            resource["Properties"]["FunctionName"].strip("<>").removesuffix(".Alias"),
            resource["Properties"],
        )
        for name, resource in deployed(**stack).items()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    }
    return of_sam | others


@each_stack
def test_every_dimension_names_a_resource_of_its_kind_that_the_stack_has(stack: dict[str, str]) -> None:
    kinds = {name: resource["Type"] for name, resource in deployed(**stack).items()}
    for watched in everything_watched(stack):
        named = watched.dimensions
        for dimension, value in named.items():
            match dimension:
                case "service" | "Stage":
                    assert value in {"AWS::StackName", "$default"}
                case "EventSourceMappingUUID":
                    _, source = event_sources(stack)[value]
                    assert source["MetricsConfig"] == {"Metrics": ["EventCount"]}
                case "Resource":
                    assert value == f"{named['FunctionName']}:live"
                case "ExecutedVersion":
                    assert value == f"{named['FunctionName']}.Version.Version"
                case "version":
                    assert value == f"{named['function']}.Version.Version"
                case "function":
                    assert kinds[value] == OWNERS["FunctionName"]
                case "DeliveryStreamName" if value == "none":
                    assert "EventLogDelivery" not in kinds
                case _:
                    assert kinds[value.removesuffix(".QueueName")] == OWNERS[dimension], watched


def run_by(stack: Mapping[str, str], machine: str) -> set[str]:
    """Return the functions that a state machine invokes, and invokes again if they fail."""
    properties = json.dumps(deployed(**stack)[machine]["Properties"])
    return {name for name in functions_of(stack) if f"<{name}.Alias>" in properties}


@each_stack
def test_every_function_and_every_stream_that_is_read_has_its_alarms(stack: dict[str, str]) -> None:
    functions, sources = functions_of(stack), event_sources(stack)
    # An alarm of a deployment watches one version only, and is not meant here.
    watched = [one for one in watched_by_alarms(stack) if "ExecutedVersion" not in one.dimensions]
    with_expressions = stack["AlarmsOnExpressions"] == "on"
    failing = [one.dimensions["FunctionName"] for one in watched if one.name == "Errors"]
    failing += [
        function
        for one in watched
        if one.name == "ExecutionsFailed"
        for function in run_by(stack, one.dimensions["StateMachineArn"])
    ]
    assert sorted(failing) == sorted(functions)
    throttled = [one.dimensions["FunctionName"] for one in watched if one.name == "Throttles"]
    assert sorted(throttled) == (sorted(functions) if with_expressions else [])
    for metric in ("DroppedEventCount", "OnFailureDestinationDeliveredEventCount"):
        of_metric = [one.dimensions["EventSourceMappingUUID"] for one in watched if one.name == metric]
        assert sorted(of_metric) == (sorted(sources) if with_expressions else [])
    readers = {function for function, _ in sources.values()}
    assert {one.dimensions["FunctionName"] for one in watched if one.name == "IteratorAge"} == readers


@each_stack
def test_every_queue_is_watched_by_an_alarm_of_its_own(stack: dict[str, str]) -> None:
    queues = [
        f"{name}.QueueName" for name, one in deployed(**stack).items() if one["Type"] == "AWS::SQS::Queue"
    ]
    watched = [
        one.dimensions["QueueName"] for one in watched_by_alarms(stack) if "QueueName" in one.dimensions
    ]
    assert sorted(watched) == sorted(queues)


@each_stack
def test_a_gradual_deployment_watches_the_newest_version_of_every_function(stack: dict[str, str]) -> None:
    of_versions = [
        one.dimensions["FunctionName"]
        for one in watched_by_alarms(stack)
        if "ExecutedVersion" in one.dimensions
    ]
    gradual = stack["GradualDeployment"] == "true"
    assert sorted(of_versions) == (sorted(functions_of(stack)) if gradual else [])


@each_stack
def test_an_expression_reads_the_metrics_of_its_alarm_and_at_most_ten(stack: dict[str, str]) -> None:
    for alarm in alarms_of(stack).values():
        if found := alarm.get("Metrics"):
            [expression] = [one["Expression"] for one in found if "Expression" in one]
            metrics = [one["Id"] for one in found if "MetricStat" in one]
            assert all(one["ReturnData"] is False for one in found if "MetricStat" in one)
            assert len(metrics) == len(set(metrics)) <= 10
            assert expression in ADDED_UP or set(re.findall(r"\b[a-z]\w*\b", expression)) == set(metrics)


@pytest.mark.parametrize(("values", "added"), [((None, 2), 2), ((1, None, 3), 4), ((0, None), 0)])
@pytest.mark.parametrize("expression", ADDED_UP)
def test_what_is_added_up_passes_over_metrics_without_datapoints(
    expression: str, values: tuple[int | None, ...], added: int
) -> None:
    metrics = {f"m{number}": value for number, value in enumerate(values)}
    assert value_of(expression.replace("METRICS()", f"[{', '.join(metrics)}]"), **metrics) == added


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
@pytest.mark.parametrize(
    "name",
    [
        "ConsumerIsIdle",
        "ConsumerIsIdleForHours",
        "ConsumerIsIdleForADay",
        "EventLogIsIdle",
        "EventLogIsIdleForADay",
        "GreenConsumerIsIdle",
    ],
)
def test_a_reader_is_idle_if_records_arrive_and_it_does_nothing(
    name: str, records: int, done: int | None, idle: int
) -> None:
    alarm = alarms_of(EVERYTHING)[name]
    assert value_of(alarm["Metrics"][0]["Expression"], records=records, done=done) == idle
    assert alarm["Threshold"] == 0


def rings(alarm: dict[str, Any], arrivals: range) -> bool:
    """Return whether an alarm rings in two days if records arrive at these seconds, and nothing is done."""
    [period] = {one["MetricStat"]["Period"] for one in alarm["Metrics"] if "MetricStat" in one}
    expression, number = alarm["Metrics"][0]["Expression"], alarm["EvaluationPeriods"]
    breaching = [
        value_of(expression, records=sum(start <= second < start + period for second in arrivals), done=None)
        > alarm["Threshold"]
        for start in range(0, 2 * DAY, period)
    ]
    return any(all(breaching[at : at + number]) for at in range(len(breaching) - number + 1))


@pytest.mark.parametrize("reader", ["ConsumerIsIdle", "EventLogIsIdle"])
@pytest.mark.parametrize(
    "arrivals",
    [range(0, 2 * DAY, 60), range(0, 2 * DAY, 3_000), range(7_200, 7_500)],
    ids=["every minute", "every 50 minutes", "in five minutes at night"],
)
def test_somebody_is_told_of_an_idle_reader_however_seldom_records_arrive(
    reader: str, arrivals: range
) -> None:
    found = {name: one for name, one in alarms_of(EVERYTHING).items() if name.startswith(reader)}
    assert any(rings(one, arrivals) for one in found.values()), found.keys()


def number_of_metrics(**parameters: str) -> int:
    return len(list(watched_by_alarms(parameters)))


def test_the_documented_cost_counts_the_metrics_of_the_alarms() -> None:
    text = " ".join(OPERATIONS.read_text().split())
    match = re.search(
        r"about (\d+) dollars a month for this: (\d+) metrics in alarms at 0.10, (\d+) metrics of the code "
        r"at 0.30, the dashboard 3, the topic's key 1, and (\d+) metrics of event sources at 0.30.*? "
        r"gradual deployments add (\d+) metrics in alarms, and a second generation of the views (\d+) "
        r"and, if AWS charges them, (\d+) metrics of event sources",
        text,
    )
    assert match
    month, in_alarms, of_code, of_sources, *more = map(int, match.groups())
    usual, sources = number_of_metrics(), len(event_sources({}))
    assert (in_alarms, of_sources) == (usual, 6 * sources)
    assert month == monthly.MONITORING == round(0.10 * in_alarms + 0.30 * (of_code + of_sources) + 3 + 1)
    assert more == [
        number_of_metrics(GradualDeployment="true") - usual,
        number_of_metrics(Views="both") - usual,
        6 * (len(event_sources({"Views": "both"})) - sources),
    ]


# -- the dashboard ---------------------------------------------------------------------------------


@each_stack
def test_the_dashboard_shows_every_alarm_that_the_stack_has(stack: dict[str, str]) -> None:
    [widget] = [one for one in dashboard(stack)["widgets"] if one["type"] == "alarm"]
    shown = widget["properties"]["alarms"]
    assert sorted(shown) == sorted(f"<{name}.Arn>" for name in alarms_of(stack))
    assert widget["properties"]["title"].endswith("docs/alarms.md")
    assert len(shown) <= 100


def test_quarantined_records_are_searched_by_dimensions_that_the_code_emits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    [search] = [
        one["expression"]
        for widget in metric_widgets({})
        for one in expressions(widget)
        if "SEARCH" in one["expression"]
    ]
    match = re.match(r"SEARCH\('\{Streakline,([\w,]+)\} MetricName=\"(\w+)\"", search)
    assert match
    assert (match[2], frozenset(match[1].split(","))) in every_metric_of_the_code(world, capsys)


def test_widgets_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboard({})["widgets"]:
        places = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not places & taken
        assert max(x for x, _ in places) < 24
        taken |= places


def test_the_dashboards_dollars_are_those_of_the_benchmarks_prices() -> None:
    [widget] = [one for one in metric_widgets({"ShardCount": "2"}) if one["title"].startswith("Dollars")]
    units: dict[str, float] = {"writes": 3e6, "reads": 5e6, "records": 7e6, "requests": 11e6, "matched": 13e6}
    units |= {"logged": 17 * 1024**3}
    milliseconds = {f"t{n}": n * 1e9 for n in range(1, 6)}
    invocations = {f"n{n}": n * 1e6 for n in range(1, 6)}
    found = {
        one["id"]: value_of(one["expression"], **units, **milliseconds, **invocations)
        for one in expressions(widget)
        if one["id"] != "total"
    }
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
    [widget] = [one for one in metric_widgets({}) if one["title"].startswith("Dollars")]
    timed = [m[3].strip("<>") for m in widget["metrics"] if m[0] == "AWS/Lambda" and m[1] == "Duration"]
    default = template()["Globals"]["Function"]["MemorySize"]
    sizes = [resources[name]["Properties"].get("MemorySize", default) for name in timed]
    assert sizes == [1769, 1024, 512, 512, 512]


def test_every_source_of_aws_metrics_is_used_and_says_where_it_is_documented() -> None:
    used = {(one.namespace, one.name) for one in everything_watched(EVERYTHING)}
    for namespace, sources in AWS_METRICS.items():
        for source in sources:
            assert source.documented_at.startswith("https://docs.aws.amazon.com/")
            assert {(namespace, name) for name in source.names} <= used
