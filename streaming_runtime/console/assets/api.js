// The calls to the API, each with its deadline; a refusal is thrown as the problem it is.

import { MAYBE_STORED, Refusal, TRY_AGAIN, problemOf, unreachable } from "./problem.js";

const DEADLINE_MS = 30_000;
// Lines are answered as they are stored, however many they are.
const LINES_DEADLINE_MS = 600_000;
export const MOST_STREAMS = 1_000;

// What HTTP can carry in a header; anything else cannot be a key.
const KEY = /^[\x21-\x7e]{1,1024}$/;

export class Api {
  constructor(key) {
    this.key = key;
  }

  static isPossibleKey(key) {
    return KEY.test(key);
  }

  get headers() {
    return { "x-api-key": this.key };
  }

  start(body) {
    return this.#json("/stream/start", JSON.stringify(body));
  }

  describe(streamId) {
    return this.#json(`/stream/${encodeURIComponent(streamId)}`);
  }

  streams(after) {
    const page = after ? `&after=${encodeURIComponent(after)}` : "";
    return this.#json(`/streams?limit=${MOST_STREAMS}${page}`);
  }

  end(streamId) {
    return this.#json(`/stream/${encodeURIComponent(streamId)}/end`, "");
  }

  /** Send one record; `json` goes as it was written, token for token. */
  send(streamId, json) {
    const path = `/stream/${encodeURIComponent(streamId)}/send`;
    return this.#json(path, `{"data":${json}}`, MAYBE_STORED);
  }

  /** Send records as lines; `onAnswer` gets the receipt or problem of each, in order. */
  async sendLines(streamId, records, onAnswer) {
    const answer = await this.#ask(`/stream/${encodeURIComponent(streamId)}/send`, {
      body: records.map((json) => `{"data":${onOneLine(json)}}\n`).join(""),
      headers: { "Content-Type": "application/x-ndjson", Accept: "application/x-ndjson" },
      deadlineMs: LINES_DEADLINE_MS,
      ifLost: MAYBE_STORED,
    });
    try {
      for await (const line of lines(answer.body)) onAnswer(JSON.parse(line));
    } catch (error) {
      throw new Refusal(unreachable(error, MAYBE_STORED));
    }
  }

  async #json(path, body, ifLost = TRY_AGAIN) {
    const answer = await this.#ask(path, { body, ifLost });
    try {
      return await answer.json();
    } catch (error) {
      throw new Refusal(unreachable(error, ifLost));
    }
  }

  async #ask(path, { body, ifLost, headers = {}, deadlineMs = DEADLINE_MS }) {
    let answer;
    try {
      answer = await fetch(path, {
        method: body === undefined ? "GET" : "POST",
        headers: { ...this.headers, Accept: "application/json", ...headers },
        body,
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(deadlineMs),
      });
    } catch (error) {
      throw new Refusal(unreachable(error, ifLost));
    }
    if (!answer.ok) throw new Refusal(await problemOf(answer));
    return answer;
  }
}

// Inside a string JSON has no line end, so in valid JSON each is white space between tokens.
function onOneLine(json) {
  return json.replace(/[\r\n]+/g, " ");
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.filter((line) => line.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}
