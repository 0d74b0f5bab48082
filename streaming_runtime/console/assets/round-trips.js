// From a send to its result, by this page's own clock.

// Records whose other half never comes must not add up.
const MAX_OPEN = 2_000;

/** The input record of a result: its source without the part it has where one gives several. */
export function recordOf(source) {
  return source.split("-", 2).join("-");
}

/**
 * Joins receipts with results. Either may be the first: the answer to a send and its result come
 * over two connections. A result is remembered only while a send waits for its receipt.
 */
export class RoundTrips {
  #underWay = 0;
  #sent = new Map();
  #came = new Map();

  /** A send begins at `at`; call what is returned with its record id, or null if it failed. */
  begin(at) {
    this.#underWay += 1;
    return (recordId) => {
      this.#underWay -= 1;
      if (recordId !== null) this.#settle(recordId, at);
      if (this.#underWay === 0) this.#came.clear();
    };
  }

  /** A result came at `at`; `report` is called with the milliseconds once its send is known. */
  came(source, at, report) {
    const recordId = recordOf(source);
    const sent = this.#sent.get(recordId);
    if (sent !== undefined) {
      this.#sent.delete(recordId);
      report(at - sent);
    } else if (this.#underWay > 0) {
      keep(this.#came, recordId, { at, report });
    }
  }

  clear() {
    this.#sent.clear();
    this.#came.clear();
  }

  #settle(recordId, at) {
    const came = this.#came.get(recordId);
    if (came === undefined) keep(this.#sent, recordId, at);
    else came.report(came.at - at);
  }
}

function keep(map, key, value) {
  map.set(key, value);
  if (map.size > MAX_OPEN) map.delete(map.keys().next().value);
}
