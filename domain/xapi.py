"""xAPI statements (1.0.3 and 2.0) as interactions, and the reasons why a statement is none.

A statement is judged alone. `docs/xapi.md` describes what each part of it becomes.
"""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import Any, Final
from uuid import UUID, uuid5

from pydantic import TypeAdapter, ValidationError

from domain.interaction import (
    MAX_SECONDS,
    MAX_TIME_LENGTH,
    Fault,
    InvalidInteraction,
    Kind,
    is_content_id,
    is_user_id,
    parse,
)
from domain.xapi_verbs import END_OF_VIEW, VERBS, VOIDED, VerbRule, without_scheme

type Fields = dict[str, Any]
"""An interaction as an app writes it: JSON fields as in `domain.interaction.InteractionV1`."""

EXTENSIONS: Final = {
    "urn:streakline:certification_type": "certification_type",
    "urn:streakline:timezone": "timezone",
}
"""Extensions of a statement's context that become fields of the interaction."""
CMI5 = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
"""The category of cmi5's own statements."""
LAST_TIME = datetime.max.replace(tzinfo=UTC)
"""An arrival of which no time is ahead."""
MAX_SLUG = 119
"""Length of the readable part of a content's id, before a hyphen and a digest of 8 characters."""
MAX_SESSION = 128
_PATHS = {
    "event_id": "id",
    "user_id": "actor",
    "content_id": "object.id",
    "interaction_type": "verb.id",
    "occurred_at": "timestamp",
    "score": "result.score",
    "time_spent": "result.duration",
    "session_id": "context.registration",
} | {field: f"context.extensions.{iri}" for iri, field in EXTENSIONS.items()}
"""Which part of a statement each field of the contract comes from."""
_IDS = UUID("5c1bd2e6-0a0c-5b1e-9a8e-0d2f6f2b7c11")
"""The namespace of ids that are derived from statements without one."""
_SET_BY_STORES = {"id", "stored", "authority", "version"}
"""Properties that a learning record store sets. The same statement has different ones in different stores."""
_SHA1 = re.compile(r"[0-9A-Fa-f]{40}")
_SECONDS_ALONE = re.compile(r"P(?=[0-9.,]+S$)")
"""The start of `P16559.14S`, which ISO 8601 writes with a T, and the specification's table does not."""
_DURATION = TypeAdapter(timedelta)
_OTHER_OBJECTS = {
    "Agent": "is a person",
    "Group": "is a group",
    "SubStatement": "is a statement about a statement",
    "StatementRef": "refers to another statement",
}


class NotUnderstood(Exception):
    """A statement is no interaction. `fault` says which part of it, and why."""

    def __init__(self, field: str, message: str) -> None:
        self.fault = Fault(field, message)
        super().__init__(f"{field}: {message}" if field else message)


class Voids(NotUnderstood):
    """A statement takes back the one with the id `target`."""

    def __init__(self, target: str) -> None:
        self.target = target
        super().__init__("verb.id", f"voided takes back the statement {target}")


def interaction_of(statement: dict[str, Any], prefixes: Sequence[str] = ()) -> Fields:
    """Return the interaction that a statement is. Raise NotUnderstood if it is none.

    `prefixes`: what to leave out at the beginning of objects' ids. The interaction is valid, but for a time
    that is ahead of its arrival. Raise Voids if the statement takes back another one, whoever its actor is.
    """
    if _verb(statement) in VOIDED:
        raise Voids(_referred(statement))
    learner = learner_of(statement)
    rule = _rule(statement)
    content = content_id(_object(statement), prefixes)
    result = statement.get("result")
    if not isinstance(result, dict):
        result = {}
    score = _score(result, rule) if rule.has_result else None
    fields: Fields = {
        "event_id": statement_id(statement),
        "user_id": learner,
        "content_id": content,
        "interaction_type": _kind(rule, result, score),
        "occurred_at": _time(statement),
        "score": score,
        "time_spent": None if rule is not END_OF_VIEW and _is_of_cmi5(statement) else _seconds(result),
        **_from_context(statement.get("context")),
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        parse(fields, LAST_TIME)
    except InvalidInteraction as error:
        fault = error.faults[0]
        raise NotUnderstood(_PATHS.get(fault.field, fault.field), fault.message) from error
    return fields


# -- actor, object, id -----------------------------------------------------------------------------


def learner_of(statement: dict[str, Any]) -> str:
    """Return the learner's id. Raise NotUnderstood if the actor is not one identified person.

    An account's name is the id if it has the form of one. Of anything else the id is a digest. The address
    `mailto:ann@example.com` and its `mbox_sha1sum` are the same learner.
    """
    actor = statement.get("actor")
    if not isinstance(actor, dict):
        raise NotUnderstood("actor", "is missing, or no object")
    if actor.get("objectType", "Agent") != "Agent" or "member" in actor:
        raise NotUnderstood("actor", "is a group, and a learner is one person")
    account = actor.get("account")
    if isinstance(account, dict) and (name := _text(account.get("name"))):
        return name if is_user_id(name) else f"account-{sha256(name.encode()).hexdigest()[:40]}"
    mbox = _text(actor.get("mbox"))
    if mbox and mbox.startswith("mailto:"):
        return f"mbox-{_sha1(mbox)}"
    digest = _text(actor.get("mbox_sha1sum"))
    if digest and _SHA1.fullmatch(digest):
        return f"mbox-{digest.lower()}"
    if openid := _text(actor.get("openid")):
        return f"openid-{_sha1(openid)}"
    raise NotUnderstood("actor", "has no account, mbox, mbox_sha1sum or openid that identifies a learner")


def content_id(iri: str, prefixes: Sequence[str] = ()) -> str:
    """Return the id of the content that an IRI names.

    It is what follows the longest of the prefixes, or the IRI itself, if that has the form of an id.
    Otherwise it is made of the IRI's letters and digits, with a digest.
    """
    for prefix in sorted(prefixes, key=len, reverse=True):
        if prefix and iri.startswith(prefix) and is_content_id(iri.removeprefix(prefix)):
            return iri.removeprefix(prefix)
    if is_content_id(iri):
        return iri
    found = re.sub(r"[^a-z0-9]+", "-", without_scheme(iri).lower()).strip("-")[:MAX_SLUG].strip("-")
    return f"{found}-{sha256(iri.encode()).hexdigest()[:8]}".lstrip("-")


def described(statement: dict[str, Any]) -> tuple[str, str]:
    """Return the category and the title of a statement's activity; each is empty if it has none.

    The category is the last part of the activity's type, such as `assessment`. The title is its English name,
    or else the first in the order of the languages' tags.
    """
    activity = statement.get("object")
    definition = activity.get("definition") if isinstance(activity, dict) else None
    if not isinstance(definition, dict):
        return "", ""
    kind, names = _text(definition.get("type")), definition.get("name")
    category = re.split(r"[/#:]", kind.rstrip("/#:"))[-1] if kind else ""
    if not isinstance(names, dict):
        return category, ""
    titles = [(not tag.startswith("en"), tag, title) for tag, name in names.items() if (title := _text(name))]
    return category, min(titles)[2].strip() if titles else ""


def statement_id(statement: dict[str, Any]) -> str:
    """Return the statement's id, in lower case, or one that is derived from it and always the same.

    Raise NotUnderstood if its id is no UUID.
    """
    given = statement.get("id")
    if given is None:
        facts = {name: value for name, value in statement.items() if name not in _SET_BY_STORES}
        try:
            return str(uuid5(_IDS, json.dumps(facts, sort_keys=True)))
        except RecursionError as error:
            raise NotUnderstood("", "is nested too deeply") from error
    try:
        return str(UUID(given if isinstance(given, str) else ""))
    except ValueError as error:
        raise NotUnderstood("id", "is no UUID") from error


def _object(statement: dict[str, Any]) -> str:
    """Return the IRI of the activity."""
    activity = statement.get("object")
    if not isinstance(activity, dict):
        raise NotUnderstood("object", "is missing, or no object")
    kind = activity.get("objectType", "Activity")
    if kind != "Activity":
        why = _OTHER_OBJECTS.get(kind) if isinstance(kind, str) else None
        raise NotUnderstood("object", f"{why or 'is of an unknown type'}, and no content")
    if iri := _text(activity.get("id")):
        return iri
    raise NotUnderstood("object.id", "is missing, or no text")


# -- verb and result -------------------------------------------------------------------------------


def _rule(statement: dict[str, Any]) -> VerbRule:
    iri = _iri_of_verb(statement)
    if not iri:
        raise NotUnderstood("verb.id", "is missing, or no text")
    known = without_scheme(iri)
    if known not in VERBS:
        raise NotUnderstood("verb.id", f"{iri[:200]!r} does not count as an interaction with content")
    return VERBS[known]


def _iri_of_verb(statement: dict[str, Any]) -> str | None:
    verb = statement.get("verb")
    return _text(verb.get("id")) if isinstance(verb, dict) else None


def _verb(statement: dict[str, Any]) -> str:
    return without_scheme(_iri_of_verb(statement) or "")


def _referred(statement: dict[str, Any]) -> str:
    """Return the id of the statement that a voiding one refers to."""
    reference = statement.get("object")
    if not isinstance(reference, dict) or reference.get("objectType") != "StatementRef":
        raise NotUnderstood("object", "must be a StatementRef, because voided takes back a statement")
    try:
        return str(UUID(_text(reference.get("id")) or ""))
    except ValueError as error:
        raise NotUnderstood("object.id", "is no UUID of a statement") from error


def _kind(rule: VerbRule, result: dict[str, Any], score: float | None) -> Kind:
    if rule.is_raised and result.get("completion") is True:
        return "completed"
    if rule.is_raised and (score is not None or isinstance(result.get("success"), bool)):
        return "answered"
    return rule.kind


def _score(result: dict[str, Any], rule: VerbRule) -> float | None:
    """Return the score in percent: scaled, else raw of min to max, else by the success of a question."""
    score = result.get("score")
    if isinstance(score, dict) and score.get("scaled") is not None:
        return _percent(_number(score, "scaled", -1, 1))
    if isinstance(score, dict) and score.get("raw") is not None and score.get("max") is not None:
        most = _number(score, "max")
        least = _number(score, "min") if score.get("min") is not None else 0.0
        if most > least:
            return _percent((_number(score, "raw", least, most) - least) / (most - least))
    if rule.needs_score:
        raise NotUnderstood("result.score", "has neither scaled, nor raw and max")
    success = result.get("success")
    return 100 * success if rule.is_about_a_question and isinstance(success, bool) else None


def _percent(share: float) -> float:
    """Return a share in percent. Less than nothing is 0, and only everything is 100."""
    percent = round(max(share, 0.0) * 100, 6)
    if percent == 100 and share < 1:
        return 99.99
    return int(percent) if percent.is_integer() else percent


def _number(score: dict[str, Any], name: str, least: float = -math.inf, most: float = math.inf) -> float:
    value, field = score[name], f"result.score.{name}"
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or value != value:
        raise NotUnderstood(field, "is no number")
    if not least <= value <= most:
        raise NotUnderstood(field, f"{value:g} is not between {least:g} and {most:g}")
    return float(value)


def _seconds(result: dict[str, Any]) -> int | None:
    """Return the duration in whole seconds; None without one, or if it is longer than a day.

    Longer ones are no time of study: an attempt can stay open for days. So the lengths of months and years
    have no meaning here.
    """
    text = result.get("duration")
    if text is None:
        return None
    try:
        if not isinstance(text, str) or not text.startswith("P"):
            raise ValueError
        seconds = round(_DURATION.validate_python(_SECONDS_ALONE.sub("PT", text)).total_seconds())
    except (ValidationError, ValueError) as error:
        raise NotUnderstood("result.duration", "is no ISO 8601 duration") from error
    return seconds if seconds <= MAX_SECONDS else None


# -- time and context ------------------------------------------------------------------------------


def _time(statement: dict[str, Any]) -> str:
    """Return the timestamp, or else the time of storage, with an offset. A time without one is UTC."""
    name = "timestamp" if statement.get("timestamp") is not None else "stored"
    text = statement.get(name)
    if text is None:
        raise NotUnderstood("timestamp", "is missing")
    text = text.upper() if isinstance(text, str) else ""
    if "T" not in text or len(text) > MAX_TIME_LENGTH:
        raise NotUnderstood(name, "is no ISO 8601 time, such as 2026-03-01T21:30:00+02:00")
    if re.fullmatch(r"[^T]*T[0-9:.,]*[0-9]", text):
        text += "Z"
    if re.fullmatch(r".{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", text):
        # The contract's own form, which keeps its digits and can have a leap second.
        return text
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError as error:
        raise NotUnderstood(name, "is no ISO 8601 time, such as 2026-03-01T21:30:00+02:00") from error


def _from_context(context: Any) -> Fields:
    """Return the fields that come from a statement's context: the session, and Streakline's extensions."""
    if not isinstance(context, dict):
        return {}
    registration = _text(context.get("registration"))
    extensions = context.get("extensions")
    if not isinstance(extensions, dict):
        extensions = {}
    return {
        "session_id": registration if registration and len(registration) <= MAX_SESSION else None,
        **{field: extensions.get(iri) for iri, field in EXTENSIONS.items()},
    }


def _is_of_cmi5(statement: dict[str, Any]) -> bool:
    """Return whether a statement is one of cmi5: there, the duration of `terminated` includes all others."""
    context = statement.get("context")
    activities = context.get("contextActivities") if isinstance(context, dict) else None
    categories = activities.get("category") if isinstance(activities, dict) else None
    return any(
        isinstance(category, dict) and category.get("id") == CMI5
        for category in (categories if isinstance(categories, list) else [categories])
    )


def _text(value: Any) -> str | None:
    """Return a text that is not empty and has no lone surrogates; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    return None if any("\ud800" <= character <= "\udfff" for character in value) else value


def _sha1(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()
