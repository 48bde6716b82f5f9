"""Other formats of learning records, so that a refused record can name the one it has."""

from typing import Any

XAPI = (
    "this is an xAPI statement: send it to POST /xapi/statements, or emit a file of them with --format xapi"
)
CALIPER = "this is a Caliper event, which Streakline does not read: send interactions, or xAPI statements"
EDX = (
    "this is an edX tracking event: send it as an xAPI statement, which event-routing-backends makes of it, "
    "to POST /xapi/statements"
)


def is_statement(fields: dict[str, Any]) -> bool:
    """Return whether a JSON object has the form of an xAPI statement."""
    return "actor" in fields and "verb" in fields and "object" in fields


def foreign_form(fields: dict[str, Any]) -> str | None:
    """Return which other format a record has and what to do with it; None if it has none of them."""
    if is_statement(fields) or _is_list_of_statements(fields):
        return XAPI
    if any("/ctx/caliper" in str(fields.get(name))[:200] for name in ("@context", "dataVersion")):
        return CALIPER
    if "event_source" in fields and ("event_type" in fields or "name" in fields):
        return EDX
    return None


def _is_list_of_statements(fields: dict[str, Any]) -> bool:
    statements = fields.get("statements")
    return isinstance(statements, list) and any(
        isinstance(each, dict) and is_statement(each) for each in statements
    )
