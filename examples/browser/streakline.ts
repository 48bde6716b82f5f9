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

  /** Send what is waiting. Only one tab of the page sends at a time. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    await navigator.locks.request(LOCK, async () => {
      for (let batch = load().slice(0, BATCH); batch.length && navigator.onLine; batch = load().slice(0, BATCH)) {
        const pause = await this.#send(batch);
        if (pause !== 0) {
          if (pause !== null) this.#timer = setTimeout(() => void this.flush(), pause);
          return;
        }
      }
    });
  }

  /** Send a batch. Return 0 to go on, the milliseconds to wait before the next try, or null to wait for sign-in. */
  async #send(batch: Queued[]): Promise<number | null> {
    const token = await this.#options.token();
    if (token === null) return null;
    let answer: Response;
    try {
      answer = await fetch(`${this.#options.api}/progress/me/interactions`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify(batch),
      });
    } catch {
      return this.#pause(null);
    }
    // A token that has just expired: the next try asks for another one. 429 and 5xx pass, too.
    if (answer.status !== 202) return this.#pause(answer.headers.get("Retry-After"));
    const { results } = (await answer.json()) as { results: Result[] };
    const done = new Set<string>();
    for (const [index, result] of results.entries()) {
      const sent = batch[index]!;
      if (result.status === "unavailable") continue;
      done.add(sent.event_id);
      if (result.status === "invalid") {
        const why = (result.faults ?? []).map(({ field, message }) => `${field}: ${message}`).join("; ");
        this.#options.onRefused?.(sent, why);
      }
    }
    // Read the queue again: an interaction may have been recorded meanwhile.
    save(load().filter(({ event_id }) => !done.has(event_id)));
    return done.size < batch.length ? this.#pause(null) : ((this.#failures = 0), 0);
  }

  #pause(retryAfter: string | null): number {
    const asked = retryAfter === null ? 0 : 1_000 * Number(retryAfter);
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures++);
    return Math.max(asked, longest * (0.5 + Math.random() / 2));
  }
}

function load(): Queued[] {
  return JSON.parse(localStorage.getItem(KEY) ?? "[]") as Queued[];
}

function save(queue: Queued[]): void {
  localStorage.setItem(KEY, JSON.stringify(queue));
}
