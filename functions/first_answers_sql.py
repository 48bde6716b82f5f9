"""The SQL of first answers: how often a population's first answers to each content were right.

It says what `domain.correct_rates` says: a learner's first answer to a content is the earliest one with a
score, to the minute, and of those within one minute the one with the lowest score.
"""

# Half a hundredth goes to the even neighbour, as in `domain.interaction.hundredths`, and only 100 is perfect.
_HUNDREDTHS = """LEAST(
      CASE WHEN score * 100 - floor(score * 100) = 0.5 AND mod(floor(score * 100), 2) = 0
        THEN floor(score * 100) ELSE round(score * 100) END,
      CASE WHEN score < 100 THEN 9999 ELSE 10000 END
    )"""

FIRST_ANSWERS = f"""scored AS (
  SELECT content_id, certification_type, user_id, substr(occurred_at, 1, 16) AS minute,
    CAST({_HUNDREDTHS} AS bigint) AS hundredths
  FROM events WHERE kind = 'interaction' AND score IS NOT NULL
),
ranked AS (
  SELECT *, row_number() OVER (
    PARTITION BY content_id, certification_type, user_id ORDER BY minute, hundredths
  ) AS answer
  FROM scored
),
first_answers AS (SELECT * FROM ranked WHERE answer = 1)"""
"""Views for a WITH, after those of `functions.log_views`. `first_answers` has a row for each content,
certification as the interactions name it, and learner."""

SUMS = f"""WITH {FIRST_ANSWERS},
named AS (
  SELECT *, count(*) OVER (PARTITION BY content_id, user_id) AS names FROM first_answers
)
SELECT content_id, certification_type,
  CASE WHEN names > 1 THEN user_id END AS learner, CASE WHEN names > 1 THEN minute END AS minute,
  sum(hundredths) AS hundredths, count(*) AS learners
FROM named
GROUP BY content_id, certification_type,
  CASE WHEN names > 1 THEN user_id END, CASE WHEN names > 1 THEN minute END"""
"""The first answers as `domain.correct_rates.FirstAnswers`."""
