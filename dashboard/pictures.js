// Pictures: the year, trends, readiness. Each is drawn in CSS pixels of its place, so its text is always legible,
// and each comes with its numbers as a table.

import { daysBefore, mondayOf, period, shifted } from "./days.js";
import { html, useEffect, useRef, useWidth } from "./view.js";

export const WEEKS = 53;

/** A picture's numbers. `columns` are headers, `rows` are lists of cells. */
export function NumbersTable({ words, caption, columns, rows }) {
  return html`<details class="numbers">
    <summary>${words.t("as_table")}</summary>
    <div class="scroller" tabindex="0" role="group" aria-label=${caption}>
      <table>
        <caption class="hidden">${caption}</caption>
        <thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>
          ${rows.map(
            ([first, ...others]) => html`<tr>
              <th scope="row">${first}</th>
              ${others.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

// -- the year -------------------------------------------------------------------------------------

/** Return `day => 0 to 4`: how much was studied. Days whose amount is not known yet count as the lowest. */
export function intensities(studied, interactions) {
  const amounts = [...interactions.values()].sort((a, b) => a - b);
  const most = amounts[Math.floor(amounts.length * 0.95)] ?? 1;
  return (day) => {
    const amount = interactions.get(day);
    if (!amount) return studied.has(day) ? 1 : 0;
    return Math.min(4, Math.ceil((4 * amount) / most));
  };
}

/** Return the squares of the last 53 weeks: `{ day, week, row }`, where the first row is Monday. */
export function yearSquares(today) {
  const first = shifted(mondayOf(today), -7 * (WEEKS - 1));
  return Array.from({ length: daysBefore(first, today) + 1 }, (_, n) => ({
    day: shifted(first, n),
    week: Math.floor(n / 7),
    row: n % 7,
  }));
}

/** Return `[week, day]` of each month's first day among the squares, without those too close to the one before. */
export function monthStarts(squares) {
  const starts = squares.filter(({ day }) => day.endsWith("-01")).map(({ day, week }) => [week, day]);
  return starts.filter(([week], n) => week < WEEKS - 1 && (n === 0 || week - starts[n - 1][0] > 2));
}

export function YearMap({ words, streak, interactions }) {
  const [ref, width] = useWidth();
  const scroller = useRef(null);
  const labels = 34;
  const pitch = Math.max(14, Math.min(24, Math.floor((width - labels) / WEEKS)));
  const side = pitch - 3;
  const whole = labels + WEEKS * pitch;
  const right = words.direction === "rtl";
  const x = (at, size = 0) => (right ? whole - at - size : at);
  useEffect(() => {
    // The latest weeks matter most. They are at the end.
    if (scroller.current) scroller.current.scrollLeft = right ? -whole : whole;
  }, [whole, right]);

  const squares = yearSquares(streak.today);
  const studied = new Set(streak.calendar);
  const frozen = new Set(streak.freezes.days);
  const level = intensities(studied, interactions);
  const label = words.t("year.label", { days: words.t("days", { n: studied.size }) });
  const name = (day) => {
    if (frozen.has(day)) return words.t("year.frozen", { day: words.day(day) });
    const amount = interactions.get(day);
    if (amount) return words.t("year.day", { day: words.day(day), amount: words.t("interactions", { n: amount }) });
    return words.t(studied.has(day) ? "year.studied" : "year.nothing", { day: words.day(day) });
  };
  return html`<div ref=${ref}>
    <div class="scroller" ref=${scroller} tabindex=${whole > width ? 0 : undefined} role="group" aria-label=${label}>
      ${width > 0 &&
      html`<svg class="year" width=${whole} height=${7 * pitch + 20} role="img" aria-label=${label}>
        ${monthStarts(squares).map(
          ([week, day]) => html`<text x=${x(labels + week * pitch)} y="12" text-anchor="start">
            ${words.day(day, { month: "short" })}
          </text>`,
        )}
        ${[0, 2, 4, 6].map(
          (row) => html`<text x=${x(0)} y=${20 + row * pitch + side - 2} text-anchor="start">
            ${words.day(shifted("2024-01-01", row), { weekday: "short" })}
          </text>`,
        )}
        ${squares.map(
          ({ day, week, row }) => html`<rect
            x=${x(labels + week * pitch, side)} y=${20 + row * pitch} width=${side} height=${side} rx="3"
            class=${frozen.has(day) ? "frozen" : `level-${level(day)}${day === streak.today ? " today" : ""}`}
          ><title>${name(day)}</title></rect>`,
        )}
      </svg>`}
    </div>
    <div class="legend" aria-hidden="true">
      <span>${words.t("year.less")}</span>
      ${[0, 1, 2, 3, 4].map((n) => html`<i class=${`swatch level-${n}`}></i>`)}
      <span>${words.t("year.more")}</span>
      ${frozen.size > 0 && html`<i class="swatch frozen"></i><span>${words.t("year.freeze")}</span>`}
    </div>
  </div>`;
}

/** The numbers behind the year, month by month, latest first. */
export function YearTable({ words, streak, interactions }) {
  const months = new Map();
  for (const day of streak.calendar) {
    const found = months.get(day.slice(0, 7)) ?? { days: 0, interactions: 0, known: true };
    found.days += 1;
    found.interactions += interactions.get(day) ?? 0;
    found.known &&= interactions.has(day);
    months.set(day.slice(0, 7), found);
  }
  const rows = [...months].reverse().map(([month, found]) => [
    words.day(`${month}-01`, { month: "long", year: "numeric" }),
    words.number(found.days),
    found.known ? words.number(found.interactions) : "–",
  ]);
  return html`<${NumbersTable}
    words=${words} caption=${words.t("year.title")} rows=${rows}
    columns=${[words.t("month"), words.t("study_days"), words.t("interactions_title")]}
  />`;
}

// -- trends ---------------------------------------------------------------------------------------

/** Return a round number at or above `value` for the top of a scale, and its half is a whole number too. */
function roundTop(value) {
  const steps = [10, 20, 30, 60, 120, 180, 240, 360, 480, 720];
  return steps.find((step) => step >= value) ?? Math.ceil(value / 240) * 240;
}

/** A picture of one number a day. `values` has a number or null for each day of the period.
 *
 * `kind` is `line` for scores of 0 to 100, which are known on some days only, or `bars` for amounts, which are 0 on
 * all other days. `write` turns a number into text.
 */
export function Trend({ words, kind, label, values, today, write }) {
  const [ref, width] = useWidth();
  const height = 168;
  const days = period(today, values.length);
  const most = kind === "line" ? 100 : roundTop(Math.max(...values, 1));
  // The numbers of the scale stand at the end. A letter is about 7 pixels wide.
  const [start, end, top, bottom] = [8, 14 + 7 * write(most).length, 12, 24];
  const right = words.direction === "rtl";
  const inner = Math.max(0, width - start - end);
  const step = inner / values.length;
  const x = (n) => (right ? width - start - (n + 0.5) * step : start + (n + 0.5) * step);
  const y = (value) => top + (height - top - bottom) * (1 - value / most);
  const edge = right ? end - 6 : width - end + 6;
  const known = values.flatMap((value, n) => (value === null ? [] : [[x(n), y(value), n, value]]));
  const named = values.length <= 7 ? days.map((_, n) => n) : [0, 1, 2, 3].map((k) => Math.round((k * (values.length - 1)) / 3));
  const few = width < 420 && values.length > 7 ? [named[0], named[3]] : named;
  const dayName = (day) =>
    values.length <= 7 ? words.day(day, { weekday: "short" }) : words.day(day, { day: "numeric", month: "short" });
  const anchor = (n) => (values.length <= 7 ? "middle" : n === 0 ? "start" : n === values.length - 1 ? "end" : "middle");
  return html`<div ref=${ref} class="trend">
    ${width > 0 &&
    html`<svg width=${width} height=${height} role="img" aria-label=${label} direction=${words.direction}>
      ${[0, most / 2, most].map(
        (value) => html`<line class="rule" x1=${right ? end : start} x2=${right ? width - start : width - end}
            y1=${y(value)} y2=${y(value)} />
          <text x=${edge} y=${y(value) + 4} text-anchor=${right ? "end" : "start"} direction="ltr">${write(value)}</text>`,
      )}
      ${few.map(
        (n) => html`<text x=${anchor(n) === "start" ? x(n) - (right ? -step / 2 : step / 2) : anchor(n) === "end" ? x(n) + (right ? -step / 2 : step / 2) : x(n)}
          y=${height - 6} text-anchor=${anchor(n)}>${dayName(days[n])}</text>`,
      )}
      ${kind === "line"
        ? html`<polyline class="line" points=${known.map(([px, py]) => `${px},${py}`).join(" ")} />
            ${known.map(
              ([px, py, n, value]) => html`<circle class="dot" cx=${px} cy=${py} r=${values.length > 45 ? 2.5 : 3.5}>
                <title>${words.day(days[n])}: ${write(value)}</title>
              </circle>`,
            )}`
        : known.map(
            ([px, py, n, value]) =>
              value > 0 &&
              html`<rect class="amount" x=${px - Math.max(1, step * 0.35)} width=${Math.max(2, step * 0.7)} y=${py}
                height=${height - bottom - py} rx=${Math.min(3, step * 0.3)}>
                <title>${words.day(days[n])}: ${write(value)}</title>
              </rect>`,
          )}
    </svg>`}
  </div>`;
}

// -- readiness ------------------------------------------------------------------------------------

/** Readiness on a scale of 0 to 100: the interval, the estimate in it, and the pass mark. */
export function ReadinessScale({ words, readiness, label }) {
  const [low, high] = readiness.interval_80;
  const mark = readiness.pass_mark;
  const at = (value) => ({ insetInlineStart: `${value}%` });
  // A label near an end of the scale is written towards the middle.
  const side = (value) => (value < 12 ? "from" : value > 88 ? "until" : "around");
  return html`<div class="scale" role="img" aria-label=${label}>
    <div class=${`mark ${side(mark)}`} style=${at(mark)}>
      <span>${words.t("readiness.pass_mark", { mark: words.percent(mark, 1) })}</span>
    </div>
    <div class="track">
      <div class="interval" style=${{ ...at(low), inlineSize: `${high - low}%` }}></div>
      <div class="needle" style=${at(mark)}></div>
      <div class="estimate" style=${at(readiness.readiness_score)}></div>
    </div>
    <div class="ends">
      <span style=${at(0)} class="from">${words.percent(0)}</span>
      <span style=${at(50)} class="around">${words.percent(50)}</span>
      <span style=${at(100)} class="until">${words.percent(100)}</span>
    </div>
  </div>`;
}
