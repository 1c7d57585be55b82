// The logical graph: components as buttons, edges as curves behind them. Where things are drawn is
// decided by the server (`layout.rs`); here they are only drawn.

import { Component, h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { count, nameOf, rate, share, time } from "./format.js";

const html = htm.bind(h);

/** Narrower than this, tuples flow from top to bottom. */
const NARROW = 620;
/** Smaller than this the text cannot be read: the graph scrolls instead. */
const SMALLEST = { right: 0.72, down: 0.8 };
const MARGIN = { right: 20, down: 10 };

export class Graph extends Component {
  constructor() {
    super();
    this.state = { width: 0 };
    this.observe = (element) => {
      this.observer?.disconnect();
      if (!element) return;
      this.observer = new ResizeObserver(([entry]) => this.setState({ width: entry.contentRect.width }));
      this.observer.observe(element);
    };
  }

  componentWillUnmount() {
    this.observer?.disconnect();
  }

  render({ snapshot, selected, select }, { width }) {
    const direction = width > 0 && width < NARROW ? "down" : "right";
    const layout = snapshot.layouts[direction];
    const margin = MARGIN[direction];
    const whole = { x: layout.size.x + 2 * margin, y: layout.size.y + 2 * margin };
    const fit = width > 0 ? width / whole.x : 1;
    const scale = Math.min(1, Math.max(SMALLEST[direction], fit));
    const size = { width: `${whole.x * scale}px`, height: `${whole.y * scale}px` };
    const drawing = { width: `${whole.x}px`, height: `${whole.y}px`, transform: `scale(${scale})` };
    return html`
      <div class=${`graph ${direction}`} ref=${this.observe} tabindex=${fit < scale ? 0 : undefined}
           role="group" aria-label="Graph of components, in the direction in which tuples flow">
        <div class="graph-size" style=${size}>
          <div class="graph-drawing" style=${drawing}>
            <svg class="edges" width=${whole.x} height=${whole.y} aria-hidden="true">
              <g transform=${`translate(${margin} ${margin})`}>
                ${snapshot.edges.map((edge, at) => curve(edge, layout.edges[at], direction, selected))}
              </g>
            </svg>
            ${snapshot.components.map((component, at) => node(snapshot, component, layout, margin, at, selected, select))}
            ${snapshot.edges.map((edge, at) => label(snapshot, edge, layout, margin, at, selected, select))}
          </div>
        </div>
      </div>`;
  }
}

export const edgeKey = (edge) => ["edge", edge.from, edge.stream, edge.to].map(encodeURIComponent).join("/");
export const componentKey = (component) => `component/${encodeURIComponent(component.name)}`;
export const taskKey = (task) => `task/${task.id}`;

/** How much somebody waits, as a class: below a twentieth of the time it is noise. */
export function waits(value) {
  if (value === null || value < 0.05) return "";
  return value < 0.3 ? "waits" : "waits much";
}

function curve(edge, route, direction, selected) {
  if (!route || route.points.length < 2) return null;
  const [first, ...rest] = route.points;
  let path = `M${first.x} ${first.y}`;
  let from = first;
  for (const to of rest) {
    const bend = direction === "right" ? (to.x - from.x) / 2 : (to.y - from.y) / 2;
    path += direction === "right"
      ? `C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`
      : `C${from.x} ${from.y + bend} ${to.x} ${to.y - bend} ${to.x} ${to.y}`;
    from = to;
  }
  const { x, y } = from;
  const tip = direction === "right"
    ? `M${x - 8} ${y - 4.5}L${x} ${y}L${x - 8} ${y + 4.5}Z`
    : `M${x - 4.5} ${y - 8}L${x} ${y}L${x + 4.5} ${y - 8}Z`;
  const weight = 1.4 + Math.min(3, Math.log10(1 + (edge.rate ?? 0)) * 0.55);
  const chosen = selected === edgeKey(edge) ? "chosen" : "";
  return html`
    <g class=${`edge ${waits(edge.waiting)} ${chosen}`} key=${edgeKey(edge)}>
      <path class="line" d=${path} stroke-width=${weight.toFixed(2)} />
      <path class="tip" d=${tip} />
    </g>`;
}

function node(snapshot, component, layout, margin, at, selected, select) {
  const place = layout.nodes[at];
  if (!place) return null;
  const { flow } = component;
  const spout = component.kind === "spout";
  const main = spout ? flow.emittedRate : flow.executedRate;
  const broken = snapshot.findings.some((finding) => finding.severity === "bad" && finding.component === component.name);
  const whole = component.connected === component.parallelism;
  const done = component.parallelism > 0 && component.ended === component.parallelism;
  const state = broken ? "broken" : component.holdsBack ? "holds" : waits(flow.waiting);
  const words = [
    `${component.kind} ${component.name}`,
    `${component.connected} of ${component.parallelism} tasks connected`,
    main === null ? "" : `${count(main)} tuples ${spout ? "emitted" : "executed"} per second`,
    component.latency ? `complete latency ${time(component.latency.p50)}, of 99 % ${time(component.latency.p99)}` : "",
    flow.busy === null ? "" : `works ${share(flow.busy)} of the time`,
    waits(flow.waiting) ? `waits ${share(flow.waiting)} of the time` : "",
    component.holdsBack ? "holds back what sends to it" : "",
    broken ? "has failed" : "",
  ];
  const box = {
    left: `${place.x + margin}px`, top: `${place.y + margin}px`,
    width: `${layout.node.x}px`, height: `${layout.node.y}px`,
  };
  const key = componentKey(component);
  const tag = broken ? "failed" : component.holdsBack ? "holds back"
    : waits(flow.waiting) ? `waits ${share(flow.waiting)}` : done ? "ended" : "";
  return html`
    <button type="button" key=${key} class=${`node ${component.kind} ${state}`} style=${box}
            data-component=${component.name} aria-pressed=${selected === key}
            aria-label=${words.filter(Boolean).join(", ")} title=${component.name}
            onClick=${() => select(selected === key ? "" : key)}>
      <span class="node-head">
        <span class="kind" aria-hidden="true">${spout ? "S" : "B"}</span>
        <span class="name">${component.name}</span>
        <span class=${whole ? "tasks" : "tasks missing"}>${whole ? `×${component.parallelism}` : `${component.connected}/${component.parallelism}`}</span>
      </span>
      <span class="node-main">
        <span class="number">${rate(main)}</span>
        ${tag && html`<span class="tag">${tag}</span>`}
      </span>
      <span class="node-foot">
        ${spout
          ? html`<span><i>p50 </i>${time(component.latency?.p50)}</span><span><i>p99 </i>${time(component.latency?.p99)}</span>`
          : html`<span>${time(flow.executeSeconds)}<i> each</i></span><span>${share(flow.busy)}<i> busy</i></span>`}
      </span>
      ${meter(flow.busy, component.holdsBack)}
    </button>`;
}

function meter(busy, holds) {
  const width = `${Math.round((busy ?? 0) * 100)}%`;
  return html`<span class=${`meter ${holds ? "full" : ""}`} aria-hidden="true"><span style=${{ width }}></span></span>`;
}

function label(snapshot, edge, layout, margin, at, selected, select) {
  const route = layout.edges[at];
  if (!route || route.points.length < 2) return null;
  const place = {
    left: `${route.label.x + margin - layout.label.x / 2}px`,
    top: `${route.label.y + margin - layout.label.y / 2}px`,
    width: `${layout.label.x}px`, height: `${layout.label.y}px`,
  };
  const key = edgeKey(edge);
  const named = edge.stream !== "default";
  const words = [
    `edge from ${edge.from} to ${edge.to}, stream ${edge.stream}, ${edge.grouping}`,
    edge.rate === null ? "" : `${count(edge.rate)} tuples per second`,
    waits(edge.waiting) ? `${edge.from} waits ${share(edge.waiting)} of the time` : "",
    edge.waitsFor === null ? "" : `mostly for ${nameOf(snapshot, edge.waitsFor)}`,
  ];
  return html`
    <button type="button" key=${key} class=${`edge-label ${waits(edge.waiting)}`} style=${place}
            data-edge=${key} aria-pressed=${selected === key} aria-label=${words.filter(Boolean).join(", ")}
            title=${`${edge.from} → ${edge.to}, stream ${edge.stream}`}
            onClick=${() => select(selected === key ? "" : key)}>
      <span>${edge.rate === null && named ? edge.stream : rate(edge.rate)}</span>
    </button>`;
}
