// Signing in: authorization code with PKCE at the issuer, or the form for the local stack's user pool.
//
// Tokens are in this module's memory and nowhere else, so closing or reloading the page forgets them. What is kept
// across the visit to the issuer is no token: the verifier of the code, and where in the page the reader was.

import { Failure, send } from "./api.js";
import { createStore } from "./view.js";

const PENDING = "streakline-sign-in";
const EARLY = 60_000;

/** Return the session. Its state is `{ status, claims, reason }`, with a status of `out`, `in` or `expired`. */
export function createSession(config) {
  const settings = config.sign_in;
  const store = createStore({ status: "out", claims: null, reason: null });
  let tokens = null;
  let renewing = null;

  const accept = (id, refresh) => {
    const claims = claimsOf(id);
    tokens = { id, refresh: refresh ?? tokens?.refresh ?? null, until: claims.exp * 1000 };
    store.set({ status: "in", claims, reason: null });
  };

  const expire = () => {
    tokens = null;
    store.set({ status: "expired" });
    return new Failure("signed-out");
  };

  async function renew() {
    if (!tokens?.refresh) throw expire();
    try {
      if (settings.kind === "form") {
        const found = await cognito(settings, "REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: tokens.refresh });
        accept(found.IdToken, found.RefreshToken);
      } else {
        const found = await exchange(settings, { grant_type: "refresh_token", refresh_token: tokens.refresh });
        accept(found.id_token, found.refresh_token);
      }
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw expire();
    }
  }

  return {
    ...store,
    get state() {
      return store.state;
    },
    kind: settings.kind,

    /** Return a token that is valid now. Raise a Failure if the reader has to sign in again. */
    async token() {
      if (!tokens) throw store.state.status === "in" ? expire() : new Failure("signed-out");
      if (Date.now() > tokens.until - EARLY) {
        renewing ??= renew().finally(() => (renewing = null));
        await renewing;
      }
      return tokens.id;
    },

    /** The API refused the token: it has expired or was revoked. */
    refused() {
      if (store.state.status === "in") expire();
    },

    /** Sign in with name and password. Raise an error whose message is a key of languages/. */
    async withPassword(name, password) {
      const found = await cognito(settings, "USER_PASSWORD_AUTH", { USERNAME: name, PASSWORD: password });
      if (!found) throw new Error("sign_in.unfinished");
      accept(found.IdToken, found.RefreshToken);
    },

    /** Leave for the issuer's sign-in page. */
    async leave() {
      const pending = { verifier: random(), state: random(), nonce: random(), where: location.hash };
      sessionStorage.setItem(PENDING, JSON.stringify(pending));
      const url = new URL(settings.authorize_url);
      const asked = {
        response_type: "code",
        client_id: settings.client_id,
        redirect_uri: pageUrl(),
        scope: "openid",
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await challenge(pending.verifier),
        code_challenge_method: "S256",
      };
      for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
      location.assign(url);
    },

    /** Complete the sign-in if this is the return from the issuer, and go back to where the reader was. */
    async arrive() {
      const answer = new URLSearchParams(location.search);
      if (!answer.has("code") && !answer.has("error")) return;
      const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
      sessionStorage.removeItem(PENDING);
      // The code leaves the address before anything else happens.
      history.replaceState(null, "", pageUrl() + (pending?.where ?? ""));
      if (!pending || answer.get("state") !== pending.state || answer.has("error")) {
        store.set({ reason: "sign_in.not_completed" });
        return;
      }
      try {
        const found = await exchange(settings, {
          grant_type: "authorization_code",
          code: answer.get("code"),
          redirect_uri: pageUrl(),
          code_verifier: pending.verifier,
        });
        if (claimsOf(found.id_token).nonce !== pending.nonce) throw new Error("another sign-in's token");
        accept(found.id_token, found.refresh_token);
      } catch {
        store.set({ reason: "sign_in.not_completed" });
      }
    },

    /** Forget the tokens, and sign out at the issuer too. */
    signOut() {
      tokens = null;
      store.set({ status: "out", claims: null, reason: null });
      history.replaceState(null, "", pageUrl());
      if (settings.sign_out_url) {
        const url = new URL(settings.sign_out_url);
        url.searchParams.set("client_id", settings.client_id);
        url.searchParams.set("logout_uri", pageUrl());
        location.assign(url);
      }
    },
  };
}

/** The page's own address, without anything after its path: it is registered at the issuer. */
const pageUrl = () => location.origin + location.pathname;

async function cognito(settings, flow, parameters) {
  const answer = await send(new URL(settings.form_url, document.baseURI), {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.1",
      "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
    },
    body: JSON.stringify({ ClientId: settings.client_id, AuthFlow: flow, AuthParameters: parameters }),
  });
  if (answer.status >= 500) throw new Failure("down");
  if (!answer.ok) throw new Error("sign_in.refused");
  return (await answer.json()).AuthenticationResult;
}

async function exchange(settings, fields) {
  const answer = await send(settings.token_url, {
    method: "POST",
    body: new URLSearchParams({ client_id: settings.client_id, ...fields }),
  });
  if (answer.status >= 500) throw new Failure("down");
  if (!answer.ok) throw new Error("sign_in.refused");
  return answer.json();
}

/** Return a token's claims, for what the page shows. It decides nothing by them: the API verifies the token. */
function claimsOf(token) {
  const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

const challenge = async (verifier) =>
  base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
