"""What outlives a stack's deletion, and `streakline remove`, which leaves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from cli.__main__ import main
from cli.stack import LOCAL_ENVIRONMENT, Stack
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import second_stack


def holding_data(stack: Stack) -> dict[str, set[str]]:
    """Return the names of what can hold data on the emulated AWS, of all stacks, by kind."""
    pools = stack.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    groups = stack.client("logs").describe_log_groups()["logGroups"]
    return {
        "tables": set(stack.client("dynamodb").list_tables()["TableNames"]),
        "buckets": {one["Name"] for one in stack.client("s3").list_buckets()["Buckets"]},
        "streams": set(stack.client("kinesis").list_streams()["StreamNames"]),
        "queues": set(stack.client("sqs").list_queues().get("QueueUrls", [])),
        "pools": {one["Id"] for one in pools},
        "logs": {one["logGroupName"] for one in groups},
    }


def remove(stack: Deployed, name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Run the command as on AWS: it finds the emulator by the environment alone."""
    for variable, value in LOCAL_ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(stack.stack.endpoint_url))
    call = ["remove", "--stack-name", name, *arguments]
    return CliRunner().invoke(main, call, input="n\n", catch_exceptions=False)


@contextmanager
def deployed(stack: Deployed, name: str, **parameters: str) -> Iterator[tuple[Stack, dict[str, set[str]]]]:
    """Deploy another stack. Return it with what it has that can hold data."""
    before = holding_data(stack.stack)
    with second_stack(stack.stack, name, Cdn="on", **parameters) as second:
        after = holding_data(stack.stack)
        yield second, {kind: after[kind] - before[kind] for kind in after}


def test_a_throw_away_stack_is_removed_with_all_its_data(
    stack: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = holding_data(stack.stack)
    with deployed(stack, "thrown-away", KeepData="no") as (second, made):
        assert {kind: len(names) for kind, names in made.items()} == {
            "tables": 3,
            "buckets": 2,
            "streams": 1,
            "queues": 2,
            "pools": 1,
            "logs": 2,
        }
        bucket = second.outputs["EventLogBucket"]
        for number in range(3):
            second.client("s3").put_object(Bucket=bucket, Key=f"log/{number}", Body=b"{}")
        asked = remove(stack, "thrown-away", monkeypatch)
        assert asked.exit_code == 1
        assert "2 buckets, 2 log groups, 2 queues, 1 stream, 3 tables, 1 user pool. Go on?" in asked.output
        assert holding_data(stack.stack) != before
        removed = remove(stack, "thrown-away", monkeypatch, "--yes")
        assert removed.exit_code == 0, removed.output
        assert f"deleted the bucket {bucket}" in removed.output
        assert holding_data(stack.stack) == before


def test_what_holds_data_outlives_the_deletion_of_a_stack_that_keeps_it(
    stack: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = holding_data(stack.stack)
    with deployed(stack, "kept", KeepData="yes") as (second, made):
        refused = remove(stack, "kept", monkeypatch, "--yes")
        assert refused.exit_code == 1
        assert "deploy it with KeepData=no first" in refused.output
        table = second.client("dynamodb").describe_table(TableName=second.outputs["ViewsTableName"])["Table"]
        assert table["DeletionProtectionEnabled"]
    assert {kind: names - before[kind] for kind, names in holding_data(stack.stack).items()} == made


def test_a_stack_that_does_not_exist_is_a_message(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    result = remove(stack, "nowhere", monkeypatch, "--yes")
    assert result.exit_code == 1
    assert "nowhere does not exist" in result.output
