// Custom elements: each panel for pages of your own. docs/dashboard.md describes them.
//
//   <streakline-streak api="ADDRESS" lang="de"></streakline-streak>
//   element.tokenProvider = async () => token;
//
// Elements with the same API, learner and token provider share their calls.

import { createApi } from "./api.js";
import { createLearner, PERIODS } from "./learner.js";
import { AchievementsPanel, AreasPanel, ReadinessPanel, RecentPanel, StreakPanel, TodayPanel, TrendsPanel, YearPanel } from "./panels.js";
import { html, render, useState, useStore } from "./view.js";
import { LANGUAGES, loadWords, preferredLanguage } from "./words.js";

const PANELS = {
  "streakline-today": TodayPanel,
  "streakline-streak": StreakPanel,
  "streakline-readiness": ReadinessPanel,
  "streakline-areas": AreasPanel,
  "streakline-year": YearPanel,
  "streakline-trends": TrendsPanel,
  "streakline-recent": RecentPanel,
  "streakline-achievements": AchievementsPanel,
};

// -- what elements share --------------------------------------------------------------------------

let styles = null;
/** Return the style sheet of all elements. A sheet made by script needs no exception in a page's policy. */
function sharedStyles() {
  styles ??= fetch(new URL("style.css", import.meta.url)).then(async (answer) => {
    const sheet = new CSSStyleSheet();
    await sheet.replace(await answer.text());
    return sheet;
  });
  return styles;
}

const languages = new Map();
function sharedWords(language) {
  if (!languages.has(language)) languages.set(language, loadWords(language));
  return languages.get(language);
}

const learners = new WeakMap();
/** Return the learner that elements with the same settings share, and count who uses it. */
function sharedLearner({ api, learner, today, goal, provider }) {
  const ofProvider = learners.get(provider) ?? new Map();
  learners.set(provider, ofProvider);
  const key = JSON.stringify([api, learner, today, goal]);
  if (!ofProvider.has(key)) {
    const store = createLearner(createApi(api, provider), { learner, today, goal });
    ofProvider.set(key, { store, users: 0 });
  }
  const shared = ofProvider.get(key);
  if (shared.users++ === 0) shared.store.start();
  return {
    store: shared.store,
    leave() {
      if (--shared.users > 0) return;
      shared.store.stop();
      ofProvider.delete(key);
    },
  };
}

// -- the elements ---------------------------------------------------------------------------------

function Embedded({ words, store, Shown, others }) {
  const { view, year, failure } = useStore(store);
  const [length, setLength] = useState(30);
  if (view && view.overall_analytics.total_interactions === 0) {
    return html`<section class="panel"><p>${words.t(others ? "empty.other.about" : "empty.about")}</p></section>`;
  }
  if (view) {
    return html`
      ${failure && html`<p class="bar-note warning" role="status">
        ${words.t(`stale.${failure.kind === "offline" ? "offline" : "down"}`, { time: words.time(store.state.loadedAt) })}</p>`}
      <${Shown} words=${words} view=${view} year=${year} others=${others} periods=${PERIODS} length=${length}
        setLength=${setLength} loadAll=${store.allGoals} />`;
  }
  if (failure) {
    return html`<section class="panel" role="alert">
      <h2>${words.t(`failure.${failure.kind}.title`, { learner: "" })}</h2>
      ${failure.kind !== "signed-out" && html`<p>${words.t(`failure.${failure.kind}.about`)}</p>
        <button type="button" class="plain" onClick=${store.refresh}>${words.t("retry")}</button>`}
    </section>`;
  }
  return html`<div class="panel skeleton" role="status"><span class="hidden">${words.t("loading")}</span></div>`;
}

class StreaklineElement extends HTMLElement {
  static observedAttributes = ["api", "learner", "today", "goal", "lang"];

  #provider = null;
  #shared = null;
  #place = null;
  #drawing = null;

  /** A function that returns a token, or a promise of one. Without it, the element waits. */
  get tokenProvider() {
    return this.#provider;
  }

  set tokenProvider(provider) {
    this.#provider = provider;
    this.#restart();
  }

  connectedCallback() {
    // A page may have set the property before this module was loaded.
    if (Object.hasOwn(this, "tokenProvider")) {
      const provider = this.tokenProvider;
      delete this.tokenProvider;
      this.#provider = provider;
    }
    this.#restart();
  }

  disconnectedCallback() {
    this.#stop();
  }

  attributeChangedCallback() {
    this.#restart();
  }

  #stop() {
    this.#drawing = null;
    this.#shared?.leave();
    this.#shared = null;
    if (this.#place) render(null, this.#place);
  }

  async #restart() {
    this.#stop();
    if (!this.isConnected || !this.#provider || !this.hasAttribute("api")) return;
    const drawing = (this.#drawing = {});
    const asked = this.closest("[lang]")?.lang.toLowerCase().split("-")[0];
    const language = asked in LANGUAGES ? asked : preferredLanguage();
    const [sheet, words] = await Promise.all([sharedStyles(), sharedWords(language)]);
    if (this.#drawing !== drawing) return;
    if (!this.#place) {
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      this.#place = document.createElement("div");
      this.#place.className = "streakline";
      root.append(this.#place);
    }
    this.#place.lang = words.language;
    this.#place.dir = words.direction;
    const learner = this.getAttribute("learner") || "me";
    const goal = Number(this.getAttribute("goal")) || 3;
    const today = this.getAttribute("today");
    this.#shared = sharedLearner({ api: this.getAttribute("api"), learner, today, goal, provider: this.#provider });
    const Shown = PANELS[this.localName];
    render(
      html`<${Embedded} words=${words} store=${this.#shared.store} Shown=${Shown} others=${learner !== "me"} />`,
      this.#place,
    );
  }
}

for (const name of Object.keys(PANELS)) {
  if (!customElements.get(name)) customElements.define(name, class extends StreaklineElement {});
}
