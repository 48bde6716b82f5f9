"""The meaning of AWS errors."""

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.errors import Contended, LaterFormat, TooLarge, is_transient
from tests.faults import cancelled, client_error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (client_error("ProvisionedThroughputExceededException", "PutItem"), True),
        (client_error("InternalServerError", "PutItem"), True),
        (client_error("AccessDeniedException", "PutItem"), True),
        (cancelled("None", "ThrottlingError"), True),
        (EndpointConnectionError(endpoint_url="x"), True),
        (TimeoutError(), True),
        (client_error("ValidationException", "PutItem"), False),
        (cancelled("None", "ValidationError"), False),
        (KeyError("x"), False),
        (LaterFormat(), False),
        (Contended(), True),
        (TooLarge(), False),
        (ValueError("x"), False),
    ],
    ids=repr,
)
def test_a_transient_failure_is_told_apart_from_a_bug(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient
