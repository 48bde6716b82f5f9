// For teachers: what is known of the contents, the hardest first. The page loads this when it is first shown.

import { Failure } from "./api.js";
import { Panel } from "./panels.js";
import { html, useEffect, useState } from "./view.js";

const FEW = 10;

export function Page({ words, get, session, Notice }) {
  const [state, setState] = useState({ view: null, codes: [], failure: null });
  const [code, setCode] = useState("");
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let current = true;
    const load = async () => {
      try {
        const [view, offered] = await Promise.all([
          get(`content?limit=100${code ? `&certification_type=${encodeURIComponent(code)}` : ""}`),
          get("certifications"),
        ]);
        if (current) setState({ view, codes: offered.certifications, failure: null });
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.kind === "signed-out") session.refused();
        if (current) setState((before) => ({ ...before, failure: error }));
      }
    };
    load();
    return () => (current = false);
  }, [get, code, attempt, session.state.status]);

  const { view, codes, failure } = state;
  if (failure && failure.kind !== "signed-out") {
    return html`<${Notice} words=${words} failure=${failure} learner="" session=${session}
      retry=${() => setAttempt(attempt + 1)} />`;
  }
  if (!view) return html`<div class="panel skeleton" role="status"><span class="hidden">${words.t("loading")}</span></div>`;
  const choice = html`<label class="code-choice">${words.t("content.certification")}
    <select value=${code} onChange=${(event) => setCode(event.target.value)}>
      <option value="" selected=${code === ""}>${words.t("content.all")}</option>
      ${codes.map((one) => html`<option value=${one.certification_type} selected=${one.certification_type === code}>
        ${one.certification_type}</option>`)}
    </select>
  </label>`;
  const rated = view.content.filter((one) => one.correct_rate !== null);
  return html`<${Panel} title=${words.t("content.title")} className="content-panel" aside=${choice}>
    ${view.total === 0
      ? html`<p>${words.t("content.none")}</p>`
      : rated.length === 0
        ? html`<p>${words.t("content.unknown", { n: view.total })}</p>`
        : html`
          <p class="quiet">${words.t("content.about", { known: view.total_with_rate, n: view.total })}</p>
          <div class="scroller" tabindex="0" role="group" aria-label=${words.t("content.title")}>
            <table class="contents">
              <thead><tr>
                <th scope="col">${words.t("content.name")}</th>
                <th scope="col">${words.t("areas.category")}</th>
                <th scope="col">${words.t("content.level")}</th>
                <th scope="col">${words.t("content.right")}</th>
                <th scope="col">${words.t("content.learners")}</th>
              </tr></thead>
              <tbody>
                ${rated.map((one) => html`<tr key=${`${one.certification_type} ${one.content_id}`}>
                  <th scope="row"><bdi>${one.title ?? one.content_id}</bdi> <span class="code"><bdi>${one.certification_type}</bdi></span></th>
                  <td><bdi>${one.category}</bdi></td>
                  <td>${words.has(`level.${one.difficulty_level}`) ? words.t(`level.${one.difficulty_level}`) : one.difficulty_level}</td>
                  <td class="rate"><span class="bar" aria-hidden="true"><i style=${{ inlineSize: `${100 * one.correct_rate}%` }}></i></span>
                    ${words.share(one.correct_rate)}</td>
                  <td>${one.answered_by === null ? "–" : words.number(one.answered_by)}
                    ${one.answered_by !== null && one.answered_by < FEW && html` <span class="tag few">${words.t("content.few")}</span>`}</td>
                </tr>`)}
              </tbody>
            </table>
          </div>`}
  </${Panel}>`;
}
