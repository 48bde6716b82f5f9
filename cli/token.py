"""`streakline token`: print an ID token for the API."""

import secrets

import click

from cli.stack import Stack, ask_first, on_stack, yes_option


@click.command()
@click.option(
    "--group",
    type=click.Choice(["instructors", "admins"]),
    help="Group that the user is added to.  [default: none, a learner]",
)
@click.option("--user", help="Name of the user.  [default: a user of this command's own for each group]")
@click.option(
    "--reset-password",
    is_flag=True,
    help="If the user exists, set a new password, and add the user to the group.",
)
@yes_option
@on_stack
def token(stack: Stack, group: str | None, user: str | None, reset_password: bool, yes: bool) -> None:
    """Print an ID token for the API.

    Send it in the Authorization header, as `Bearer TOKEN`. The user is created if there is none. An existing
    user is left alone without --reset-password. The users streakline-learner, streakline-instructors and
    streakline-admins are this command's own, and get a new password each time.

    Example: streakline token --group instructors
    """
    name = user or own_user(group)
    ask_first(
        stack, yes, f"This gives the user {name} a password{f' and the rights of {group}' if group else ''}"
    )
    click.echo(id_token(stack, name, group, existing=reset_password or name == own_user(group)))


def own_user(group: str | None) -> str:
    """Return the name of this command's own user in a group, or without one."""
    return f"streakline-{group or 'learner'}"


def id_token(stack: Stack, user: str, group: str | None = None, *, existing: bool) -> str:
    """Return an ID token of a user, who is created if necessary, gets a new password, and joins the group.

    Raise click.ClickException if the stack has no user pool of its own, or if the user exists and `existing`
    is false.
    """
    if "UserPoolId" not in stack.outputs:
        raise click.ClickException(
            "the stack has no user pool of its own (see its parameter JwtIssuer): get a token from its issuer"
        )
    cognito = stack.client("cognito-idp")
    pool, client = stack.outputs["UserPoolId"], stack.outputs["UserPoolClientId"]
    try:
        cognito.admin_create_user(UserPoolId=pool, Username=user, MessageAction="SUPPRESS")
    except cognito.exceptions.UsernameExistsException as error:
        if not existing:
            raise click.ClickException(
                f"there is a user {user} already, whose password and groups stay as they are. Sign in as "
                "that user instead, or use --reset-password."
            ) from error
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
