// The streams this key has started: to go on with one of them.

import { byId, el, problemNote } from "./dom.js";

const SHOWN = 20;
const WHEN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Calls `onChosen(stream)`. */
export class StreamsPanel {
  #streams = [];
  #after = null;
  #isWhole = false;

  constructor({ api, onChosen }) {
    this.api = api;
    this.onChosen = onChosen;
    byId("streams-refresh").addEventListener("click", () => this.load());
    byId("streams-more").addEventListener("click", () => this.#more());
  }

  async load() {
    byId("streams-problem").replaceChildren();
    try {
      this.take(await this.api().streams());
    } catch (error) {
      this.#show(error);
    }
  }

  /** Show the first page. */
  take(page) {
    this.#streams = [...page.streams].reverse();
    this.#after = page.after;
    this.#isWhole = false;
    this.#render();
  }

  clear() {
    this.take({ streams: [], after: null });
  }

  async #more() {
    this.#isWhole = true;
    try {
      while (this.#after !== null) {
        const page = await this.api().streams(this.#after);
        this.#streams.unshift(...page.streams.reverse());
        this.#after = page.after;
      }
      this.#render();
    } catch (error) {
      this.#show(error);
    }
  }

  #render() {
    const count = this.#streams.length;
    byId("streams-count").textContent = this.#after === null ? count : `${count}+`;
    byId("streams-none").hidden = count > 0;
    const shown = this.#isWhole ? this.#streams : this.#streams.slice(0, SHOWN);
    byId("streams-more").hidden = shown.length === count && this.#after === null;
    byId("streams").replaceChildren(...shown.map((stream) => this.#entry(stream)));
  }

  #entry(stream) {
    const button = el(
      "button",
      { type: "button", class: "stream" },
      el("span", { class: "stream-name" }, stream.label || stream.stream_id),
      el("span", { class: "small" }, described(stream)),
    );
    button.addEventListener("click", () => this.onChosen(stream));
    return el("li", {}, button);
  }

  #show(error) {
    if (!error.problem) throw error;
    byId("streams-problem").replaceChildren(problemNote(error.problem));
  }
}

/** A processor as the contract gives it, in a few words. */
export function processorWords(processor) {
  if (typeof processor === "string") return processor;
  const { name, ...parameters } = processor;
  const values = Object.values(parameters).map((value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  );
  return `${name}: ${values.join(", ")}`;
}

function described(stream) {
  const ended = stream.ended_at === null ? "" : " · ended";
  return `${processorWords(stream.processor)} · ${WHEN.format(new Date(stream.created_at))}${ended}`;
}
