// The bytes of a text/event-stream, read as events.
// EventSource cannot send x-api-key, so the page reads the stream with fetch() and parses it here.
// Source: WHATWG HTML, section 9.2.6.

// A result is at most 256 KiB; what is far beyond it is not ours and must not fill the memory.
const MAX_EVENT_CHARACTERS = 8 * 1024 * 1024;

export class EventTooLarge extends Error {}

/**
 * Reads one connection's bytes, however they are cut into chunks.
 *
 * `lastEventId` is the position behind the last complete event: an event that was cut off in the
 * middle does not move it, so a reader that comes back with it gets that event whole.
 */
export class EventStreamParser {
  #decoder = new TextDecoder();
  #rest = "";
  #skipsLineFeed = false;
  #data = [];
  #size = 0;
  #type = "";
  #idBuffer;
  #onEvent;

  /** @param {(event: {type: string, data: string, id: string}) => void} onEvent */
  constructor(onEvent, lastEventId = "") {
    this.#onEvent = onEvent;
    this.#idBuffer = lastEventId;
    this.lastEventId = lastEventId;
    /** Milliseconds of the last `retry:`, null before the first. */
    this.retryMs = null;
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    // A CR that ended the chunk before was a line end; the LF of the same pair is not another.
    if (this.#skipsLineFeed && text[0] === "\n") text = text.slice(1);
    this.#skipsLineFeed = text.endsWith("\r");
    this.#lines(text);
    if (this.#size + this.#rest.length > MAX_EVENT_CHARACTERS) throw new EventTooLarge();
  }

  #lines(text) {
    const end = /\r\n|\n|\r/g;
    let start = 0;
    for (let match = end.exec(text); match !== null; match = end.exec(text)) {
      this.#line(this.#rest + text.slice(start, match.index));
      this.#rest = "";
      start = end.lastIndex;
    }
    this.#rest += text.slice(start);
  }

  #line(line) {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value[0] === " ") value = value.slice(1);
    this.#field(field, value);
  }

  #field(field, value) {
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length;
    } else if (field === "event") {
      this.#type = value;
    } else if (field === "id") {
      if (!value.includes("\0")) this.#idBuffer = value;
    } else if (field === "retry" && /^[0-9]+$/.test(value)) {
      this.retryMs = Number(value);
    }
  }

  #dispatch() {
    this.lastEventId = this.#idBuffer;
    const event = {
      type: this.#type || "message",
      data: this.#data.join("\n"),
      id: this.lastEventId,
    };
    const isEmpty = this.#data.length === 0; // a bare `id:` moves the position and is no event
    this.#data = [];
    this.#size = 0;
    this.#type = "";
    if (!isEmpty) this.#onEvent(event);
  }
}
