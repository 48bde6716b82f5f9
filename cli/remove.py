"""`streakline remove`: a stack on AWS and everything that outlives its deletion."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from cli.output import command, doing
from cli.stack import yes_option

MAX_BUCKET_TRIES = 5
"""How often a bucket is emptied before its deletion: logs of CloudFront may still arrive."""
_POLL = {"Delay": 5, "MaxAttempts": 360}
"""CloudFront alone takes a quarter of an hour; the stack gets half an hour."""


def _empty_and_delete_bucket(session: Any, name: str) -> None:
    bucket = session.resource("s3").Bucket(name)
    for tries in range(1, MAX_BUCKET_TRIES + 1):
        bucket.object_versions.delete()
        try:
            bucket.delete()
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketNotEmpty" or tries == MAX_BUCKET_TRIES:
                raise
        else:
            return


REMOVERS: Mapping[str, tuple[str, Callable[[Any, str], Any]]] = {
    "AWS::Cognito::UserPool": (
        "user pool",
        lambda session, name: session.client("cognito-idp").delete_user_pool(UserPoolId=name),
    ),
    "AWS::DynamoDB::Table": (
        "table",
        lambda session, name: session.client("dynamodb").delete_table(TableName=name),
    ),
    "AWS::Kinesis::Stream": (
        "stream",
        lambda session, name: session.client("kinesis").delete_stream(
            StreamName=name, EnforceConsumerDeletion=True
        ),
    ),
    "AWS::Logs::LogGroup": (
        "log group",
        lambda session, name: session.client("logs").delete_log_group(logGroupName=name),
    ),
    "AWS::S3::Bucket": ("bucket", _empty_and_delete_bucket),
    "AWS::SQS::Queue": (
        "queue",
        lambda session, name: session.client("sqs").delete_queue(QueueUrl=name),
    ),
}
"""For each type of resource that outlives its stack: what it is called, and how it is deleted."""

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}


@click.command()
@click.option("--stack-name", required=True, help="Name or id of a stack on AWS.")
@click.option("--region", help="AWS region of that stack.  [default: the region of your AWS profile]")
@yes_option
def remove(stack_name: str, region: str | None, yes: bool) -> None:
    """Delete a stack on AWS with all its data, if it was deployed with KeepData=no.

    Deleting the stack by other means leaves its tables, stream, queues, buckets, user pool and logs behind.
    If this was interrupted, run it again with the stack's id instead of its name.

    Example: streakline remove --stack-name streakline-dev
    """
    try:
        _remove(boto3.Session(region_name=region), stack_name, yes)
    except (ClientError, BotoCoreError) as error:
        raise click.ClickException(f"AWS answered with an error: {error}") from error


def _remove(session: Any, stack_name: str, yes: bool) -> None:
    cloudformation = session.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
    # A stack whose first change set failed or was never run has no resources yet, and maybe no parameters.
    if parameters.get("KeepData") != "no" and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
        raise click.ClickException(
            f"{stack['StackName']} keeps its data. To remove both, deploy it with KeepData=no first."
        )
    # By its id: a stack that is deleted has no name any more.
    stack_id = stack["StackId"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    outliving = [
        (one["ResourceType"], one["PhysicalResourceId"])
        for page in pages
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] in REMOVERS and one.get("PhysicalResourceId")
    ]
    if not yes:
        click.confirm(
            f"This deletes the stack {stack['StackName']} and its data: {_counted(outliving)}. Go on?",
            abort=True,
            err=True,
        )
    if stack["StackStatus"] != "DELETE_COMPLETE":
        with doing(f"deleting the stack {stack['StackName']}"):
            _delete_stack(cloudformation, stack_id)
    for kind, physical_id in outliving:
        called, delete = REMOVERS[kind]
        try:
            delete(session, physical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                continue
            raise click.ClickException(
                f"can't delete the {called} {physical_id}: {error}\n"
                f"Go on with: {command()} remove --stack-name {stack_id}"
            ) from error
        click.echo(f"deleted the {called} {physical_id}")
    click.echo(f"The stack {stack['StackName']} and its data are gone.")


def _delete_stack(cloudformation: Any, stack_id: str) -> None:
    cloudformation.delete_stack(StackName=stack_id)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=_POLL)
    except WaiterError as error:
        raise click.ClickException(
            f"CloudFormation did not delete the stack; its events say why: {error}\n"
            f"Go on with: {command()} remove --stack-name {stack_id}"
        ) from error


def _counted(resources: Iterable[tuple[str, str]]) -> str:
    counts: dict[str, int] = {}
    for kind, _ in resources:
        called = REMOVERS[kind][0]
        counts[called] = counts.get(called, 0) + 1
    return ", ".join(f"{count} {called}{'s' * (count > 1)}" for called, count in sorted(counts.items()))
