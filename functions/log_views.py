"""What queries of the event log select from: views without duplicates, as text for a query's WITH.

A stored view would have to exist twice: Athena's engine, which is Trino, and the local stack's, which is
DuckDB, read JSON by different functions. Everything else in the views is SQL that both understand.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal, assert_never

type Engine = Literal["athena", "duckdb"]

TABLE = "log_lines"
"""The table in the Glue catalog: `line` has a line of the log, and `day` the day of its arrival."""

_LINES = (
    "arrived_at",
    "shard",
    "sequence_number",
    "user_id",
    "event_id",
    "utc_day",
    "local_day",
    "occurred_at",
    "kind",
    "code",
    "payload",
)
_COMMENT_OR_BLANK = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_WITH = re.compile(rf"{_COMMENT_OR_BLANK}with\s+(?P<recursive>recursive\s+)?", re.IGNORECASE | re.DOTALL)
_SELECT = re.compile(rf"{_COMMENT_OR_BLANK}\(*\s*select\b", re.IGNORECASE | re.DOTALL)


class NoQuery(ValueError):
    """A text is no query that only reads."""


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def with_views(sql: str, engine: Engine, since: date | None = None, until: date | None = None) -> str:
    """Return a query with the views `lines`, `retractions` and `events` before it.

    `since` and `until` are the first and the last day of arrival, in UTC. Retractions that came after `until`
    count too. Raise NoQuery if the text is anything else than a SELECT, with or without WITH.
    """
    text = sql.strip().rstrip(";")
    views = _views(engine, since, until)
    if match := _WITH.match(text):
        return f"WITH {match['recursive'] or ''}{views},\n{text[match.end() :]}"
    if _SELECT.match(text):
        return f"WITH {views}\n{text}"
    raise NoQuery("must begin with SELECT or WITH")


def lines_of_learners(user_ids: Iterable[str], engine: Engine) -> str:
    """Return the query for the lines of some learners, and for those that nothing has looked into."""
    user = _field("line", "user_id", engine)
    code = _field("line", "code", engine)
    ids = ", ".join(map(literal, sorted(user_ids)))
    return f"SELECT line FROM {TABLE} WHERE {user} IN ({ids}) OR ({user} IS NULL AND {code} IS NULL)"


def facts_with_ids(event_ids: Sequence[str], engine: Engine) -> str:
    """Return the query for the identities of the interactions and exams with these ids, retracted or not."""
    ids = ", ".join(map(literal, event_ids))
    return with_views(
        f"SELECT DISTINCT user_id, utc_day, event_id FROM deliveries WHERE event_id IN ({ids})", engine
    )


def _field(text: str, name: str, engine: Engine) -> str:
    """Return the expression for a field of a JSON object; NULL if the text has none, or is no JSON."""
    match engine:
        case "athena":
            return f"json_extract_scalar({text}, '$.{name}')"
        case "duckdb":
            return f"(TRY_CAST({text} AS JSON) ->> '$.{name}')"
        case _:
            assert_never(engine)


def _views(engine: Engine, since: date | None, until: date | None) -> str:
    def of_line(name: str) -> str:
        return _field("line", name, engine)

    def of_payload(name: str) -> str:
        return _field("payload", name, engine)

    lines = ", ".join(f"{of_line(name)} AS {name}" for name in _LINES)
    # The local stack's engine knows nothing of partitions: it reads the whole log.
    days = f" WHERE day >= '{since:%Y/%m/%d}'" if since and engine == "athena" else ""
    arrived_from = f" AND arrived_at >= '{since.isoformat()}'" if since else ""
    arrived_to = f" AND arrived_at < '{until.isoformat()}T24'" if until else ""
    return f"""lines AS (
  SELECT *, TRY_CAST(part_text AS integer) AS part FROM (
    SELECT {lines}, {of_line("part")} AS part_text FROM {TABLE}{days}
  ) AS read_lines
  WHERE arrived_at IS NOT NULL{arrived_from}
),
retractions AS (
  SELECT user_id, utc_day, event_id, min(arrived_at) AS arrived_at
  FROM lines WHERE kind = 'retraction' AND code IS NULL
  GROUP BY user_id, utc_day, event_id
),
deliveries AS (
  SELECT *, row_number() OVER (
    PARTITION BY user_id, utc_day, event_id ORDER BY arrived_at, shard, sequence_number, part
  ) AS delivery
  FROM lines WHERE kind IN ('interaction', 'exam') AND code IS NULL{arrived_to}
),
events AS (
  SELECT
    arrived_at, shard, sequence_number, part, user_id, event_id, utc_day, local_day, occurred_at, kind,
    {of_payload("content_id")} AS content_id,
    CASE lower({of_payload("interaction_type")})
      WHEN 'view' THEN 'viewed' WHEN 'answer' THEN 'answered' WHEN 'complete' THEN 'completed'
      WHEN 'finish' THEN 'completed' WHEN 'finished' THEN 'completed'
      ELSE lower({of_payload("interaction_type")})
    END AS interaction_type,
    {of_payload("certification_type")} AS certification_type,
    TRY_CAST({of_payload("score")} AS double) AS score,
    CAST(COALESCE(TRY_CAST({of_payload("time_spent")} AS double), 0) AS integer) AS time_spent,
    {of_payload("passed")} = 'true' AS passed,
    {of_payload("session_id")} AS session_id,
    payload
  FROM deliveries
  WHERE delivery = 1 AND NOT EXISTS (
    SELECT 1 FROM retractions
    WHERE retractions.user_id = deliveries.user_id AND retractions.utc_day = deliveries.utc_day
      AND retractions.event_id = deliveries.event_id
  )
)"""
