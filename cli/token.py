"""`streakline token`: print an ID token for the API."""

import secrets
from contextlib import suppress

import click

from cli.stack import Stack, on_stack


@click.command()
@click.option(
    "--group",
    type=click.Choice(["instructors", "admins"]),
    help="Group that the user is added to.  [default: none, a learner]",
)
@click.option("--user", help="Name of the user.  [default: one user for each group]")
@on_stack
def token(stack: Stack, group: str | None, user: str | None) -> None:
    """Print an ID token for the API.

    Send it in the Authorization header, as `Bearer TOKEN`. The user is created if there is none, and gets a
    new password each time: use this for trying out the API, not for real users.
    """
    click.echo(id_token(stack, user or f"streakline-{group or 'learner'}", group))


def id_token(stack: Stack, user: str, group: str | None = None) -> str:
    """Return an ID token of a user, who is created and added to the group if necessary.

    Raise click.ClickException if the stack has no user pool of its own.
    """
    if "UserPoolId" not in stack.outputs:
        raise click.ClickException(
            "the stack has no user pool of its own (see its parameter JwtIssuer): get a token from its issuer"
        )
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
