// The figures beside the results: how many, how fast, how late; and the last minute as a curve.

import { byId, svg } from "./dom.js";

const SECONDS = 60;
const HEIGHT = 40;
const LATENCIES = 500;
const NUMBER = new Intl.NumberFormat("en");

export class Figures {
  #counts = { result: 0, failed: 0, gap: 0, reconnect: 0 };
  #perSecond = new Array(SECONDS).fill(0);
  #latest = [];
  #line;
  #area;

  constructor() {
    const graph = byId("flow");
    this.#area = svg("path", { class: "flow-area" });
    this.#line = svg("path", { class: "flow-line" });
    graph.append(this.#area, this.#line);
    setInterval(() => this.#second(), 1000);
    this.show();
  }

  reset() {
    this.#counts = { result: 0, failed: 0, gap: 0, reconnect: 0 };
    this.#perSecond.fill(0);
    this.#latest = [];
    this.#draw();
    this.show();
  }

  count(what) {
    this.#counts[what] += 1;
    if (what === "result" || what === "failed") this.#perSecond[SECONDS - 1] += 1;
  }

  /** Keep how late a result was; what is returned takes the round trip, once it is known. */
  latency(processedMs) {
    const entry = { processedMs, roundTripMs: null };
    this.#latest.push(entry);
    if (this.#latest.length > LATENCIES) this.#latest.shift();
    return entry;
  }

  show() {
    for (const [what, count] of Object.entries(this.#counts)) {
      const place = byId(`count-${what}`);
      place.textContent = NUMBER.format(count);
      place.parentElement.classList.toggle("is-some", count > 0);
    }
    this.#showLatency();
  }

  #showLatency() {
    // A median over two kinds of time would be neither: that of the more frequent kind is shown.
    const own = this.#latest.map((entry) => entry.roundTripMs).filter((one) => one !== null);
    const isOwn = own.length > 0 && own.length * 2 >= this.#latest.length;
    const values = isOwn ? own : this.#latest.map((entry) => entry.processedMs);
    byId("latency").textContent = values.length > 0 ? milliseconds(median(values)) : "–";
    byId("latency-what").textContent = isOwn ? "send to here" : "send to processed";
  }

  #second() {
    // The last full second; the one that begins now has nothing yet.
    const rate = this.#perSecond[SECONDS - 1];
    byId("rate").textContent = NUMBER.format(rate);
    document.documentElement.classList.toggle("is-flowing", rate > 0);
    this.#draw();
    this.#perSecond.shift();
    this.#perSecond.push(0);
    this.show();
  }

  #draw() {
    const top = Math.max(4, ...this.#perSecond);
    const points = this.#perSecond.map((count, second) => {
      const x = (second / (SECONDS - 1)) * 300;
      const y = HEIGHT - 1 - (count / top) * (HEIGHT - 3);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    this.#line.setAttribute("d", `M${points.join("L")}`);
    this.#area.setAttribute("d", `M0,${HEIGHT}L${points.join("L")}L300,${HEIGHT}Z`);
  }
}

/** Milliseconds as a person reads them. */
export function milliseconds(value) {
  if (value < 1000) return `${Math.max(0, Math.round(value))} ms`;
  return value < 100_000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value / 60_000)} min`;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
