// Calls of the public API: with a token, with ETags, and with failures that say what one can do.

const TIMEOUT = 20_000;
const KINDS = { 401: "signed-out", 403: "forbidden", 404: "unknown", 429: "busy" };

/** A call that brought no answer to show. `kind` names the state of the page, see `failure.*` in languages/. */
export class Failure extends Error {
  constructor(kind, { retryAfter = null, requestId = null } = {}) {
    super(kind);
    this.kind = kind;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }
}

/** Return `get(path)`, which returns what the API answers. `token` is a function that returns a promise of a token.
 *
 * `base` is the API's address. An answer that has not changed is the same object as before.
 */
export function createApi(base, token) {
  const root = new URL(base.endsWith("/") ? base : `${base}/`, document.baseURI);
  const known = new Map();
  return async function get(path) {
    const before = known.get(path);
    const headers = { Authorization: `Bearer ${await token()}` };
    if (before) headers["If-None-Match"] = before.tag;
    const answer = await send(new URL(path, root), { headers, cache: "no-store" });
    if (answer.status === 304 && before) return before.body;
    if (!answer.ok) throw await failure(answer);
    let body;
    try {
      body = await answer.json();
    } catch {
      throw new Failure("unreachable");
    }
    known.set(path, { tag: answer.headers.get("ETag"), body });
    return body;
  };
}

/** Fetch, or raise the Failure that says whether the reader or the server has no network. */
export async function send(url, options) {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
  } catch {
    throw new Failure(navigator.onLine ? "unreachable" : "offline");
  }
}

async function failure(answer) {
  const body = await answer.json().catch(() => null);
  return new Failure(KINDS[answer.status] ?? "down", {
    retryAfter: Number(answer.headers.get("Retry-After")) || null,
    requestId: body?.error?.request_id ?? null,
  });
}
