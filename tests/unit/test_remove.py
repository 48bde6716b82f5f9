"""`streakline remove` of a stack whose first change set was never executed. tests/e2e has the others."""

from typing import Any, Self

import click
import pytest

from cli.remove import _remove

STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/streakline-smoke/0a1b"


class CloudFormation:
    """One stack without parameters or resources, as CloudFormation describes it. It is its own session."""

    def __init__(self, status: str) -> None:
        self.status = status

    def client(self, name: str) -> Self:
        assert name == "cloudformation"
        return self

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        described = {"StackName": "streakline-smoke", "StackId": STACK_ID, "StackStatus": self.status}
        return {"Stacks": [described]}

    def get_paginator(self, _: str) -> Self:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"StackResourceSummaries": []}]

    def delete_stack(self, **given: str) -> None:
        assert given == {"StackName": STACK_ID}
        self.status = "DELETE_COMPLETE"

    def get_waiter(self, _: str) -> Self:
        return self

    def wait(self, **_: Any) -> None:
        assert self.status == "DELETE_COMPLETE"


def test_a_stack_that_is_only_planned_is_removed() -> None:
    stack = CloudFormation("REVIEW_IN_PROGRESS")
    _remove(stack, "streakline-smoke", yes=True)
    assert stack.status == "DELETE_COMPLETE"


def test_a_stack_that_does_not_say_that_it_may_go_is_kept() -> None:
    stack = CloudFormation("CREATE_COMPLETE")
    with pytest.raises(click.ClickException, match="keeps its data"):
        _remove(stack, "streakline-smoke", yes=True)
    assert stack.status == "CREATE_COMPLETE"
