// Sending: one record or many lines, judged while they are typed, sent in the order they were sent.

import { announce } from "./announce.js";
import { byId, problemNote } from "./dom.js";
import { judge, judgeLines } from "./json-text.js";
import { Refusal, asProblem } from "./problem.js";

const JUDGE_AFTER_MS = 120;
const MAX_DATA_BYTES = 256 * 1024;
const MAX_WAITING = 100;
const NUMBER = new Intl.NumberFormat("en");

/** Sends through `send(json)` and `sendLines(records, onAnswer)`, which the page binds to a stream. */
export class SendPanel {
  #waiting = 0;
  #chain = Promise.resolve();
  #timer = null;
  #sample = "";

  constructor({ send, sendLines, onChanged }) {
    this.send = send;
    this.sendLines = sendLines;
    this.onChanged = onChanged;
    byId("send-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("record").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#submit();
    });
    byId("record").addEventListener("input", () => this.#judgeSoon());
    byId("send-form").addEventListener("change", () => this.#judge());
    byId("as-text").addEventListener("click", () => this.#asText());
  }

  get #isLines() {
    return byId("mode-lines").checked;
  }

  /** The JSON to send as one record; the editor's text as a JSON string while it is none. */
  get json() {
    const first = this.#isLines ? (judgeLines(byId("record").value)[0] ?? { line: "" }) : null;
    const judged = first ?? judge(byId("record").value);
    return judged.json ?? JSON.stringify(first?.line ?? byId("record").value);
  }

  /** Put a sample into the editor, unless something of the person's own stands there. */
  offer(sample) {
    const editor = byId("record");
    if (editor.value === "" || editor.value === this.#sample) editor.value = sample;
    this.#sample = sample;
    this.#judge();
  }

  /** Let records be sent, or say why not. */
  enable(reason) {
    byId("send-form").hidden = reason !== null;
    byId("send-why-not").hidden = reason === null;
    byId("send-why-not").textContent = reason ?? "";
    byId("send-outcome").replaceChildren();
  }

  #judgeSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#judge(), JUDGE_AFTER_MS);
  }

  /** Show what the editor holds; null when it can be sent. */
  #judge() {
    clearTimeout(this.#timer);
    const text = byId("record").value;
    const fault = this.#isLines ? lineFault(judgeLines(text)) : recordFault(judge(text));
    byId("record-judged").textContent = fault ?? this.#size(text);
    byId("record-judged").classList.toggle("is-fault", fault !== null);
    byId("record").setAttribute("aria-invalid", String(fault !== null && text.trim() !== ""));
    byId("as-text").hidden = !this.#canBeText(text);
    byId("as-text").textContent = this.#isLines ? "Make strings of such lines" : "Make it a JSON string";
    byId("send").textContent = this.#isLines ? "Send the lines" : "Send";
    this.onChanged();
    return fault;
  }

  #canBeText(text) {
    if (text.trim() === "") return false;
    return this.#isLines
      ? judgeLines(text).some((line) => line.json === undefined)
      : judge(text).json === undefined;
  }

  #size(text) {
    if (this.#isLines) return `${NUMBER.format(judgeLines(text).length)} records`;
    return `Valid JSON, ${NUMBER.format(bytes(text.trim()))} bytes`;
  }

  /** Make JSON strings of what is no JSON. */
  #asText() {
    const editor = byId("record");
    editor.value = this.#isLines
      ? judgeLines(editor.value)
          .map(({ json, line }) => json ?? JSON.stringify(line))
          .join("\n")
      : JSON.stringify(editor.value);
    this.#judge();
    editor.focus();
  }

  #submit() {
    const fault = this.#judge();
    if (fault !== null) {
      byId("record").focus();
      announce(`Not sent. ${fault}`);
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      this.#say("Earlier records are still on their way; wait a moment.");
      return;
    }
    const text = byId("record").value;
    const act = this.#isLines
      ? () => this.#sendLines(judgeLines(text).map(({ json }) => json))
      : () => this.#sendOne(judge(text).json);
    // One after the other: records sent at once over several connections could change places.
    this.#waiting += 1;
    this.#chain = this.#chain.then(act).finally(() => {
      this.#waiting -= 1;
    });
  }

  async #sendOne(json) {
    try {
      const receipt = await this.send(json);
      this.#say(`Stored as ${receipt.record_id}`);
      announce(`Sent; stored as ${receipt.record_id}`);
    } catch (error) {
      this.#refused(error);
    }
  }

  async #sendLines(records) {
    let stored = 0;
    const refused = [];
    const whole = records.length;
    try {
      await this.sendLines(records, (answer) => {
        const problem = asProblem(answer);
        if (problem === null) stored += 1;
        else refused.push({ line: stored + refused.length + 1, problem });
        this.#say(`${NUMBER.format(stored)} of ${NUMBER.format(whole)} stored`);
      });
      announce(`${stored} stored, ${refused.length} refused`);
      if (refused.length > 0) this.#showRefused(refused);
    } catch (error) {
      this.#refused(error);
    }
  }

  #showRefused(refused) {
    const first = `The first is record ${refused[0].line}:`;
    const note = `${NUMBER.format(refused.length)} refused. ${first}`;
    byId("send-outcome").append(` · ${note}`, problemNote(refused[0].problem));
  }

  #refused(error) {
    if (!(error instanceof Refusal)) throw error;
    byId("send-outcome").replaceChildren(problemNote(error.problem));
    announce(`Not sent. ${error.problem.title}`);
  }

  #say(words) {
    byId("send-outcome").textContent = words;
  }
}

function recordFault(judged) {
  if (judged.json === undefined) return judged.reason;
  return bytes(judged.json) > MAX_DATA_BYTES ? "A record may have 256 KiB; this is more." : null;
}

function lineFault(lines) {
  if (lines.length === 0) return "There is nothing here yet.";
  for (const { number, ...judged } of lines) {
    const fault = recordFault(judged);
    if (fault !== null) return `Line ${number}: ${fault.replace(/^Line 1, /, "")}`;
  }
  return null;
}

function bytes(text) {
  return new TextEncoder().encode(text).length;
}
