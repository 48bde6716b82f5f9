"""The named queries of the event log, as data: what each answers, and its SQL over the views of the log.

Divisions are of doubles: Trino divides a bigint by 10000.0 as decimals, to one digit after the point.
"""

from typing import NamedTuple

from functions.first_answers_sql import FIRST_ANSWERS

USER = "{user}"
"""The place in a query's SQL that the learner's id takes."""
_SECOND = "CAST(replace(substr({}, 1, 23), 'T', ' ') AS timestamp)"
_DELAY = f"date_diff('millisecond', {_SECOND.format('occurred_at')}, {_SECOND.format('arrived_at')})"
LATE = 2 * 24 * 60 * 60 * 1000
"""Milliseconds between an interaction and its arrival. A longer delay is late, as for the consumer."""


class NamedQuery(NamedTuple):
    """A query that `streakline query` knows by name."""

    about: str
    sql: str

    @property
    def needs_user(self) -> bool:
        """Return whether the query is about one learner."""
        return USER in self.sql


QUERIES = {
    "hardest-contents": NamedQuery(
        "the share of right first answers to each content, the lowest first",
        f"""WITH {FIRST_ANSWERS}
SELECT content_id, certification_type,
  round(CAST(sum(hundredths) AS double) / 10000 / count(*), 3) AS correct_rate, count(*) AS learners
FROM first_answers
GROUP BY content_id, certification_type
ORDER BY correct_rate, learners, content_id, certification_type""",
    ),
    "interactions": NamedQuery(
        "a learner's interactions and exams, by time",
        f"""SELECT occurred_at, local_day, event_id, kind, content_id, interaction_type, certification_type,
  score, time_spent, passed, arrived_at
FROM events WHERE user_id = {USER}
ORDER BY occurred_at, event_id""",
    ),
    "active-learners": NamedQuery(
        "learners and interactions of each local day",
        """SELECT local_day, count(DISTINCT user_id) AS learners, count(*) AS interactions
FROM events WHERE kind = 'interaction'
GROUP BY local_day ORDER BY local_day""",
    ),
    "late-arrivals": NamedQuery(
        "by day of arrival, and how many came over two days late",
        f"""SELECT substr(arrived_at, 1, 10) AS arrived_on, count(*) AS interactions,
  sum(CASE WHEN {_DELAY} > {LATE} THEN 1 ELSE 0 END) AS late,
  round(CAST(max({_DELAY}) AS double) / 86400000, 2) AS longest_delay_days
FROM events WHERE kind = 'interaction'
GROUP BY substr(arrived_at, 1, 10) ORDER BY arrived_on""",
    ),
    "quarantined": NamedQuery(
        "records that were invalid when they arrived, by reason",
        """SELECT code,
  count(DISTINCT shard || ':' || sequence_number || ':' || CAST(part AS varchar)) AS records,
  count(DISTINCT user_id) AS learners, min(arrived_at) AS first_arrived, max(arrived_at) AS last_arrived
FROM lines WHERE code IS NOT NULL
GROUP BY code ORDER BY records DESC, code""",
    ),
    "retractions": NamedQuery(
        "what was taken back, and whether the log has it",
        """SELECT retractions.user_id, retractions.utc_day, retractions.event_id,
  retractions.arrived_at AS retracted_at,
  min(deliveries.arrived_at) AS arrived_at, min(deliveries.kind) AS kind
FROM retractions LEFT JOIN deliveries
  ON deliveries.user_id = retractions.user_id AND deliveries.utc_day = retractions.utc_day
  AND deliveries.event_id = retractions.event_id
GROUP BY retractions.user_id, retractions.utc_day, retractions.event_id, retractions.arrived_at
ORDER BY retracted_at, retractions.user_id, retractions.event_id""",
    ),
}
