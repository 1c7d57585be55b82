// The same as tables: components, tasks, pods. For reading aloud, comparing, and small screens.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { bytes, nameOf, rate, share, taskName, time, whole } from "./format.js";
import { componentKey, taskKey, waits } from "./graph.js";

const html = htm.bind(h);

export const TABLES = ["components", "tasks", "pods"];

export function Tables({ snapshot, shown, show, selected, select }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = TABLES[(TABLES.indexOf(shown) + step + TABLES.length) % TABLES.length];
    show(next);
    event.currentTarget.querySelector(`[data-tab=${next}]`)?.focus();
  };
  const table = { components, tasks, pods }[shown];
  return html`
    <section class="card tables" aria-label="Tables">
      <div class="tabs" role="tablist" aria-label="Table" onKeyDown=${move}>
        ${TABLES.map((name) => html`
          <button type="button" role="tab" key=${name} id=${`tab-${name}`} data-tab=${name} aria-selected=${name === shown}
                  aria-controls="table" tabindex=${name === shown ? 0 : -1} onClick=${() => show(name)}>
            ${name[0].toUpperCase() + name.slice(1)} <span class="how-many">${snapshot[name].length}</span>
          </button>`)}
      </div>
      <div class="scroll" id="table" role="tabpanel" aria-labelledby=${`tab-${shown}`} tabindex="0">
        ${table(snapshot, selected, select)}
      </div>
    </section>`;
}

function grid(caption, head, rows) {
  return html`
    <table>
      <caption class="unseen">${caption}</caption>
      <thead><tr>${head.map(([name, kind]) => html`<th scope="col" key=${name} class=${kind}>${name}</th>`)}</tr></thead>
      <tbody>${rows}</tbody>
    </table>`;
}

const choose = (key, words, selected, select) => html`
  <button type="button" class="link" aria-pressed=${selected === key}
          onClick=${() => select(selected === key ? "" : key)}>${words}</button>`;

function components(snapshot, selected, select) {
  const head = [["Component", ""], ["Tasks", "n"], ["Emitted", "n"], ["Executed", "n"], ["Acked", "n"],
    ["Failed", "n"], ["p50", "n"], ["p99", "n"], ["Per tuple", "n"], ["Busy", "n"], ["Waits", "n"]];
  return grid("Components", head, snapshot.components.map((component) => {
    const { flow } = component;
    const key = componentKey(component);
    return html`
      <tr key=${key} class=${selected === key ? "chosen" : ""}>
        <th scope="row">${choose(key, component.name, selected, select)}
          ${component.holdsBack && html`<span class="pill warn">holds back</span>`}</th>
        <td class="n">${component.connected}/${component.parallelism}</td>
        <td class="n">${rate(flow.emittedRate)}</td>
        <td class="n">${component.kind === "spout" ? "–" : rate(flow.executedRate)}</td>
        <td class="n">${whole(flow.acked)}</td>
        <td class=${flow.failed > 0 ? "n bad" : "n"}>${whole(flow.failed)}</td>
        <td class="n">${time(component.latency?.p50)}</td>
        <td class="n">${time(component.latency?.p99)}</td>
        <td class="n">${time(flow.executeSeconds)}</td>
        <td class="n">${share(flow.busy)}</td>
        <td class=${`n ${waits(flow.waiting)}`}>${share(flow.waiting)}</td>
      </tr>`;
  }));
}

/** In one word how a task is. */
export function taskState(task) {
  if (!task.known) return "unknown";
  if (task.error) return "failed";
  if (!task.connected && task.phase !== "closed") return "away";
  return task.phase;
}

function tasks(snapshot, selected, select) {
  const head = [["Task", ""], ["Id", "n"], ["Pod", "n"], ["State", ""], ["Emitted", "n"], ["Executed", "n"],
    ["Per tuple", "n"], ["Busy", "n"], ["Waits", "n"], ["Waits for", ""], ["Pending", "n"], ["Restarts", "n"]];
  return grid("Tasks", head, snapshot.tasks.map((task) => {
    const { flow } = task;
    const state = taskState(task);
    const key = taskKey(task);
    return html`
      <tr key=${key} class=${selected === key ? "chosen" : ""}>
        <th scope="row">${choose(key, taskName(task), selected, select)}</th>
        <td class="n">${task.id}</td>
        <td class="n">${task.pod}</td>
        <td><span class=${`pill ${state === "failed" || state === "away" ? "bad" : "quiet"}`}>${state}</span></td>
        <td class="n">${rate(flow.emittedRate)}</td>
        <td class="n">${rate(flow.executedRate)}</td>
        <td class="n">${time(flow.executeSeconds)}</td>
        <td class="n">${share(flow.busy)}</td>
        <td class=${`n ${waits(flow.waiting)}`}>${share(flow.waiting)}</td>
        <td>${task.blockedOn === null ? "–" : nameOf(snapshot, task.blockedOn)}</td>
        <td class="n">${whole(task.pending)}</td>
        <td class=${task.restarts > 0 ? "n bad" : "n"}>${task.restarts}</td>
      </tr>`;
  }));
}

function pods(snapshot, selected, select) {
  const head = [["Pod", ""], ["Node", ""], ["State", ""], ["Plan", "n"], ["Queued", "n"], ["No link to", ""], ["Tasks", ""]];
  return grid("Pods and their tasks", head, snapshot.pods.map((pod) => html`
    <tr key=${pod.name}>
      <th scope="row">${pod.name}</th>
      <td>${pod.node ?? "–"}</td>
      <td><span class=${`pill ${pod.answers ? "quiet" : "bad"}`}>${pod.answers ? pod.state : `${pod.state}, silent`}</span></td>
      <td class="n">${pod.revision}</td>
      <td class="n">${bytes(pod.queuedBytes)}</td>
      <td class=${pod.peersDown.length > 0 ? "bad" : ""}>${pod.peersDown.length > 0 ? pod.peersDown.map((id) => `pod ${id}`).join(", ") : "–"}</td>
      <td class="chips">${pod.tasks.map((id) => {
        const task = snapshot.tasks.find((task) => task.id === id);
        return task && html`<span key=${id} class="chip">${choose(taskKey(task), taskName(task), selected, select)}</span>`;
      })}</td>
    </tr>`));
}
