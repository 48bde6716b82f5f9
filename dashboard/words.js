// The texts of a language, and dates and numbers in the reader's locale.
//
// A language is one file in languages/. A text may be an object of plural forms, which `n` chooses from.

export const LANGUAGES = { en: "English", de: "Deutsch" };
const CHOICE = "streakline-language";

/** Return the language to use: the one asked for, the reader's choice, or the first of the browser's that there is. */
export function preferredLanguage(asked) {
  const wanted = [asked, storedChoice(), ...navigator.languages];
  const found = wanted.filter(Boolean).map((name) => name.toLowerCase().split("-")[0]);
  return found.find((name) => name in LANGUAGES) ?? "en";
}

export function storeChoice(language) {
  try {
    localStorage.setItem(CHOICE, language);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
}

function storedChoice() {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

/** Return the words of a language. Raise an error if its file can't be loaded. */
export async function loadWords(language) {
  const answer = await fetch(new URL(`languages/${language}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`no texts for ${language}: ${answer.status}`);
  return makeWords(language, await answer.json());
}

export function makeWords(language, texts) {
  // British readers get British dates, though the texts are the same for all kinds of English.
  const locale = navigator.languages.find((name) => name.toLowerCase().split("-")[0] === language) ?? language;
  const plural = new Intl.PluralRules(language);
  const formats = new Map();
  const format = (kind, options) => {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new kind(locale, options));
    return formats.get(key);
  };
  const number = (value, digits = 0) =>
    format(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value);

  /** Return a text with its {names} replaced. Numbers are written in the reader's locale. */
  const t = (key, values = {}) => {
    let text = texts[key];
    if (text === undefined) throw new Error(`no text ${key} in ${language}`);
    if (typeof text === "object") text = text[plural.select(values.n)] ?? text.other;
    const filled = text.replace(/\{(\w+)\}/g, (mark, name) => {
      const value = values[name];
      return typeof value === "number" ? number(value, 1) : value ?? mark;
    });
    // No line begins with a percent sign.
    return filled.replaceAll(" %", "\u00a0%");
  };

  return {
    language,
    locale,
    direction: texts.direction,
    t,
    has: (key) => key in texts,
    number,
    /** `value` is 0 to 100. */
    percent: (value, digits = 0) =>
      format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: digits }).format(value / 100),
    /** Return a share of 0 to 1 in per cent, precise enough that something is not nothing. */
    share: (value) =>
      format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: value && value < 0.01 ? 1 : 0 })
        .format(value),
    /** `day` is YYYY-MM-DD. It is a date and no instant, so no time zone may shift it. */
    day: (day, options = { day: "numeric", month: "long", year: "numeric" }) =>
      format(Intl.DateTimeFormat, { ...options, timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)),
    time: (instant) => format(Intl.DateTimeFormat, { timeStyle: "short" }).format(instant),
    date: (instant) => format(Intl.DateTimeFormat, { dateStyle: "medium" }).format(new Date(instant)),
    list: (items) => format(Intl.ListFormat, { type: "conjunction" }).format(items),
    duration: (seconds) => duration(t, seconds),
  };
}

/** Return hours and minutes, rounded down: a shown hour has been studied. */
function duration(t, seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 10) return t("hours", { n: Math.floor(seconds / 360) / 10 });
  if (hours) return t("hours_minutes", { hours, minutes: minutes % 60 });
  return t("minutes", { n: minutes });
}

/** Keep a text of unknown direction from changing the direction of the text around it. */
export const isolated = (text) => `\u2068${text}\u2069`;
