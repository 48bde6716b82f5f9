"""`streakline token`: an ID token that the API takes."""

import secrets
from contextlib import suppress

import click

from cli.stack import Stack, on_stack


@click.command()
@click.option("--group", type=click.Choice(["instructors", "admins"]), help="A group the user is in.")
@click.option("--user", default=None, help="Name of the user; default: one for each group.")
@on_stack
def token(stack: Stack, group: str | None, user: str | None) -> None:
    """Print an ID token for the API, of a user that is made where there is none.

    Send it as the Authorization header. It is for trying things out: the user gets a new password each time.
    """
    click.echo(id_token(stack, user or f"streakline-{group or 'learner'}", group))


def id_token(stack: Stack, user: str, group: str | None = None) -> str:
    """A user's ID token; the user is made, and put into the group, as needed."""
    cognito = stack.client("cognito-idp")
    pool, client = stack.outputs["UserPoolId"], stack.outputs["UserPoolClientId"]
    with suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(UserPoolId=pool, Username=user, MessageAction="SUPPRESS")
    password = f"Aa1-{secrets.token_urlsafe(24)}"
    cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
    if group:
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["IdToken"])
