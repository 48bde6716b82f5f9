/** Send interactions from a page, also from one that is offline for days: nothing is lost, nothing counts twice. */

export interface Interaction {
  content_id: string;
  interaction_type: "viewed" | "answered" | "completed";
  score?: number;
  time_spent?: number;
  certification_type?: string;
}

/** An interaction with the id and the time that it keeps, however often it is sent. */
interface Queued extends Interaction {
  event_id: string;
  occurred_at: string;
  timezone: string;
}

interface Result {
  status: "accepted" | "invalid" | "unavailable";
  event_id: string | null;
  faults?: { field: string; message: string }[];
}

export interface Options {
  /** The stack's ApiUrl. */
  api: string;
  /** Returns a token of the learner; null while nobody is signed in. Called before each request. */
  token: () => Promise<string | null>;
  /** Called for an interaction that the API will never take, and why. It has left the queue. */
  onRefused?: (interaction: Interaction, why: string) => void;
}

const KEY = "streakline-queue";
const LOCK = "streakline-queue";
const BATCH = 500;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

export class InteractionQueue {
  readonly #options: Options;
  #failures = 0;
  /** The time, as of Date.now(), before which the API asked not to be called. */
  #notBefore = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: Options) {
    this.#options = options;
    addEventListener("online", () => void this.flush());
    void this.flush();
  }

  /** Remember an interaction that has just happened, and send it as soon as that is possible. */
  record(interaction: Interaction): void {
    const queued: Queued = {
      ...interaction,
      event_id: crypto.randomUUID(),
      occurred_at: new Date().toISOString(),
      // The learner's zone decides on which day it counts.
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    };
    save([...load(), queued]);
    void this.flush();
  }

  /** The number of interactions that the API has not taken yet. */
  get waiting(): number {
    return load().length;
  }

  /** Send what is waiting. Only one tab of the page sends at a time. Call this after sign-in, too. */
  async flush(): Promise<void> {
    await navigator.locks.request(LOCK, async () => {
      clearTimeout(this.#timer);
      // If the API has asked for a pause, another interaction does not shorten it.
      let pause: number | null = Math.max(0, this.#notBefore - Date.now());
      while (pause === 0 && navigator.onLine) {
        const batch = load().slice(0, BATCH);
        if (batch.length === 0) return;
        pause = await this.#send(batch);
      }
      if (pause) this.#timer = setTimeout(() => void this.flush(), pause);
    });
  }

  /** Send a batch. Return 0 to go on, the milliseconds to wait before the next try, or null to wait for sign-in. */
  async #send(batch: Queued[]): Promise<number | null> {
    let answer: Response | undefined;
    let results: Result[];
    try {
      const token = await this.#options.token();
      if (token === null) return null;
      answer = await fetch(`${this.#options.api}/progress/me/interactions`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify(batch),
      });
      // A token that has just expired: the next try asks for another one. 429 and 5xx pass, too.
      if (answer.status !== 202) return this.#pause(answer);
      ({ results } = (await answer.json()) as { results: Result[] });
    } catch {
      // The network has failed, perhaps after the API took the batch: it keeps its ids, so it may be sent again.
      return this.#pause();
    }
    const done = batch.filter((_, index) => ["accepted", "invalid"].includes(results[index]?.status ?? ""));
    const ids = new Set(done.map(({ event_id }) => event_id));
    // Read the queue again: an interaction may have been recorded meanwhile.
    save(load().filter(({ event_id }) => !ids.has(event_id)));
    for (const [index, { status, faults = [] }] of results.entries()) {
      const why = faults.map(({ field, message }) => `${field}: ${message}`).join("; ");
      if (status === "invalid") this.#options.onRefused?.(batch[index]!, why);
    }
    if (done.length < batch.length) return this.#pause(answer);
    this.#failures = 0;
    return 0;
  }

  /** Return for how many milliseconds to wait: ever longer, and at least as long as an answer asks for. */
  #pause(answer?: Response): number {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures++);
    const own = longest * (0.5 + Math.random() / 2);
    if (answer === undefined) return own;
    // The API names seconds. A proxy may name a date, which is no number.
    const asked = 1_000 * (Number(answer.headers.get("Retry-After")) || 0);
    const pause = Math.max(asked, own);
    this.#notBefore = Date.now() + pause;
    return pause;
  }
}

function load(): Queued[] {
  return JSON.parse(localStorage.getItem(KEY) ?? "[]") as Queued[];
}

function save(queue: Queued[]): void {
  localStorage.setItem(KEY, JSON.stringify(queue));
}
