// Starting a stream: which processor, with what, called how, for how long.

import { byId, problemNote } from "./dom.js";
import { clearFieldError, fieldError } from "./fields.js";
import { CannotStart, PROCESSORS, startBody } from "./processors.js";

const FIELDS = ["parameter", "other-name", "other-parameters", "ttl"];

/** Calls `onStarted(stream)` with a new stream, `onChanged()` when the form says something else. */
export class StartPanel {
  constructor({ api, onStarted, onChanged }) {
    this.api = api;
    this.onStarted = onStarted;
    this.onChanged = onChanged;
    byId("start-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    byId("start-form").addEventListener("input", () => this.onChanged());
    byId("processor").addEventListener("change", () => this.#choose());
    this.#choose();
  }

  get processor() {
    return PROCESSORS[byId("processor").value];
  }

  /** What would be sent now; {} while the form cannot be sent. */
  get body() {
    try {
      return this.#read();
    } catch (error) {
      if (error instanceof CannotStart) return {};
      throw error;
    }
  }

  #choose() {
    const { about, parameter, label, example } = this.processor;
    byId("processor-about").textContent = about;
    byId("parameter-row").hidden = parameter === undefined;
    byId("other-row").hidden = byId("processor").value !== "other";
    byId("parameter-label").textContent = label ?? "Parameter";
    byId("parameter").placeholder = example ?? "";
    byId("parameter").value = example ?? "";
    FIELDS.forEach(clearFieldError);
    this.onChanged();
  }

  #read() {
    return startBody({
      processor: byId("processor").value,
      parameter: byId("parameter").value,
      name: byId("other-name").value,
      parameters: byId("other-parameters").value,
      label: byId("label").value,
      ttl: byId("ttl").value,
    });
  }

  async #start() {
    FIELDS.forEach(clearFieldError);
    byId("start-problem").replaceChildren();
    try {
      const body = this.#read();
      const stream = await this.api().start(body);
      byId("label").value = ""; // it named this stream, not the next one
      this.onStarted({ ...stream, label: body.label ?? null });
    } catch (error) {
      if (error instanceof CannotStart) fieldError(error.field, error.message);
      else if (error.problem) byId("start-problem").append(problemNote(error.problem));
      else throw error;
    }
  }
}
