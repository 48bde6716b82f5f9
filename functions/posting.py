"""What all of the API's routes for writing share: their resolver, and the body of a request."""

import json
from collections.abc import Sequence
from typing import Any

from domain.interaction import Fault
from functions.api import ApiError, resolver

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Encoded as base64, such a body still fits into a synchronous invocation's 6 MB."""

app = resolver()


def request_body() -> Any:
    """Return the body of the request, parsed as JSON. Raise ApiError if it is not JSON or too large."""
    content_type = (app.current_event.headers.get("Content-Type") or "application/json").partition(";")[0]
    if content_type.strip().lower() != "application/json":
        raise ApiError(415, "Send application/json.")
    try:
        body = app.current_event.decoded_body or ""
        if len(body.encode(errors="surrogatepass")) > MAX_BODY_BYTES:
            raise ApiError(413, f"Send at most {MAX_BODY_BYTES} bytes.")
        # json.loads accepts NaN and lone surrogates, so that `parse` can report the field that holds them.
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"The body is not JSON: {error}") from error
    except RecursionError as error:
        raise ApiError(400, "The body is nested too deeply.") from error


def listed(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """Return faults as the body of an error lists them."""
    return [fault._asdict() for fault in faults]
