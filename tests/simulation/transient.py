"""The errors that the simulated services cause, and that code under test may therefore raise."""

from botocore.exceptions import BotoCoreError, ClientError

from functions.errors import Contended
from functions.project import OutOfTime


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in an exception group, at any depth; the error itself if it is not a group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def is_transient(error: BaseException) -> bool:
    """Return whether a simulated service caused the failure, so that a retry may succeed."""
    if isinstance(error, ClientError | BotoCoreError | TimeoutError | Contended | OutOfTime):
        return True
    return str(error).startswith("the quarantine refused a record")
