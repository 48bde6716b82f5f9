"""Tokens for trying out the API."""

import click
import pytest

from cli.stack import Stack
from cli.token import id_token


def test_a_stack_with_a_foreign_issuer_has_no_tokens_to_give() -> None:
    stack = Stack(outputs={}, api_url="", endpoint_url=None, session=None)
    with pytest.raises(click.ClickException, match="no user pool of its own"):
        id_token(stack, "ann", existing=True)
