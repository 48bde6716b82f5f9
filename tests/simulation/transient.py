"""The errors that the simulated services cause, and that code under test may therefore raise."""

from botocore.exceptions import BotoCoreError, ClientError

_NAMES = {"Contended", "LiveIsBehind", "OutOfTime"}
"""By name, because the next release has classes of its own."""


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in an exception group, at any depth; the error itself if it is not a group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def is_transient(error: BaseException) -> bool:
    """Return whether a simulated service caused the failure, so that a retry may succeed."""
    if isinstance(error, ClientError | BotoCoreError | TimeoutError) or type(error).__name__ in _NAMES:
        return True
    return str(error).startswith("the quarantine refused a record")
