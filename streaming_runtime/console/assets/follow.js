// Follows a stream's results for as long as there are any, across restarts of the server.

import { GOES_ON, problemOf, unreachable, unreadable } from "./problem.js";
import { EventStreamParser, EventTooLarge } from "./sse.js";

// The server sends a heartbeat every 15 s; a connection silent for three of them is dead, although
// nothing has told this side.
const SILENCE_MS = 45_000;
const CONNECT_MS = 20_000;
const DEFAULT_RETRY_MS = 1_000;
const FIRST_SPREAD_MS = 500;
const LONGEST_SPREAD_MS = 30_000;
// A connection that lived this long was a good one: the next failure is a first failure again.
const GOOD_CONNECTION_MS = 5_000;
// Of the refusals, those that a later try may not meet.
const PASSING = new Set([408, 425, 429]);

/**
 * How long to wait before the next try: never less than the server asked for, and spread, so that
 * readers that lost one server together do not come back to it together.
 */
export function delayMs({ retryMs, retryAfterMs = 0, failures, random }) {
  const spread = Math.min(LONGEST_SPREAD_MS, FIRST_SPREAD_MS * 2 ** Math.min(failures, 16));
  return Math.round(Math.max(retryMs, retryAfterMs) + random * spread);
}

/** Whether an answer with this status means that asking again is of no use. */
export function isFinal(status) {
  return status === 204 || (status >= 400 && status < 500 && !PASSING.has(status));
}

/**
 * One reading of one stream.
 *
 * States given to `onState`: {name: "connecting"} · {name: "connected"} · {name: "waiting",
 * delayMs, problem} · and one last one: {name: "ended"}, {name: "refused", problem} or
 * {name: "stopped"}.
 */
export class Following {
  #stopper = new AbortController();
  #wake = () => {};
  #failures = 0;
  #retryMs = DEFAULT_RETRY_MS;
  #isOver = false;
  #seams;

  constructor({ url, headers, onEvent, onState, seams = {} }) {
    this.url = url;
    this.headers = headers;
    this.onEvent = onEvent;
    this.onState = onState;
    /** Where to go on; empty until the server has named a position. */
    this.cursor = "";
    this.#seams = {
      fetch: (...request) => globalThis.fetch(...request),
      random: Math.random,
      now: () => performance.now(),
      setTimeout: (...call) => globalThis.setTimeout(...call),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      ...seams,
    };
  }

  /** Read until the end, a final refusal or stop(). */
  async run() {
    let last = null;
    while (last === null) last = await this.#turn();
    this.onState(last);
  }

  stop() {
    this.#stopper.abort();
    this.#wake();
  }

  /** Do not wait any longer for the next try. */
  retryNow() {
    this.#wake();
  }

  /** Make one connection and wait after it; the last state when it was the last connection. */
  async #turn() {
    const outcome = await this.#connection();
    if (this.#stopper.signal.aborted) return { name: "stopped" };
    if (outcome.last) return outcome.last;
    const wait = delayMs({
      retryMs: this.#retryMs,
      retryAfterMs: outcome.retryAfterMs,
      failures: this.#failures,
      random: this.#seams.random(),
    });
    this.#failures += 1;
    this.onState({ name: "waiting", delayMs: wait, problem: outcome.problem ?? null });
    await this.#sleep(wait);
    return this.#stopper.signal.aborted ? { name: "stopped" } : null;
  }

  async #connection() {
    this.onState({ name: "connecting" });
    const cut = new AbortController();
    const stop = () => cut.abort();
    this.#stopper.signal.addEventListener("abort", stop);
    const watch = new Watchdog(this.#seams, stop);
    watch.expectWithin(CONNECT_MS);
    try {
      const answer = await this.#ask(cut.signal);
      return await this.#read(answer, watch);
    } catch (error) {
      return broken(error);
    } finally {
      watch.rest();
      cut.abort(); // whatever ended the reading, the connection goes with it
      this.#stopper.signal.removeEventListener("abort", stop);
    }
  }

  #ask(signal) {
    const position = this.cursor === "" ? {} : { "Last-Event-ID": this.cursor };
    return this.#seams.fetch(this.url, {
      headers: { ...this.headers, ...position, Accept: "text/event-stream" },
      cache: "no-store",
      credentials: "omit",
      signal,
    });
  }

  async #read(answer, watch) {
    if (answer.status === 204) return { last: { name: "ended" } };
    const type = answer.headers.get("content-type") ?? "";
    if (answer.status !== 200 || !type.startsWith("text/event-stream")) return refusal(answer);
    this.onState({ name: "connected" });
    const began = this.#seams.now();
    const parser = new EventStreamParser((event) => this.#take(event), this.cursor);
    try {
      await this.#pump(answer.body.getReader(), parser, watch);
    } catch (error) {
      // A connection that breaks is an end like another: nothing to show, but to come back.
      if (!isOfTheNetwork(error)) throw error;
    } finally {
      this.cursor = parser.lastEventId; // a bare `id:` moves it without an event
      this.#retryMs = parser.retryMs ?? this.#retryMs;
      if (this.#seams.now() - began >= GOOD_CONNECTION_MS) this.#failures = 0;
    }
    return this.#isOver ? { last: { name: "ended" } } : {};
  }

  async #pump(reader, parser, watch) {
    while (!this.#isOver) {
      watch.expectWithin(SILENCE_MS);
      const { done, value } = await reader.read();
      if (done) return;
      parser.push(value);
    }
  }

  #take(event) {
    if (event.type !== "error") this.#failures = 0;
    if (event.type === "end") this.#isOver = true;
    this.onEvent(event);
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = this.#seams.setTimeout(resolve, milliseconds);
      this.#wake = () => {
        this.#seams.clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Calls `bark` when nothing was heard for as long as was last said. */
class Watchdog {
  #timer = null;

  constructor(seams, bark) {
    this.seams = seams;
    this.bark = bark;
  }

  expectWithin(milliseconds) {
    this.rest();
    this.#timer = this.seams.setTimeout(this.bark, milliseconds);
  }

  rest() {
    if (this.#timer !== null) this.seams.clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function broken(error) {
  if (error instanceof EventTooLarge) return { last: { name: "refused", problem: unreadable() } };
  if (!isOfTheNetwork(error)) throw error;
  return { problem: unreachable(error, GOES_ON) };
}

// fetch() has TypeError for every failure of the network, and nothing finer.
function isOfTheNetwork(error) {
  return error instanceof TypeError || error.name === "AbortError";
}

async function refusal(answer) {
  const problem = await problemOf(answer);
  if (isFinal(answer.status)) return { last: { name: "refused", problem } };
  const seconds = Number(answer.headers.get("retry-after") ?? 0);
  return { problem, retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : 0 };
}
