// Local dates of a learner, written YYYY-MM-DD. They are dates and no instants, so all arithmetic is in UTC.

const DAY = 86_400_000;

export const shifted = (day, days) => new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);

/** Return how many days `day` is before `today`. */
export const daysBefore = (day, today) => Math.round((Date.parse(today) - Date.parse(day)) / DAY);

/** Return 0 for a Monday and 6 for a Sunday. */
export const weekday = (day) => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;

export const mondayOf = (day) => shifted(day, -weekday(day));

/** Return the dates of the period of `length` days that ends with `today`, oldest first. */
export const period = (today, length) => Array.from({ length }, (_, n) => shifted(today, n - length + 1));
