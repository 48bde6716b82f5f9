"""Interactions for tests, valid unless a test changes a field."""

from typing import Any

from domain.interaction import Interaction


def make_interaction(**fields: Any) -> dict[str, Any]:
    """Return an interaction as apps write it, with these fields changed; `...` leaves a field out."""
    whole = {
        "event_id": "e-1",
        "user_id": "ann",
        "content_id": "saa-1",
        "interaction_type": "answered",
        "occurred_at": "2026-03-01T09:00:00+02:00",
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def make_parsed(**fields: Any) -> Interaction:
    """Return an interaction as the fold takes it, with these fields changed."""
    whole = {
        "event_id": "e-1",
        "user_id": "ann",
        "content_id": "saa-1",
        "kind": "answered",
        "at": 0,
        "day": 0,
        "zone": "+00:00",
        "zone_named": False,
        "score": None,
        "seconds": 0,
        "certification": None,
    }
    return Interaction(**{**whole, **fields})
