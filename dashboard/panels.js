// The panels: each shows a part of a learner's dashboard. The page and the custom elements share them.
//
// A panel gets `words` (of a language) and `view` (the API's dashboard). It fetches nothing itself.

import { mondayOf, period, shifted } from "./days.js";
import { Icon } from "./icons.js";
import { NumbersTable, ReadinessScale, Trend, YearMap, YearTable } from "./pictures.js";
import { html, useId, useState } from "./view.js";
import { isolated } from "./words.js";

/** A panel's frame: a section that has its heading's name. */
export function Panel({ title, className = "", aside, children, level = 2 }) {
  const id = useId();
  return html`<section class=${`panel ${className}`} aria-labelledby=${id}>
    <header class="panel-head"><h2 id=${id}>${title}</h2>${aside}</header>
    ${children}
  </section>`;
}

// -- today ----------------------------------------------------------------------------------------

/** Return the sentence that answers what today is about. */
export function headline(words, streak, others) {
  const days = words.t("days", { n: streak.current_streak });
  const key = streak.studied_today ? "kept" : streak.current_streak ? "due" : "broken";
  return words.t(`today.${others ? "other." : ""}${key}`, { days });
}

/** What to do next: one step at the front, others behind it. `others`: the reader is not the learner. */
export function TodayPanel({ words, view, others }) {
  const { study_streak: streak, recommendations, overall_analytics: totals } = view;
  const [first, ...more] = recommendations;
  const due = !streak.studied_today && streak.current_streak > 0;
  return html`<section class=${`panel today-panel ${due ? "due" : ""}`} aria-labelledby="today">
    <p class="kicker">${words.day(streak.today, { weekday: "long", day: "numeric", month: "long" })}</p>
    <h2 id="today" class="headline">${headline(words, streak, others)}</h2>
    ${first
      ? html`<div class="next-step">
          <p class="step-kicker">${words.t(others ? "next.first_other" : "next.first")}</p>
          <p class="step-title"><${Step} words=${words} action=${first} /></p>
          <p class="step-reason">${reason(words, first)}</p>
        </div>`
      : html`<p class="step-reason">${words.t("next.none")}</p>`}
    ${more.length > 0 &&
    html`<ul class="steps" aria-label=${words.t("next.then")}>
      ${more.slice(0, 2).map(
        (action) => html`<li>
          <${Icon} name="arrow" size="16" />
          <span><${Step} words=${words} action=${action} /></span>
        </li>`,
      )}
    </ul>`}
    <dl class="figures">
      <${Figure} name=${words.t("total.time")} value=${totals.time_spent_total_seconds ? words.duration(totals.time_spent_total_seconds) : "–"} />
      <${Figure} name=${words.t("total.completed")} value=${words.number(totals.total_content_completed)}
        note=${words.t("total.of_content")} />
      <${Figure} name=${words.t("total.average")} value=${percentOrDash(words, totals.average_score)}
        note=${words.t("total.practised")} />
      <${Figure} name=${words.t("total.points")} value=${words.number(view.total_points)} />
    </dl>
  </section>`;
}

const Figure = ({ name, value, note }) =>
  html`<div class="figure"><dt>${name}</dt><dd>${value}${note && html`<small>${note}</small>`}</dd></div>`;

/** A recommendation: what to do, with the content's title if the catalog has one, and its certification. */
function Step({ words, action }) {
  const what = action.title ?? action.content_id ?? action.category ?? "";
  return html`${words.t(`action.${action.kind}`)} <bdi class="what">${what}</bdi>
    <span class="code"><bdi>${action.certification_type}</bdi></span>`;
}

/** Why to do it. The API's own sentence is English. */
const reason = (words, action) => words.t(`reason.${action.kind}`, { reason: action.reason });

const percentOrDash = (words, value) => (value === null ? "–" : words.percent(value));

// -- streak ---------------------------------------------------------------------------------------

export function StreakPanel({ words, view, others, goal, setGoal }) {
  const streak = view.study_streak;
  const weekly = streak.weeks_with_goal;
  const due = !streak.studied_today && streak.current_streak > 0;
  const monday = mondayOf(streak.today);
  const studied = new Set(streak.calendar);
  const frozen = new Set(streak.freezes.days);
  const week = Array.from({ length: 7 }, (_, n) => shifted(monday, n));
  const done = week.filter((day) => studied.has(day)).length;
  const state = (day) =>
    studied.has(day) ? "done" : frozen.has(day) ? "frozen" : day === streak.today ? "now" : day > streak.today ? "ahead" : "missed";
  return html`<${Panel} title=${words.t("streak.title")} className=${`streak-panel ${due ? "due" : streak.current_streak ? "" : "none"}`}>
    <p class="big">
      <span class="flame"><${Icon} name="streak" size="44" /></span>
      <strong>${words.number(streak.current_streak)}</strong>${" "}
      <span class="unit">${words.t("streak.unit", { n: streak.current_streak })}</span>
    </p>
    ${due && html`<p class="due-note">${words.t(others ? "streak.due_other" : "streak.due")}</p>`}
    <ol class="week" aria-label=${words.t("streak.this_week")}>
      ${week.map(
        (day) => html`<li class=${state(day)}>
          <span class="hidden">${words.day(day, { weekday: "long" })}: ${words.t(`streak.${state(day)}`)}</span>
          <span aria-hidden="true" class="name">${words.day(day, { weekday: "narrow" })}</span>
          <span aria-hidden="true" class="ring">
            ${studied.has(day) && html`<${Icon} name="check" size="16" />`}
            ${frozen.has(day) && html`<${Icon} name="freeze" size="14" />`}
          </span>
        </li>`,
      )}
    </ol>
    <div class="goal">
      <p>${done < weekly.goal
        ? words.t("goal.progress", { done, n: weekly.goal })
        : words.t("goal.met", { days: words.t("days", { n: done }) })}</p>
      <p class="quiet">${words.t("goal.weeks", { n: weekly.current })}</p>
      ${setGoal &&
      html`<label class="goal-choice">${words.t("goal.choose")}
        <select value=${goal} onChange=${(event) => setGoal(Number(event.target.value))}>
          ${[1, 2, 3, 4, 5, 6, 7].map(
            (n) => html`<option value=${n} selected=${n === goal}>${words.t("days", { n })}</option>`,
          )}
        </select>
      </label>`}
    </div>
    <p class="quiet streak-facts">
      ${words.t("streak.longest", { days: words.t("days", { n: streak.longest_streak }) })}
      ${" · "}${words.t("streak.total", { days: words.t("days", { n: streak.total_study_days }) })}
      ${streak.freezes.allowed > 0 &&
      html`${" · "}${words.t("streak.freezes", { n: streak.freezes.banked, allowed: streak.freezes.allowed })}`}
    </p>
  </${Panel}>`;
}

/** Interactions by day, from the year's activity if it is there, else from the dashboard's own days. */
export function amounts(view, year) {
  const found = new Map(view.performance_trends.map((day) => [day.date, day.metrics.total_interactions]));
  for (const day of year?.daily_activity ?? []) found.set(day.date, day.interactions);
  return found;
}

export function YearPanel({ words, view, year, others, onShare }) {
  const interactions = amounts(view, year);
  const share = onShare && html`<button type="button" class="plain" onClick=${onShare}>
    <${Icon} name="download" size="16" /> ${words.t("share.button")}
  </button>`;
  return html`<${Panel} title=${words.t(others ? "year.title_other" : "year.title")} className="year-panel" aside=${share}>
    <${YearMap} words=${words} streak=${view.study_streak} interactions=${interactions} />
    <${YearTable} words=${words} streak=${view.study_streak} interactions=${interactions} />
  </${Panel}>`;
}

// -- readiness ------------------------------------------------------------------------------------

/** The sentence about new questions, as docs/readiness.md words it. It promises nothing. */
export function readinessSentence(words, found) {
  const [low, high] = found.interval_80;
  return words.t("readiness.new", {
    estimate: words.percent(found.readiness_score),
    low: words.percent(low),
    high: words.percent(high),
    mark: words.percent(found.pass_mark, 1),
  });
}

export function ReadinessPanel({ words, view, others }) {
  const progress = Object.entries(view.certification_progress);
  const to = (key, values) => words.t(others ? `${key}_other` : key, values);
  return html`<${Panel} title=${to("readiness.title")} className="readiness-panel">
    ${progress.length === 0 && html`<p class="quiet">${to("readiness.none")}</p>`}
    ${progress.map(([code, both]) => html`<${Certification} key=${code} words=${words} to=${to} code=${code} both=${both} />`)}
  </${Panel}>`;
}

/** `to` is `words.t` with texts for the learner, or about the learner for somebody else. */
function Certification({ words, to, code, both }) {
  const { analytics, readiness: found } = both;
  const chance = found.predicted_pass_probability;
  const done = analytics.completion_rate;
  const exam = found.last_exam;
  // Memory is no reason if no more is expected of practised questions than of new ones.
  const known = found.readiness_score !== null && found.practice_score > found.readiness_score;
  return html`<article class="certification">
    <header>
      <h3><bdi>${code}</bdi></h3>
      <p class="completion">
        <span class="bar" aria-hidden="true"><i style=${{ inlineSize: `${done ?? 0}%` }}></i></span>
        ${done === null ? words.t("completion.none") : words.t("completion", { share: words.percent(done) })}
      </p>
    </header>
    ${found.readiness_score === null
      ? html`<p>${to(found.evidence.coverage === null ? "readiness.no_content" : "readiness.unknown")}</p>`
      : html`
          <p class="estimate-line">
            <strong>${words.percent(found.readiness_score)}</strong>${" "}
            <span>${words.t("readiness.of_new")}</span>
          </p>
          <${ReadinessScale} words=${words} readiness=${found} label=${readinessSentence(words, found)} />
          <p>${readinessSentence(words, found)}${" "}
            ${chance !== null
              ? to("readiness.chance", { chance: words.share(chance) })
              : found.evidence.coverage === 1
                ? words.t("readiness.too_few")
                : to("readiness.no_chance")}
            ${" "}<span class="quiet">${words.t(`readiness.confidence.${found.confidence_level}`)}</span>
          </p>
        `}
    ${found.practice_score !== null &&
    html`<p class="practice">
      <strong>${words.percent(found.practice_score)}</strong>${" "}
      <span>${to(known ? "readiness.practice_known" : "readiness.practice")}</span>
    </p>`}
    <p class="quiet">
      ${found.estimated_study_time_hours &&
      words.t("readiness.hours", {
        low: words.number(found.estimated_study_time_hours.low),
        high: words.number(found.estimated_study_time_hours.high),
      })}
      ${exam && html`${" "}${words.t(exam.passed ? "exam.passed" : "exam.failed", { date: words.date(exam.occurred_at) })}`}
    </p>
    ${found.readiness_score !== null &&
    html`<${NumbersTable}
      words=${words} caption=${words.t("readiness.table", { code })}
      columns=${[words.t("table.figure"), words.t("table.value")]}
      rows=${[
        [words.t("readiness.row.estimate"), words.percent(found.readiness_score, 1)],
        [words.t("readiness.row.interval"), `${words.percent(found.interval_80[0], 1)} – ${words.percent(found.interval_80[1], 1)}`],
        [words.t("readiness.row.mark"), words.percent(found.pass_mark, 1)],
        [words.t("readiness.row.chance"), chance === null ? "–" : words.share(chance)],
        [words.t("readiness.row.practice"), percentOrDash(words, found.practice_score)],
        [words.t("readiness.row.contents"), words.number(found.evidence.contents)],
      ]}
    />`}
  </article>`;
}

/** Categories with what was practised of them, and where readiness is clearly low or high. */
export function AreasPanel({ words, view }) {
  const marks = new Map();
  for (const { readiness: found } of Object.values(view.certification_progress)) {
    for (const area of found.weak_areas) marks.set(area.category, ["weak", area]);
    for (const area of found.strong_areas) if (!marks.has(area.category)) marks.set(area.category, ["strong", area]);
  }
  const order = { weak: 0, strong: 2 };
  const rank = (name) => order[marks.get(name)?.[0]] ?? 1;
  const categories = Object.entries(view.overall_analytics.categories).sort(
    ([a, one], [b, two]) => rank(a) - rank(b) || (one.avg_score ?? 101) - (two.avg_score ?? 101) || (a < b ? -1 : 1),
  );
  const [all, setAll] = useState(false);
  const shown = all ? categories : categories.slice(0, 6);
  return html`<${Panel} title=${words.t("areas.title")} className="areas-panel">
    ${categories.length === 0
      ? html`<p class="quiet">${words.t("areas.none")}</p>`
      : html`<p class="quiet">${words.t(marks.size ? "areas.about" : "areas.unclear")}</p>
          <div class="scroller" tabindex="0" role="group" aria-label=${words.t("areas.title")}>
            <table class="areas">
              <thead><tr>
                <th scope="col">${words.t("areas.category")}</th>
                <th scope="col">${words.t("areas.average")}</th>
                <th scope="col">${words.t("areas.completed")}</th>
              </tr></thead>
              <tbody>
                ${shown.map(([name, sums]) => html`<tr key=${name}>
                  <th scope="row"><bdi>${name}</bdi>
                    ${marks.has(name) && html`<${Tag} words=${words} mark=${marks.get(name)} />`}
                  </th>
                  <td>${percentOrDash(words, sums.avg_score)}</td>
                  <td><span class="bar" aria-hidden="true"><i style=${{ inlineSize: `${sums.completion_rate ?? 0}%` }}></i></span>
                    ${percentOrDash(words, sums.completion_rate)}</td>
                </tr>`)}
              </tbody>
            </table>
          </div>
          ${categories.length > shown.length &&
          html`<button type="button" class="plain" onClick=${() => setAll(true)}>
            ${words.t("areas.all", { n: categories.length })}
          </button>`}`}
  </${Panel}>`;
}

function Tag({ words, mark: [kind, area] }) {
  const [low, high] = area.interval_80;
  return html` <span class=${`tag ${kind}`}>
    ${words.t(`areas.${kind}`, { low: words.percent(low), high: words.percent(high) })}
  </span>`;
}

// -- trends ---------------------------------------------------------------------------------------

export function TrendsPanel({ words, view, periods, length, setLength }) {
  const [category, setCategory] = useState("");
  const name = useId();
  const today = view.study_streak.today;
  const dates = period(today, length);
  const byDay = new Map(view.performance_trends.map((day) => [day.date, day]));
  const shown = dates.map((day) => byDay.get(day)).filter(Boolean);
  const categories = [...new Set(shown.flatMap((day) => Object.keys(day.category_breakdown)))].sort();
  const chosen = categories.includes(category) ? category : "";
  const of = (day) => {
    const found = byDay.get(day);
    if (!found) return null;
    if (chosen) return found.category_breakdown[chosen] ?? null;
    return { count: found.metrics.total_interactions, avg_score: found.metrics.avg_score, time_spent: found.metrics.total_time };
  };
  const sums = dates.map(of);
  const scores = sums.map((found) => found?.avg_score ?? null);
  const minutes = sums.map((found) => (found ? found.time_spent / 60 : 0));
  const scored = scores.filter((value) => value !== null);
  const counts = sums.map((found) => found?.count ?? 0);
  const seconds = sums.reduce((total, found) => total + (found?.time_spent ?? 0), 0);
  const count = counts.reduce((total, one) => total + one, 0);
  // Some apps report no time. Then the number of interactions says how much was done.
  const timed = seconds > 0 || count === 0;
  const amount = words.t(timed ? "trend.time" : "interactions_title");
  const average = scored.length ? scored.reduce((a, b) => a + b, 0) / scored.length : null;
  const label = (what) => words.t("trend.label", { what, period: words.t("days", { n: length }) });
  const choice = html`<div class="choices">
    <div class="segments" role="radiogroup" aria-label=${words.t("trend.period")}>
      ${periods.map(
        (n) => html`<label class=${n === length ? "chosen" : ""}>
          <input type="radio" name=${name} value=${n} checked=${n === length} onChange=${() => setLength(n)} />
          <span>${words.t("days", { n })}</span>
        </label>`,
      )}
    </div>
    <label class="hidden" for=${`${name}-category`}>${words.t("trend.category")}</label>
    <select id=${`${name}-category`} value=${chosen} onChange=${(event) => setCategory(event.target.value)}>
      <option value="" selected=${chosen === ""}>${words.t("trend.all")}</option>
      ${categories.map((one) => html`<option value=${one} selected=${one === chosen}>${one}</option>`)}
    </select>
  </div>`;
  return html`<${Panel} title=${words.t("trend.title")} className="trends-panel" aside=${choice}>
    <div class="trends">
      <figure>
        <figcaption><span>${words.t("trend.score")}</span>
          <strong>${average === null ? "–" : words.t("trend.mean", { score: words.percent(average) })}</strong></figcaption>
        ${scored.length === 0
          ? html`<p class="quiet empty">${words.t("trend.no_scores")}</p>`
          : html`<${Trend} words=${words} kind="line" label=${label(words.t("trend.score"))} values=${scores} today=${today}
              write=${(value) => words.percent(value)} />`}
      </figure>
      <figure>
        <figcaption><span>${amount}</span><strong>${timed ? words.duration(seconds) : words.number(count)}</strong></figcaption>
        ${count === 0
          ? html`<p class="quiet empty">${words.t("trend.no_time")}</p>`
          : html`<${Trend} words=${words} kind="bars" label=${label(amount)} values=${timed ? minutes : counts} today=${today}
              write=${(value) => (timed ? words.t("minutes_short", { n: Math.round(value) }) : words.number(value))} />`}
      </figure>
    </div>
    <${NumbersTable}
      words=${words} caption=${words.t("trend.title")}
      columns=${[words.t("table.day"), words.t("trend.score"), words.t("trend.time"), words.t("interactions_title")]}
      rows=${dates
        .map((day, n) => [day, sums[n]])
        .filter(([, found]) => found)
        .reverse()
        .map(([day, found]) => [
          words.day(day), percentOrDash(words, found.avg_score), words.duration(found.time_spent), words.number(found.count),
        ])}
    />
  </${Panel}>`;
}

export function RecentPanel({ words, view }) {
  const days = view.performance_trends.slice(-6).reverse();
  return html`<${Panel} title=${words.t("recent.title")} className="recent-panel">
    ${days.length === 0 && html`<p class="quiet">${words.t("recent.none")}</p>`}
    <ul class="recent">
      ${days.map((day) => {
        const names = Object.entries(day.category_breakdown)
          .sort(([, a], [, b]) => b.count - a.count)
          .map(([name]) => name);
        return html`<li key=${day.date}>
          <p class="day">${words.day(day.date, { weekday: "short", day: "numeric", month: "short" })}</p>
          <p class="what">
            ${words.t("interactions", { n: day.metrics.total_interactions })}
            ${day.metrics.total_time > 0 && html` · ${words.duration(day.metrics.total_time)}`}
            <small>${day.metrics.avg_score !== null && html`${words.t("trend.mean", { score: words.percent(day.metrics.avg_score) })} · `}${names.slice(0, 2).map((name, n) => html`${n > 0 && ", "}<bdi>${name}</bdi>`)}${names.length > 2 &&
            html` ${words.t("recent.more", { n: names.length - 2 })}`}</small>
          </p>
        </li>`;
      })}
    </ul>
  </${Panel}>`;
}

// -- achievements ---------------------------------------------------------------------------------

/** Return title and description of an achievement in the reader's language, or the API's if there are none. */
export function awardText(words, award) {
  const key = award.achievement_id.split(":")[1] ?? award.achievement_id;
  const values = {
    n: Number(key.split("-")[1]),
    certification: award.certification_type ?? "",
    category: isolated(award.title.replace(/ Mastered$/, "")),
  };
  const title = `award.${key}`;
  const about = `award.about.${award.certification_type ? key : award.achievement_type}`;
  return {
    title: words.has(title) ? words.t(title, values) : award.title,
    about: words.has(about) ? words.t(about, values) : award.description,
  };
}

export function AchievementsPanel({ words, view, loadAll }) {
  const earned = [...view.achievements].reverse();
  const [goals, setGoals] = useState(null);
  const [failed, setFailed] = useState(false);
  const next = goals ?? view.next_achievements;
  const more = async () => {
    setFailed(false);
    try {
      setGoals(await loadAll());
    } catch {
      setFailed(true);
    }
  };
  const aside = html`<p class="quiet">${words.t("award.summary", { n: earned.length, points: view.total_points })}</p>`;
  return html`<${Panel} title=${words.t("award.heading")} className="achievements-panel" aside=${aside}>
    ${earned.length === 0 && html`<p class="quiet">${words.t("award.none")}</p>`}
    <ul class="badges">
      ${earned.map((award) => html`<${Badge} key=${award.achievement_id} words=${words} award=${award} />`)}
    </ul>
    ${next.length > 0 && html`<h3>${words.t(goals ? "award.all_others" : "award.next")}</h3>`}
    <ul class="goals" aria-live="polite">
      ${next.map((goal) => html`<${Goal} key=${goal.achievement_id} words=${words} goal=${goal} />`)}
    </ul>
    ${failed && html`<p role="alert">${words.t("award.failed")}</p>`}
    ${loadAll && !goals && html`<button type="button" class="plain" onClick=${more}>${words.t("award.show_all")}</button>`}
  </${Panel}>`;
}

const rarity = (words, award) =>
  award.rarity ? words.t("award.rarity", { share: words.share(award.rarity) }) : words.t("award.rarity_none");

function Badge({ words, award }) {
  const { title, about } = awardText(words, award);
  const rare = award.rarity !== null && award.rarity < 0.1;
  return html`<li class=${`badge ${rare ? "rare" : ""}`}>
    <span class=${`medal ${award.achievement_type}`}><${Icon} name=${award.achievement_type} size="22" /></span>
    <p><strong><bdi>${title}</bdi></strong>
      <span><bdi>${about}</bdi></span>
      <small>${words.t("award.points", { n: award.points })} · ${words.date(award.earned_at)}
        ${award.rarity !== null && html` · ${rarity(words, award)}`}</small>
    </p>
  </li>`;
}

function Goal({ words, goal }) {
  const { title, about } = awardText(words, goal);
  const { value, target, reached, missing } = goal.progress;
  const lack = reached
    ? words.t("award.reached")
    : words.list(
        missing.map((condition) => {
          const key = condition.value === null ? "lack.no_score" : `lack.${condition.kind}`;
          return words.t(words.has(key) ? key : "lack.count", { value: condition.value ?? 0, target: condition.target });
        }),
      );
  return html`<li class="goal-item">
    <span class=${`medal open ${goal.achievement_type}`}><${Icon} name=${goal.achievement_type} size="20" /></span>
    <div>
      <p><strong><bdi>${title}</bdi></strong> <small>${words.t("award.points", { n: goal.points })}
        ${goal.rarity !== null && html` · ${rarity(words, goal)}`}</small></p>
      <p class="quiet"><bdi>${about}</bdi></p>
      <span class="bar" aria-hidden="true"><i style=${{ inlineSize: `${(100 * value) / target}%` }}></i></span>
      <p class="lack">${lack}</p>
    </div>
  </li>`;
}
