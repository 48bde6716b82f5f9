// A learner's data: loaded with one call, kept fresh, and kept on the screen while the API can't be reached.

import { Failure } from "./api.js";
import { createStore } from "./view.js";

export const PERIODS = [7, 30, 90];
const EVERY = 60_000;
const AT_MOST_EVERY = 5_000;
const LONGEST_RETRY = 30;

/** Return a store of a learner's views.
 *
 * Its state is `{ view, year, failure, loadedAt, celebrated }`. `view` is null until there is something to show.
 * `failure` is the latest call's, whatever is still shown. `celebrated` are awards that came while the page was open.
 * `onRefused` is called if the API does not accept the token.
 */
export function createLearner(get, { learner = "me", today = null, goal = 3, onRefused = () => {} }) {
  const path = `progress/${encodeURIComponent(learner)}`;
  const date = today ? `&today=${today}` : "";
  const store = createStore({ view: null, year: null, failure: null, loadedAt: null, celebrated: [] });
  let loading = null;
  let timer = null;
  let attemptedAt = 0;

  async function load() {
    attemptedAt = Date.now();
    try {
      const view = await get(`${path}/dashboard?days=${Math.max(...PERIODS)}&goal=${goal}${date}`);
      const before = store.state.view;
      const had = new Set(before?.achievements.map((award) => award.achievement_id));
      const gained = before ? view.achievements.filter((award) => !had.has(award.achievement_id)) : [];
      store.set({
        view,
        failure: null,
        loadedAt: new Date(),
        celebrated: [...store.state.celebrated, ...gained],
      });
      if (view !== before) loadYear();
    } catch (error) {
      failed(error);
    }
  }

  /** Load how much was done on each day of the year, for the heat map. Nothing else waits for it. */
  async function loadYear() {
    try {
      store.set({ year: await get(`${path}/activity?days=365${date}`) });
    } catch (error) {
      failed(error);
    }
  }

  function failed(error) {
    if (!(error instanceof Failure)) throw error;
    store.set({ failure: error });
    if (error.kind === "signed-out") onRefused();
    if (error.retryAfter) setTimeout(() => timer && refresh(), 1000 * Math.min(error.retryAfter, LONGEST_RETRY));
  }

  const refresh = () => (loading ??= load().finally(() => (loading = null)));
  const refreshIfSeen = () => {
    if (timer && document.visibilityState === "visible" && Date.now() - attemptedAt > AT_MOST_EVERY) refresh();
  };
  const signals = [
    [window, "focus"],
    [window, "online"],
    [document, "visibilitychange"],
  ];
  const gone = () => store.set({ failure: new Failure("offline") });

  return {
    ...store,
    get state() {
      return store.state;
    },
    refresh,
    /** Load now, each minute, and whenever the reader comes back. */
    start() {
      timer = setInterval(refreshIfSeen, EVERY);
      for (const [target, name] of signals) target.addEventListener(name, refreshIfSeen);
      window.addEventListener("offline", gone);
      refresh();
    },
    stop() {
      clearInterval(timer);
      timer = null;
      for (const [target, name] of signals) target.removeEventListener(name, refreshIfSeen);
      window.removeEventListener("offline", gone);
    },
    celebrationSeen: () => store.set({ celebrated: [] }),
    /** Return all achievements that are not earned yet, with their progress. */
    allGoals: async () => (await get(`${path}/achievements?all=true${date}`)).next,
  };
}
