// The line that says how the reading stands, and what can be done about it.

import { announce } from "./announce.js";
import { byId, problemNote } from "./dom.js";

const TICK_MS = 250;

/** Shows the states of a Following; `retryNow` and `readAgain` are what its buttons do. */
export class ConnectionLine {
  #timer = null;
  #wasConnected = false;
  #isLost = false;

  constructor({ retryNow, readAgain }) {
    byId("retry-now").addEventListener("click", retryNow);
    byId("read-again").addEventListener("click", readAgain);
    this.show({ name: "none" });
  }

  show(state) {
    clearInterval(this.#timer);
    byId("state").dataset.state = state.name;
    byId("retry-now").hidden = state.name !== "waiting";
    byId("read-again").hidden = state.problem?.code !== "invalid-cursor";
    this.#explain(state);
    if (state.name === "waiting") this.#countDown(state.delayMs);
    else this.#say(WORDS[state.name](this.#isLost));
    this.#tell(state);
  }

  /** Forget what the last reading met. */
  reset() {
    this.#wasConnected = false;
    this.#isLost = false;
    this.show({ name: "none" });
  }

  #explain(state) {
    const place = byId("state-problem");
    place.replaceChildren();
    if (state.name !== "refused" && !(state.name === "waiting" && state.problem)) return;
    place.append(problemNote(state.problem));
  }

  #countDown(delayMs) {
    const until = performance.now() + delayMs;
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      this.#say(`reconnecting in ${seconds} s`);
    };
    tick();
    this.#timer = setInterval(tick, TICK_MS);
  }

  #say(words) {
    if (byId("state-words").textContent !== words) byId("state-words").textContent = words;
  }

  /** Tell a screen reader of what changed, not of every try. */
  #tell(state) {
    if (state.name === "connected") {
      if (this.#isLost) announce("Connected again");
      else if (!this.#wasConnected) announce("Connected; results appear as they come");
      this.#wasConnected = true;
      this.#isLost = false;
    } else if (state.name === "waiting" && !this.#isLost) {
      this.#isLost = true;
      announce("Connection lost; reconnecting by itself");
    } else if (state.name === "ended") {
      announce("The stream has ended");
    } else if (state.name === "refused") {
      announce(`The reading stopped: ${state.problem.title}`);
    }
  }
}

const WORDS = {
  none: () => "no stream open",
  connecting: (isLost) => (isLost ? "reconnecting…" : "connecting…"),
  connected: () => "connected",
  ended: () => "ended",
  refused: () => "stopped",
  stopped: () => "not reading",
};
