"""Two generations of the views: cut over and back while interactions arrive and dashboards are read."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cli.stack import Stack
from cli.token import id_token
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import Command, commands, second_stack, with_views
from tests.e2e.traffic import CODE, check_exactly_once, ensure_contents, eventually, subscribe, traffic
from tests.e2e.wire import call
from tests.factory import make_interaction

NAME = "streakline-two"
RATE = 100
"""Interactions a second. tests/long/test_cutover.py has five times as many."""
VERSIONS = {"AWS::Lambda::Version", "AWS::AppConfig::HostedConfigurationVersion"}
"""The types of resources that each change of the settings makes anew."""


@pytest.fixture(scope="module")
def deployed(stack: Deployed) -> Iterator[Stack]:
    """Yield a stack that had a blue generation only, and got a green one by an update."""
    with second_stack(stack.stack, NAME) as made:
        before = resources(made)
        both = with_views(made, NAME, "both")
        after = resources(both)
        assert before.items() <= after.items(), "an update replaced something"
        assert {name for name in after if "Green" in name} == after.keys() - before.keys()
        ensure_contents(both)
        yield both


def resources(stack: Stack) -> dict[str, str]:
    """Return the physical ids of a stack's resources by their logical ids, without versions."""
    cloudformation = stack.client("cloudformation")
    found = cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in found
        if one["ResourceType"] not in VERSIONS
    }


@pytest.fixture(scope="module")
def command(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Command:
    return commands(deployed, tmp_path_factory.mktemp("second"))


def test_two_cutovers_under_load_fail_no_read_and_lose_and_double_nothing(
    deployed: Stack, command: Command
) -> None:
    queue = subscribe(deployed)
    with traffic(deployed, RATE) as found:
        assert command("cutover")["live"] == "green"
        to_green = found.statuses.copy()
        time.sleep(3)
        assert command("cutover")["live"] == "blue"
        time.sleep(3)
    assert deployed.live == "blue"
    assert to_green.total() > 20
    assert (found.statuses - to_green).total() > 20
    awards = check_exactly_once(deployed, found, queue)
    print(
        f"{found.sent.total()} interactions in {found.seconds:.0f} s, {found.statuses.total()} reads, the "
        f"slowest in {found.slowest:.2f} s; {awards} awards"
    )


def test_a_generation_is_dropped_by_a_parameter_and_its_table_is_kept(
    deployed: Stack, command: Command
) -> None:
    assert command("cutover", "--to", "green")["live"] == "green"
    dropped = deployed.generation("blue").table
    left = with_views(deployed, NAME, "green")
    assert left.colours == ("green",)
    assert left.outputs["ViewsTableName"] == left.outputs["GreenViewsTableName"]
    gone = {"ViewsTable", "ProjectFunction", "ProjectRole", "AnnounceFunctionAwards", "RarityFunctionInserts"}
    assert not gone & resources(left).keys()
    table = left.client("dynamodb").describe_table(TableName=dropped)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    token = id_token(left, "e2e-gen-last", None, existing=True)
    one = make_interaction(
        event_id="last", user_id="ignored", content_id=f"{CODE}-0", certification_type=CODE
    )
    del one["user_id"]
    one["occurred_at"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert call(left.api_url, "POST", "/progress/me/interaction", token, one).status == 202

    def total() -> int:
        return int(call(left.api_url, "GET", "/progress/me/analytics", token).json["total_interactions"])

    eventually(lambda: total() == 1)
    left.client("dynamodb").delete_table(TableName=dropped)
