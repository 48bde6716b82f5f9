// The page: sign-in, the learner's dashboard, and a teacher's look at others.
//
// What is shown is in the address after `#`: `learner` (for teachers), `today` (as of a date), `view=content`.

import { createApi, Failure } from "./api.js";
import { Icon } from "./icons.js";
import { createLearner, PERIODS } from "./learner.js";
import {
  AchievementsPanel, AreasPanel, awardText, ReadinessPanel, RecentPanel, StreakPanel, TodayPanel, TrendsPanel, YearPanel,
} from "./panels.js";
import { createSession } from "./session.js";
import { Component, html, render, useEffect, useMemo, useRef, useState, useStore } from "./view.js";
import { LANGUAGES, loadWords, preferredLanguage, storeChoice } from "./words.js";

const GOAL = "streakline-goal";
const TEACHERS = ["instructors", "admins"];

// -- the address ----------------------------------------------------------------------------------

function readAddress() {
  const found = new URLSearchParams(location.hash.slice(1));
  const today = found.get("today");
  return {
    learner: found.get("learner") || "me",
    today: today && /^\d{4}-\d{2}-\d{2}$/.test(today) ? today : null,
    view: found.get("view") === "content" ? "content" : "progress",
  };
}

function addressOf(place) {
  const fields = new URLSearchParams();
  if (place.learner !== "me") fields.set("learner", place.learner);
  if (place.today) fields.set("today", place.today);
  if (place.view !== "progress") fields.set("view", place.view);
  return `#${fields}`;
}

const go = (place) => (location.hash = addressOf({ ...readAddress(), ...place }));

function useAddress() {
  const [place, setPlace] = useState(readAddress);
  useEffect(() => {
    const read = () => setPlace(readAddress());
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  return place;
}

// -- signing in -----------------------------------------------------------------------------------

function SignIn({ words, session, expired }) {
  const [failure, setFailure] = useState(session.state.reason);
  const [busy, setBusy] = useState(false);
  const first = useRef(null);
  useEffect(() => first.current?.focus(), []);

  async function submit(event) {
    event.preventDefault();
    const fields = new FormData(event.target);
    setBusy(true);
    setFailure(null);
    try {
      await session.withPassword(fields.get("name"), fields.get("password"));
    } catch (error) {
      setFailure(error instanceof Failure ? `failure.${error.kind}.title` : error.message);
    } finally {
      setBusy(false);
    }
  }

  return html`<div class="sign-in">
    <h1 id="sign-in-title">${words.t(expired ? "sign_in.expired" : "sign_in.title")}</h1>
    <p class="quiet">${words.t(expired ? "sign_in.expired_about" : "sign_in.about")}</p>
    <div role="alert">${failure && html`<p class="error">${words.t(failure)}</p>`}</div>
    ${session.kind === "form" &&
    html`<form onSubmit=${submit}>
      <label>${words.t("sign_in.name")}
        <input ref=${first} name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} required />
      </label>
      <label>${words.t("sign_in.password")}
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      <button type="submit" class="primary" aria-busy=${busy}>${words.t("sign_in.button")}</button>
    </form>`}
    ${session.kind === "hosted" &&
    html`<button ref=${first} type="button" class="primary" onClick=${() => session.leave()}>${words.t("sign_in.button")}</button>`}
    ${session.kind === "none" && html`<p>${words.t("sign_in.none")}</p>`}
  </div>`;
}

/** Asks to sign in again, above what is on the screen, which stays where it is. */
function Expired({ words, session }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} class="modal" aria-labelledby="sign-in-title" onCancel=${(event) => event.preventDefault()}>
    <${SignIn} words=${words} session=${session} expired />
    <button type="button" class="plain" onClick=${() => session.signOut()}>${words.t("sign_out")}</button>
  </dialog>`;
}

// -- states ---------------------------------------------------------------------------------------

/** A state with nothing to show but what it means and what to do about it. */
function Notice({ words, name, values, action, children }) {
  return html`<div class=${`notice ${name}`} role=${action ? "alert" : undefined}>
    <span class="notice-mark" aria-hidden="true"></span>
    <h1>${words.t(`${name}.title`, values)}</h1>
    <p>${words.t(`${name}.about`, values)}</p>
    ${action && html`<button type="button" class="primary" onClick=${action}>${words.t(`${name}.action`)}</button>`}
    ${children}
  </div>`;
}

function FailureNotice({ words, failure, learner, retry, session }) {
  const actions = { unknown: () => go({ learner: "me", view: "progress" }), forbidden: session.signOut };
  const action = actions[failure.kind] ?? retry;
  return html`<${Notice} words=${words} name=${`failure.${failure.kind}`} values=${{ learner: learner }} action=${action}>
    ${failure.requestId && html`<p class="quiet">${words.t("failure.request", { id: failure.requestId })}</p>`}
  </${Notice}>`;
}

const Loading = ({ words }) => html`<div class="loading" role="status">
  <p class="hidden">${words.t("loading")}</p>
  ${["today-panel", "streak-panel", "readiness-panel", "areas-panel", "year-panel"].map(
    (name) => html`<div class=${`panel skeleton ${name}`} aria-hidden="true"></div>`,
  )}
</div>`;

/** Says that what is shown may be old, and why. */
function StaleBar({ words, state, retry }) {
  // Without a session, the page asks to sign in again.
  if (!state.failure || !state.view || state.failure.kind === "signed-out") return null;
  return html`<div class="bar-note warning" role="status">
    <p>${words.t(`stale.${state.failure.kind === "offline" ? "offline" : "down"}`, { time: words.time(state.loadedAt) })}</p>
    <button type="button" class="plain" onClick=${retry}>${words.t("retry")}</button>
  </div>`;
}

/** Celebrates awards that came while the page was open, each once. */
function Celebration({ words, awards, close }) {
  const button = useRef(null);
  const shown = awards.length > 0;
  return html`<div class="celebration-place" role="status">
    ${shown &&
    html`<div class="celebration">
      <span class="sparks" aria-hidden="true">${Array.from({ length: 18 }, (_, n) => html`<i style=${{ "--n": n }}></i>`)}</span>
      <p class="kicker">${words.t("celebration.title", { n: awards.length })}</p>
      ${awards.map((award) => {
        const { title, about } = awardText(words, award);
        return html`<div class="celebrated" key=${award.achievement_id}>
          <span class=${`medal ${award.achievement_type}`}><${Icon} name=${award.achievement_type} size="26" /></span>
          <p><strong><bdi>${title}</bdi></strong><span><bdi>${about}</bdi></span>
            <small>${words.t("award.points", { n: award.points })}</small></p>
        </div>`;
      })}
      <button ref=${button} type="button" class="plain" onClick=${close}>${words.t("celebration.close")}</button>
    </div>`}
  </div>`;
}

// -- the learner's page ---------------------------------------------------------------------------

function storedGoal() {
  try {
    const goal = Number(localStorage.getItem(GOAL));
    return goal >= 1 && goal <= 7 ? goal : 3;
  } catch {
    return 3;
  }
}

function LearnerPage({ words, get, session, place }) {
  const [goal, setGoal] = useState(storedGoal);
  const [length, setLength] = useState(30);
  const learner = useMemo(
    () => createLearner(get, { learner: place.learner, today: place.today, goal, onRefused: session.refused }),
    [get, place.learner, place.today, goal],
  );
  useEffect(() => {
    learner.start();
    return learner.stop;
  }, [learner]);
  // Signing in again shows the same place, with fresh data.
  const status = session.state.status;
  useEffect(() => {
    if (status === "in" && learner.state.failure?.kind === "signed-out") learner.refresh();
  }, [status]);
  const state = useStore(learner);
  const others = place.learner !== "me";

  function chooseGoal(chosen) {
    try {
      localStorage.setItem(GOAL, String(chosen));
    } catch {
      // Without storage the choice lasts until the page is closed.
    }
    setGoal(chosen);
  }

  async function share() {
    const { downloadShareImage } = await import("./share.js");
    downloadShareImage(words, state.view, state.year);
  }

  const { view, failure } = state;
  if (!view && failure && failure.kind !== "signed-out") {
    return html`<${FailureNotice} words=${words} failure=${failure} learner=${place.learner} retry=${learner.refresh}
      session=${session} />`;
  }
  if (!view) return html`<${Loading} words=${words} />`;
  const parts = { words, view, others };
  return html`
    <${StaleBar} words=${words} state=${state} retry=${learner.refresh} />
    ${others &&
    html`<div class="bar-note"><p>${words.t("teacher.looking", { learner: view.user_id })}</p>
      <button type="button" class="plain" onClick=${() => go({ learner: "me" })}>${words.t("teacher.back")}</button></div>`}
    ${place.today &&
    html`<div class="bar-note"><p>${words.t("as_of", { day: words.day(place.today) })}</p>
      <button type="button" class="plain" onClick=${() => go({ today: null })}>${words.t("as_of.today")}</button></div>`}
    ${view.overall_analytics.total_interactions === 0
      ? html`<${Notice} words=${words} name=${others ? "empty.other" : "empty"} />`
      : html`<div class="grid">
          <${TodayPanel} ...${parts} />
          <${StreakPanel} ...${parts} goal=${goal} setGoal=${chooseGoal} />
          <${ReadinessPanel} ...${parts} />
          <${AreasPanel} ...${parts} />
          <${YearPanel} ...${parts} year=${state.year} onShare=${share} />
          <${TrendsPanel} ...${parts} periods=${PERIODS} length=${length} setLength=${setLength} />
          <${RecentPanel} ...${parts} />
          <${AchievementsPanel} ...${parts} loadAll=${learner.allGoals} />
        </div>`}
    <p class="quiet freshness">${words.t("fresh", { time: words.time(state.loadedAt) })}
      <button type="button" class="plain" onClick=${learner.refresh}>${words.t("refresh")}</button></p>
    <${Celebration} words=${words} awards=${state.celebrated} close=${learner.celebrationSeen} />
  `;
}

// -- the frame ------------------------------------------------------------------------------------

function FindLearner({ words }) {
  const submit = (event) => {
    event.preventDefault();
    const learner = new FormData(event.target).get("learner").trim();
    if (learner) go({ learner, view: "progress" });
  };
  return html`<form class="find" role="search" onSubmit=${submit}>
    <label class="hidden" for="find">${words.t("teacher.find")}</label>
    <input id="find" name="learner" placeholder=${words.t("teacher.find")} autocomplete="off" autocapitalize="none"
      spellcheck=${false} maxlength="128" required />
    <button type="submit" aria-label=${words.t("teacher.show")}><${Icon} name="search" size="18" /></button>
  </form>`;
}

function Frame({ words, config, session, setLanguage }) {
  const place = useAddress();
  const { status, claims } = useStore(session);
  const main = useRef(null);
  const signedIn = status !== "out";
  const user = claims?.[config.learner_claim] ?? "";
  const groups = [claims?.[config.groups_claim] ?? []].flat();
  const teaches = groups.some((group) => TEACHERS.includes(group));
  // Another reader must not see what this one has loaded.
  const get = useMemo(() => createApi("./", session.token), [user]);
  useEffect(() => {
    document.title = words.t(signedIn ? "title" : "title.signed_out");
  }, [words, signedIn]);
  useEffect(() => {
    if (signedIn) main.current?.focus({ preventScroll: true });
  }, [signedIn, place.learner, place.view]);

  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>${words.t("skip")}</a>
    <header class="top">
      <p class="brand"><${Brand} /> Streakline</p>
      ${signedIn && teaches && html`<nav aria-label=${words.t("teacher.nav")}>
        <${FindLearner} words=${words} />
        <a href=${addressOf({ ...place, view: place.view === "content" ? "progress" : "content" })}>
          ${words.t(place.view === "content" ? "teacher.progress" : "teacher.content")}</a>
      </nav>`}
      ${signedIn && html`<div class="who">
        <bdi>${claims?.name ?? claims?.["cognito:username"] ?? user}</bdi>
        <button type="button" class="plain" onClick=${session.signOut}>${words.t("sign_out")}</button>
      </div>`}
    </header>
    <main id="main" ref=${main} tabindex="-1">
      ${signedIn
        ? html`<h1 class="hidden">${words.t(place.view === "content" ? "teacher.content" : "title")}</h1>
          ${place.view === "content" && teaches
            ? html`<${Lazy} load=${() => import("./content.js")} words=${words} get=${get} session=${session} Notice=${FailureNotice} />`
            : html`<${LearnerPage} key=${`${user} ${place.learner} ${place.today}`} words=${words} get=${get} session=${session} place=${place} />`}`
        : html`<${SignIn} words=${words} session=${session} />`}
    </main>
    <footer>
      <label>${words.t("language")}
        <select value=${words.language} onChange=${(event) => setLanguage(event.target.value)}>
          ${Object.entries(LANGUAGES).map(([code, name]) => html`<option value=${code} lang=${code} selected=${code === words.language}>${name}</option>`)}
        </select>
      </label>
    </footer>
    ${status === "expired" && html`<${Expired} words=${words} session=${session} />`}
  `;
}

const Brand = () => html`<svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
  <rect width="32" height="32" rx="8" class="brand-ground" />
  <path d="M6 21.5c4.5 0 4.5-11 9-11s3.500 7 6.500 7 2.500-4 4.500-4" fill="none" class="brand-line" stroke-width="3" stroke-linecap="round" />
  <circle cx="26" cy="13.500" r="2.600" class="brand-dot" />
</svg>`;

/** A part of the page that is loaded when it is first shown: `load` returns a promise of a module with `Page`. */
function Lazy({ load, ...properties }) {
  const [loaded, setLoaded] = useState(null);
  useEffect(() => {
    load().then(setLoaded, () => setLoaded({ Page: () => html`<${FailureNotice} words=${properties.words} learner=""
      failure=${new Failure("unreachable")} retry=${() => location.reload()} session=${properties.session} />` }));
  }, []);
  return loaded ? html`<${loaded.Page} ...${properties} />` : html`<${Loading} words=${properties.words} />`;
}

/** A bug must not leave an empty page. */
class Guard extends Component {
  componentDidCatch(error) {
    console.error(error);
    this.setState({ broken: true });
  }

  render({ words, children }, { broken }) {
    return broken
      ? html`<main><${Notice} words=${words} name="failure.bug" action=${() => location.reload()} /></main>`
      : children;
  }
}

function App({ config, session, first }) {
  const [words, setWords] = useState(first);
  useEffect(() => {
    document.documentElement.lang = words.language;
    document.documentElement.dir = words.direction;
  }, [words]);
  const setLanguage = async (language) => {
    storeChoice(language);
    setWords(await loadWords(language));
  };
  return html`<${Guard} words=${words}><${Frame} words=${words} config=${config} session=${session} setLanguage=${setLanguage} /></${Guard}>`;
}

async function begin() {
  const place = document.getElementById("page");
  const asked = new URLSearchParams(location.hash.slice(1)).get("language");
  const texts = loadWords(preferredLanguage(asked));
  const answer = await fetch("config.json");
  const config = await answer.json();
  const session = createSession(config);
  await session.arrive();
  const first = await texts;
  document.documentElement.lang = first.language;
  document.documentElement.dir = first.direction;
  place.replaceChildren();
  render(html`<${App} config=${config} session=${session} first=${first} />`, place);
}

begin().catch((error) => {
  console.error(error);
  // The texts may be what is missing, so these few are here.
  const main = document.createElement("main");
  main.className = "notice";
  const title = document.createElement("h1");
  title.textContent = "The page could not be loaded";
  const button = document.createElement("button");
  button.className = "primary";
  button.textContent = "Try again";
  button.addEventListener("click", () => location.reload());
  main.append(title, button);
  document.getElementById("page").replaceChildren(main);
});
