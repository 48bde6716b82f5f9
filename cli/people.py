"""People of the local stack who can sign in on the page: a learner of the demo, and a teacher."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from cli.stack import Stack

PASSWORD = "Demo-streakline-1"  # noqa: S105 (of users that exist on the local stack only, which serves the loopback)


class Person(NamedTuple):
    """A user of the local stack's pool."""

    name: str
    what: str
    group: str | None = None


PEOPLE = (
    Person("demo-ada", "a learner"),
    Person("demo-teacher", "a teacher", "instructors"),
)


def ensure_people(stack: Stack, people: Sequence[Person] = PEOPLE) -> None:
    """Create the people in the local stack's user pool, each with `PASSWORD`.

    Raise ValueError on a stack on AWS: nobody may sign in there with a password that everybody knows.
    """
    if stack.endpoint_url is None:
        raise ValueError("people with a known password are for the local stack only")
    cognito, pool = stack.client("cognito-idp"), stack.outputs["UserPoolId"]
    for person in people:
        with suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(UserPoolId=pool, Username=person.name, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(
            UserPoolId=pool, Username=person.name, Password=PASSWORD, Permanent=True
        )
        if person.group:
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=person.name, GroupName=person.group)


def page_url(stack: Stack) -> str:
    """Return the address of the page. Its slash matters: the page's files are relative to it."""
    return f"{stack.api_url}/"


def sign_in_lines(stack: Stack, today: date | None = None) -> list[str]:
    """Return what to print about the page of the local stack: its address, and who can sign in.

    `today`: the date as of which the page shows progress, by default the reader's.
    """
    names = " or ".join(f"{person.name} ({person.what})" for person in PEOPLE)
    return [
        f"The page is at {page_url(stack)}{f'#today={today}' if today else ''}",
        f"  Sign in as {names} with the password {PASSWORD}",
    ]
