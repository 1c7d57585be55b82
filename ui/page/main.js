// The page: asks for a snapshot about once a second and shows it. It can change nothing.

import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { count, rate, time, whole } from "./format.js";
import { Graph, componentKey, taskKey } from "./graph.js";
import { Detail, find } from "./detail.js";
import { TABLES, Tables } from "./tables.js";

const html = htm.bind(h);

const EVERY = 1000;
/** Older than this it is not what is going on now. */
const STALE_SECONDS = 5;
/** Points of a line of the recent past. */
const POINTS = 60;
const THEMES = ["auto", "light", "dark"];

const state = {
  snapshot: null,
  /** When it came, by this clock, and why nothing newer came. */
  cameAt: 0,
  error: "",
  selected: location.hash.slice(1),
  table: TABLES[0],
  theme: kept("theme", THEMES, "auto"),
  past: { acked: [], latency: [] },
};

function kept(name, allowed, otherwise) {
  try {
    const value = localStorage.getItem(name);
    return allowed.includes(value) ? value : otherwise;
  } catch {
    return otherwise;
  }
}

function set(change) {
  Object.assign(state, change);
  render(html`<${Page} ...${state} />`, document.getElementById("app"));
}

function select(key) {
  // History is the browser's: back goes to what was selected before.
  location.hash = key;
  if (!key) return;
  requestAnimationFrame(() => {
    const detail = document.getElementById("detail");
    if (detail && detail.getBoundingClientRect().top > innerHeight - 160) {
      detail.scrollIntoView({ block: "start" });
    }
  });
}

function switchTheme() {
  const theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It is remembered as long as the page is open.
  }
  set({ theme });
}

/** How old what is shown is, and why, if it is too old. */
function staleness({ snapshot, cameAt, error }) {
  if (!snapshot) return null;
  const age = snapshot.ageSeconds + (Date.now() - cameAt) / 1000;
  if (!error && !snapshot.stale && age < STALE_SECONDS) return null;
  return { age, why: error || snapshot.stale || "the source is slow" };
}

function Page(props) {
  document.documentElement.dataset.theme = props.theme;
  const { snapshot, selected } = props;
  if (!snapshot) {
    return html`<main class="empty"><h1>Egret</h1><p role="status">${props.error || "Looking at the topology …"}</p></main>`;
  }
  document.title = `${snapshot.topology} · Egret`;
  const stale = staleness(props);
  const found = selected && find(snapshot, selected);
  return html`
    <a class="skip" href="#tab-components">Skip to the tables</a>
    ${top(props, stale)}
    <main class=${`${found ? "with-detail" : ""} ${stale ? "stale" : ""}`}>
      <h1 class="unseen">Topology ${snapshot.topology}</h1>
      ${stale && html`<p class="banner bad" role="alert">
        <strong>Not live.</strong> What you see is ${time(Math.max(1, stale.age))} old: ${stale.why}.</p>`}
      ${snapshot.troubles.map((trouble) => html`<p class="banner warn" key=${trouble}>${trouble}</p>`)}
      ${tiles(props)}
      ${findings(snapshot)}
      <section class="card picture" aria-label="Graph">
        ${snapshot.components.length === 0
          ? html`<p class="hint nothing">Nothing is planned: no pod has answered yet.</p>`
          : html`<${Graph} snapshot=${snapshot} selected=${selected} select=${select} />`}
        ${legend()}
      </section>
      <div class="columns">
        <${Tables} snapshot=${snapshot} shown=${props.table} show=${(table) => set({ table })}
                   selected=${selected} select=${select} />
        ${found && html`<${Detail} snapshot=${snapshot} selected=${selected} select=${select} />`}
      </div>
    </main>`;
}

function top({ snapshot, theme }, stale) {
  return html`
    <header class="top">
      <img src="/icon.svg" alt="" width="26" height="26" />
      <div class="title"><span class="topology">${snapshot.topology}</span><span class="place">${snapshot.place}</span></div>
      <span class=${`pill state ${snapshot.state}`}>${snapshot.state}</span>
      <span class=${`live ${stale ? "off" : ""}`}>${stale ? `${time(Math.max(1, stale.age))} old` : "live"}</span>
      <button type="button" class="button theme" onClick=${switchTheme}
              aria-label=${`Colours: ${theme}. Switch`}>Theme: ${theme}</button>
    </header>`;
}

function tiles({ snapshot, past }) {
  const { roots, latency } = snapshot;
  const connected = snapshot.tasks.filter((task) => task.connected).length;
  const lost = roots.failed + roots.timedOut;
  const dead = roots.deadLetters > 0 ? ` · ${whole(roots.deadLetters)} dead letters` : "";
  return html`
    <section class="tiles" aria-label="The topology as a whole">
      ${tile("Trees acked", rate(roots.ackedRate), `${whole(roots.acked)} in all`, "", line(past.acked))}
      ${tile("Complete latency p50", time(latency?.p50), `p99 ${time(latency?.p99)}`, "", line(past.latency))}
      ${tile("In flight", count(roots.pending), `${whole(roots.emitted)} emitted`)}
      ${tile("Failed or timed out", rate(roots.lostRate), `${whole(lost)} in all · ${whole(roots.replayed)} replayed${dead}`, lost > 0 ? "bad" : "")}
      ${tile("Tasks connected", `${connected}/${snapshot.tasks.length}`, `in ${snapshot.pods.length} ${snapshot.pods.length === 1 ? "pod" : "pods"}`,
        connected < snapshot.tasks.length ? "bad" : "")}
    </section>`;
}

const tile = (name, value, more, kind = "", picture = null) => html`
  <div class=${`card tile ${kind}`}>
    <p class="eyebrow">${name}</p>
    <p class="value">${value}</p>
    <p class="more">${more}</p>
    ${picture}
  </div>`;

/** The recent past as a line, from zero to its highest point. */
function line(points) {
  const known = points.filter((point) => point !== null);
  if (known.length < 2) return null;
  const most = Math.max(...known, 1e-9);
  const step = 100 / (POINTS - 1);
  const from = POINTS - points.length;
  const at = (value, place) => `${((from + place) * step).toFixed(2)},${(27 - (value / most) * 24).toFixed(2)}`;
  const path = points.map((value, place) => (value === null ? null : at(value, place))).filter(Boolean);
  return html`<svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true"><polyline points=${path.join(" ")} /></svg>`;
}

function findings(snapshot) {
  const key = (finding) => {
    const task = snapshot.tasks.find((one) => one.id === finding.task);
    if (task) return taskKey(task);
    const component = snapshot.components.find((one) => one.name === finding.component);
    return component ? componentKey(component) : "";
  };
  return html`
    <ul class="findings" role="status" aria-label="Findings">
      ${snapshot.findings.map((finding) => html`
        <li key=${finding.kind + finding.task + finding.component} class=${finding.severity}>
          ${key(finding) ? html`<button type="button" class="link" onClick=${() => select(key(finding))}>${finding.words}</button>` : finding.words}
        </li>`)}
    </ul>`;
}

const legend = () => html`
  <p class="legend">
    <span><i class="swatch"></i>flows</span>
    <span><i class="swatch waits"></i>sender waits</span>
    <span><i class="swatch much"></i>sender waits a third of the time and more</span>
    <span><i class="swatch holds"></i>holds others back</span>
  </p>`;

let timer;
let asking = false;

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      const answer = await fetch("/api/snapshot", { signal: AbortSignal.timeout(15000) });
      const body = await answer.json();
      if (answer.ok) came(body);
      else set({ error: body.error });
    } catch {
      set({ error: "whoever serves this page does not answer" });
    }
  }
  asking = false;
  timer = setTimeout(ask, EVERY);
}

function came(snapshot) {
  const { past } = state;
  // An old snapshot that is served again says nothing new.
  if (snapshot.atMs !== state.snapshot?.atMs) {
    push(past.acked, snapshot.roots.ackedRate);
    push(past.latency, snapshot.latency?.p50 ?? null);
  }
  set({ snapshot, cameAt: Date.now(), error: "" });
}

function push(points, value) {
  points.push(value);
  if (points.length > POINTS) points.shift();
}

addEventListener("hashchange", () => set({ selected: location.hash.slice(1) }));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.selected) select("");
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ask();
});
document.getElementById("app").textContent = "";
set({});
ask();
