"""Whether a caller accepts compressed answers. It imports nothing heavy: the page's function uses it too."""

import re
from collections.abc import Mapping


def accepts_gzip(headers: Mapping[str, str]) -> bool:
    """Return whether a request accepts gzip by name, with a quality above 0.

    An HTTP API sends compressed bytes on as they are, whatever the client accepts, so this must be right.
    """
    sent = next((value for name, value in headers.items() if name.lower() == "accept-encoding"), "")
    for coding in sent.lower().split(","):
        name, *parameters = (part.strip() for part in coding.split(";"))
        if name == "gzip":
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters)
    return False
