"""`streakline token`: whose passwords and groups it may touch."""

import secrets
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli import stack as cli_stack
from cli.__main__ import main
from cli.stack import Stack
from cli.token import id_token
from tests.e2e.conftest import Deployed

NAME = f"e2e-token-{secrets.token_hex(4)}"


@pytest.fixture
def local(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: stack.stack)
    return stack.stack


def sign_in(stack: Stack, user: str, password: str) -> Any:
    return stack.client("cognito-idp").admin_initiate_auth(
        UserPoolId=stack.outputs["UserPoolId"],
        ClientId=stack.outputs["UserPoolClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": password},
    )


def groups(stack: Stack, user: str) -> list[str]:
    found = stack.client("cognito-idp").admin_list_groups_for_user(
        UserPoolId=stack.outputs["UserPoolId"], Username=user
    )
    return [group["GroupName"] for group in found["Groups"]]


@pytest.fixture
def ann(local: Stack) -> str:
    """Return the password of a user who exists, without groups."""
    cognito, pool = local.client("cognito-idp"), local.outputs["UserPoolId"]
    cognito.admin_create_user(UserPoolId=pool, Username=NAME, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(
        UserPoolId=pool, Username=NAME, Password="Aa1-the-old-one-of-ann", Permanent=True
    )
    return "Aa1-the-old-one-of-ann"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["token", *arguments], catch_exceptions=False)


def test_an_existing_user_keeps_password_and_groups_until_something_else_is_asked_for(
    local: Stack, ann: str
) -> None:
    result = run("--user", NAME, "--group", "admins")
    assert result.exit_code == 1
    assert f"there is a user {NAME} already" in result.output
    assert sign_in(local, NAME, ann)["AuthenticationResult"]["IdToken"]
    assert groups(local, NAME) == []
    assert run("--user", NAME, "--group", "admins", "--reset-password").exit_code == 0
    assert groups(local, NAME) == ["admins"]
    with pytest.raises(local.client("cognito-idp").exceptions.NotAuthorizedException):
        sign_in(local, NAME, ann)


def test_the_commands_own_users_can_be_used_again_and_again(local: Stack) -> None:
    for _ in range(2):
        result = run("--group", "instructors")
        assert result.exit_code == 0
        assert result.stdout.count(".") == 2
    assert groups(local, "streakline-instructors") == ["instructors"]


def test_a_new_user_is_created(local: Stack) -> None:
    bob = f"{NAME}-bob"
    assert id_token(local, bob, "instructors", existing=False).count(".") == 2
    with pytest.raises(click.ClickException, match="already"):
        id_token(local, bob, existing=False)
