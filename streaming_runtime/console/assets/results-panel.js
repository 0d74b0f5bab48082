// The results as they come: newest first, bounded, painted at the browser's own pace.

import { announce, countForAnnouncement } from "./announce.js";
import { Backlog, MAX_CHARACTERS, MAX_ROWS } from "./backlog.js";
import { byId } from "./dom.js";
import { Figures } from "./figures.js";
import { read } from "./result.js";
import { RoundTrips } from "./round-trips.js";
import { rowOf } from "./rows.js";

// After a paint the page rests for as long as this many such paints would take, so that typing and
// scrolling stay smooth however much comes.
const REST_PAINTS = 3;
const LONGEST_REST_MS = 1_000;
// Rows that come one by one are shown coming; hundreds at once would only flicker.
const MOST_SHOWN_COMING = 10;

export class ResultsPanel {
  roundTrips = new RoundTrips();
  #figures = new Figures();
  #backlog = new Backlog();
  #shown = []; // the sizes of the rows in the list, newest last
  #characters = 0;
  #isPaused = false;
  #isDue = false; // a paint is on its way, or the page rests after one
  #isStale = false; // something came that the last paint did not see
  #restMs = 0;
  #list = byId("results");

  constructor() {
    byId("pause").addEventListener("click", () => this.#pause(!this.#isPaused));
    byId("clear").addEventListener("click", () => this.#clear());
    byId("gap-seen").addEventListener("click", () => {
      byId("gap-note").hidden = true;
      byId("results-title").focus();
    });
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.#list.addEventListener("focusin", (event) => this.#putInTabOrder(event.target));
  }

  /** Begin anew for another stream. */
  reset() {
    this.#pause(false);
    this.#clear();
    this.#figures.reset();
    this.roundTrips.clear();
    byId("gap-note").hidden = true;
  }

  reconnected() {
    this.#figures.count("reconnect");
  }

  /** Take one event of the stream. */
  take(event) {
    const item = read(event);
    if (item === null) return;
    if (item.what === "result" || item.what === "failed") this.#count(item);
    if (item.what === "gap") this.#warn(item);
    this.#backlog.push(item);
    this.#schedule();
  }

  #count(item) {
    this.#figures.count(item.what);
    const latency = this.#figures.latency(item.latencyMs);
    countForAnnouncement(item.what === "result" ? 1 : 0, item.what === "failed" ? 1 : 0);
    this.roundTrips.came(item.source, performance.now(), (milliseconds) => {
      item.roundTripMs = milliseconds;
      item.showLatency?.();
      latency.roundTripMs = milliseconds;
    });
  }

  #warn(gap) {
    this.#figures.count("gap");
    byId("gap-text").textContent = `${gap.reason} Reading goes on at the first that still exists.`;
    byId("gap-note").hidden = false;
  }

  #schedule() {
    this.#isStale = true;
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => requestAnimationFrame(() => this.#paint()), this.#restMs);
  }

  #paint() {
    this.#isStale = false;
    const began = performance.now();
    if (this.#isPaused) this.#showWaiting();
    else this.#put(this.#backlog.drain());
    byId("empty").hidden = this.#list.childElementCount > 0 || this.#isPaused;
    this.#figures.show();
    // A timer set here runs after the browser has laid out and drawn, which is most of the work.
    setTimeout(() => {
      this.#restMs = Math.min(LONGEST_REST_MS, REST_PAINTS * (performance.now() - began));
      this.#isDue = false;
      if (this.#isStale) this.#schedule();
    });
  }

  #put(items) {
    const rows = items.map(rowOf);
    if (rows.length <= MOST_SHOWN_COMING) rows.forEach((row) => row.classList.add("is-new"));
    this.#shown.push(...items.map((item) => item.size));
    this.#characters += items.reduce((sum, item) => sum + item.size, 0);
    this.#list.prepend(...rows.reverse());
    while (this.#shown.length > MAX_ROWS || this.#characters > MAX_CHARACTERS) {
      if (this.#shown.length <= 1) break;
      this.#characters -= this.#shown.shift();
      this.#removeOldest();
    }
    this.#ensureOneInTabOrder();
  }

  #removeOldest() {
    const oldest = this.#list.lastElementChild;
    // A focus that vanished would throw the keyboard back to the top of the page.
    if (oldest.contains(document.activeElement)) this.#list.focus();
    oldest.remove();
  }

  #clear() {
    this.#backlog.clear();
    this.#shown = [];
    this.#characters = 0;
    this.#list.replaceChildren();
    this.#schedule();
  }

  #pause(isPaused) {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    byId("pause").setAttribute("aria-pressed", String(isPaused));
    announce(isPaused ? "Paused; the reading goes on behind it" : "Showing results again");
    this.#showWaiting();
    this.#schedule();
  }

  #showWaiting() {
    const waiting = this.#backlog.waiting;
    const words = this.#isPaused ? `Resume${waiting > 0 ? ` (${waiting} waiting)` : ""}` : "Pause";
    byId("pause").textContent = words;
  }

  // One row at a time is a tab stop, the arrow keys move between rows: 500 stops are a wall.
  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const summaries = [...this.#list.querySelectorAll("summary")];
    const at = summaries.indexOf(event.target);
    if (at < 0 || (step === undefined && event.key !== "Home" && event.key !== "End")) return;
    event.preventDefault();
    const last = summaries.length - 1;
    const to = step === undefined ? (event.key === "Home" ? 0 : last) : at + step;
    summaries[Math.min(last, Math.max(0, to))].focus();
  }

  #putInTabOrder(target) {
    if (target.tagName !== "SUMMARY") return;
    for (const other of this.#list.querySelectorAll('summary[tabindex="0"]')) {
      other.setAttribute("tabindex", "-1");
    }
    target.setAttribute("tabindex", "0");
  }

  #ensureOneInTabOrder() {
    if (this.#list.querySelector('summary[tabindex="0"]') !== null) return;
    this.#list.querySelector("summary")?.setAttribute("tabindex", "0");
  }
}
