// What is known of the one thing that is selected: a component, a task, or an edge.

import { Component, h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { bytes, clock, moment, nameOf, rate, share, taskName, time, whole } from "./format.js";
import { componentKey, taskKey, waits } from "./graph.js";
import { taskState } from "./tables.js";

const html = htm.bind(h);

const LOG_EVERY = 2000;
const SAMPLE_EVERY = 1000;
/** Nobody looks at tuples for longer; sampling ends by itself. */
const SAMPLE_FOR = 5 * 60 * 1000;

/** What a selection names in a snapshot, if it is there. */
export function find(snapshot, selected) {
  const [kind, ...names] = selected.split("/").map(plain);
  if (kind === "component") {
    const component = snapshot.components.find((one) => one.name === names[0]);
    return component && { kind, component };
  }
  if (kind === "task") {
    const task = snapshot.tasks.find((one) => String(one.id) === names[0]);
    return task && { kind, task };
  }
  if (kind === "edge") {
    const edge = snapshot.edges.find((one) => one.from === names[0] && one.stream === names[1] && one.to === names[2]);
    return edge && { kind, edge };
  }
  return undefined;
}

function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function Detail({ snapshot, selected, select }) {
  const found = find(snapshot, selected);
  if (!found) return null;
  const body = { component, task, edge }[found.kind];
  return html`<aside class="card detail" id="detail" tabindex="-1" aria-label="Details">${body(snapshot, found[found.kind], select)}</aside>`;
}

function head(kind, name, select, ...tags) {
  return html`
    <header class="detail-head">
      <div><p class="eyebrow">${kind}</p><h2>${name}</h2>${tags}</div>
      <button type="button" class="close" aria-label="Close details" onClick=${() => select("")}>×</button>
    </header>`;
}

const facts = (rows) => html`
  <dl>${rows.filter(Boolean).map(([name, value, kind]) => html`<div key=${name}><dt>${name}</dt><dd class=${kind ?? ""}>${value}</dd></div>`)}</dl>`;

const pick = (key, words, select) => html`<button type="button" class="link" onClick=${() => select(key)}>${words}</button>`;

function component(snapshot, component, select) {
  const { flow } = component;
  const spout = component.kind === "spout";
  const tasks = snapshot.tasks.filter((task) => task.component === component.name);
  return html`
    ${head(`${component.kind}${component.component === component.name ? "" : ` · ${component.component}`}`, component.name, select,
      component.holdsBack && html`<span class="pill warn">holds back</span>`)}
    ${facts([
      ["Emitted", html`${rate(flow.emittedRate)} <small>${whole(flow.emitted)}</small>`],
      spout ? null : ["Executed", html`${rate(flow.executedRate)} <small>${whole(flow.executed)}</small>`],
      ["Acked", html`${rate(flow.ackedRate)} <small>${whole(flow.acked)}</small>`],
      ["Failed", html`${rate(flow.failedRate)} <small>${whole(flow.failed)}</small>`, flow.failed > 0 ? "bad" : ""],
      spout ? ["In flight", whole(component.pending)] : null,
      spout ? ["Complete latency p50", html`${time(component.latency?.p50)} <small>p99 ${time(component.latency?.p99)}</small>`] : null,
      ["Per tuple", time(flow.executeSeconds)],
      ["Busy", html`${share(flow.busy)} <small>busiest task</small>`],
      ["Waits", share(flow.waiting), waits(flow.waiting)],
      ["Restarts", component.restarts, component.restarts > 0 ? "bad" : ""],
    ])}
    <h3>Tasks</h3>
    <ul class="tasks-list">
      ${tasks.map((task) => html`
        <li key=${task.id}>
          ${pick(taskKey(task), taskName(task), select)}
          <span class="bar" aria-hidden="true"><span style=${{ width: `${Math.round((task.flow.busy ?? 0) * 100)}%` }}></span></span>
          <span class="n">${share(task.flow.busy)}</span>
          <span class="n">${rate(spout ? task.flow.emittedRate : task.flow.executedRate)}</span>
        </li>`)}
    </ul>`;
}

function task(snapshot, task, select) {
  const { flow } = task;
  const state = taskState(task);
  const pod = snapshot.pods.find((pod) => pod.id === task.pod);
  const of = snapshot.components.find((component) => component.name === task.component);
  const bad = state === "failed" || state === "away";
  return html`
    ${head("task", taskName(task), select, html`<span class=${`pill ${bad ? "bad" : "quiet"}`}>${state}</span>`)}
    ${facts([
      ["Component", of ? pick(componentKey(of), of.name, select) : task.component],
      ["Task id", task.id],
      ["Pod", html`${pod?.name ?? task.pod}${pod?.node && html` <small>${pod.node}</small>`}`],
      ["Emitted", html`${rate(flow.emittedRate)} <small>${whole(flow.emitted)}</small>`],
      of?.kind === "spout" ? ["In flight", whole(task.pending)]
        : ["Executed", html`${rate(flow.executedRate)} <small>${whole(flow.executed)}</small>`],
      ["Failed", whole(flow.failed), flow.failed > 0 ? "bad" : ""],
      ["Per tuple", time(flow.executeSeconds)],
      ["Busy", share(flow.busy)],
      ["Waits", html`${share(flow.waiting)}${task.blockedOn !== null && html` <small>for ${nameOf(snapshot, task.blockedOn)}</small>`}`, waits(flow.waiting)],
      task.callSeconds >= 1 ? ["Call not returned", time(task.callSeconds), "bad"] : null,
      task.position ? ["Position", task.position] : null,
      ["Restarts", task.restarts, task.restarts > 0 ? "bad" : ""],
    ])}
    ${task.errors.length > 0 && html`
      <h3>Errors</h3>
      <ol class="errors">
        ${[...task.errors].reverse().map((error) => html`<li key=${error.firstMs}>
          <time>${moment(error.lastMs)}</time>${error.times > 1 && html` <small>${whole(error.times)} times since ${moment(error.firstMs)}</small>`}
          ${error.restarts > 0 && html` <small>after ${whole(error.restarts)} restarts</small>`}
          <pre>${error.text}</pre></li>`)}
      </ol>`}
    <${Log} key=${task.id} task=${task.id} />`;
}

/** Asks again and again while it is shown. */
class Asking extends Component {
  componentDidMount() {
    this.next();
  }

  componentWillUnmount() {
    this.over = true;
    clearTimeout(this.timer);
  }

  async next() {
    if (this.over) return;
    if (this.wanted() && !document.hidden) {
      let told;
      try {
        const answer = await fetch(this.target(), { signal: AbortSignal.timeout(12000) });
        const body = await answer.json();
        told = answer.ok ? { body, error: "" } : { error: body.error };
      } catch {
        told = { error: "no answer" };
      }
      if (this.over) return;
      this.setState(told);
    }
    this.timer = setTimeout(() => this.next(), this.every());
  }
}

class Log extends Asking {
  wanted() { return true; }
  every() { return LOG_EVERY; }
  target() { return `/api/log?task=${this.props.task}`; }

  getSnapshotBeforeUpdate() {
    // Whoever has scrolled up reads: the log stays where it is.
    const box = this.box;
    return !box || box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  }

  componentDidUpdate(_props, _state, atEnd) {
    if (atEnd && this.box) this.box.scrollTop = this.box.scrollHeight;
  }

  render(_props, { body, error }) {
    const lines = body?.lines ?? [];
    return html`
      <h3>Log <small>last ${lines.length} lines</small></h3>
      ${error && html`<p class="hint bad">${error}</p>`}
      <div class="log" tabindex="0" role="log" aria-live="off" aria-label="Last lines of the log" ref=${(box) => { this.box = box; }}>
        ${lines.length === 0 && html`<p class="hint">${body ? "Nothing was logged yet." : "Asking …"}</p>`}
        ${lines.map((line, at) => html`<p key=${at} class=${`line-${line.level}`}>
          ${line.atMs !== null && html`<time>${clock(line.atMs)}</time>`}<span>${line.text}</span></p>`)}
      </div>`;
  }
}

function edge(snapshot, edge, select) {
  const name = (component) => pick(`component/${encodeURIComponent(component)}`, component, select);
  return html`
    ${head(`edge · stream ${edge.stream}`, html`${edge.from} → ${edge.to}`, select)}
    ${facts([
      ["From", name(edge.from)],
      ["To", name(edge.to)],
      ["Grouping", html`${edge.grouping}${edge.keys.length > 0 && html` <small>by ${edge.keys.join(", ")}</small>`}`],
      ["Fields", edge.fields.join(", ") || "–"],
      ["Tuples", rate(edge.rate)],
      ["Bytes", edge.byteRate === null ? "–" : `${bytes(edge.byteRate)}/s`],
      ["Sender waits", html`${share(edge.waiting)}${edge.waitsFor !== null && html` <small>for ${nameOf(snapshot, edge.waitsFor)}</small>`}`, waits(edge.waiting)],
      ["Standing still", bytes(edge.stalledBytes)],
    ])}
    <${Tuples} key=${`${edge.from}/${edge.stream}/${edge.to}`} edge=${edge} snapshot=${snapshot} />`;
}

class Tuples extends Asking {
  wanted() {
    if (this.state.since && Date.now() - this.state.since > SAMPLE_FOR) this.setState({ since: 0 });
    return Boolean(this.state.since);
  }
  every() { return SAMPLE_EVERY; }
  target() {
    const { from, stream, to } = this.props.edge;
    return `/api/samples?${new URLSearchParams({ from, stream, to })}`;
  }

  render({ snapshot }, { body, error, since }) {
    const samples = [...(body?.samples ?? [])].reverse();
    const turn = () => {
      clearTimeout(this.timer);
      this.setState({ since: since ? 0 : Date.now() }, () => this.next());
    };
    return html`
      <div class="with-button">
        <h3>Tuples</h3>
        <button type="button" class="button" aria-pressed=${Boolean(since)} onClick=${turn}>${since ? "Stop" : "Show samples"}</button>
      </div>
      <p class="hint">${since
        ? "At most ten tuples a second of each pod, cut where they are long. Ends by itself after five minutes."
        : "Off: no tuple is read unless you ask for it."}</p>
      ${error && html`<p class="hint bad">${error}</p>`}
      ${samples.length > 0 && html`
        <div class="scroll samples" tabindex="0" role="region" aria-label="Sampled tuples">
          <table>
            <caption class="unseen">Sampled tuples, the newest first</caption>
            <thead><tr><th scope="col">Seen</th>${body.fields.map((field) => html`<th scope="col" key=${field}>${field}</th>`)}<th scope="col">From</th><th scope="col">To</th></tr></thead>
            <tbody>${samples.map((sample) => html`
              <tr key=${`${sample.atMs}-${sample.source}-${sample.dest}`}>
                <td><time>${clock(sample.atMs)}</time></td>
                ${sample.values.map((value, at) => html`<td key=${at} class=${`value ${value.kind}`} title=${value.kind}>${value.text}${value.cut && html`<span class="cut">…</span>`}</td>`)}
                <td>${nameOf(snapshot, sample.source)}</td><td>${nameOf(snapshot, sample.dest)}</td>
              </tr>`)}</tbody>
          </table>
        </div>`}
      ${since && samples.length === 0 && !error && html`<p class="hint">Waiting for tuples …</p>`}`;
  }
}
