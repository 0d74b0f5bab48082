// Results on their way to the screen: bounded, whatever comes in between two paints.

export const MAX_ROWS = 500;
// 500 results of 256 KiB would be 128 MiB of text.
export const MAX_CHARACTERS = 16 * 1024 * 1024;

/** Keeps the latest rows; what is pushed out is counted. A row has a `size` in characters. */
export class Backlog {
  #rows = [];
  #first = 0;
  #characters = 0;
  skipped = 0;

  constructor(maxRows = MAX_ROWS, maxCharacters = MAX_CHARACTERS) {
    this.maxRows = maxRows;
    this.maxCharacters = maxCharacters;
  }

  get length() {
    return this.#rows.length - this.#first;
  }

  /** How many came since the last drain, kept or not. */
  get waiting() {
    return this.length + this.skipped;
  }

  push(row) {
    this.#rows.push(row);
    this.#characters += row.size;
    while (this.#isOver()) this.#drop();
    // Dropped from the front one by one, removed in one go: shift() on each would be a copy each.
    if (this.#first > this.maxRows) this.#compact();
  }

  /** Take all, oldest first. */
  drain() {
    const rows = this.#rows.slice(this.#first);
    this.clear();
    return rows;
  }

  clear() {
    this.#rows = [];
    this.#first = 0;
    this.#characters = 0;
    this.skipped = 0;
  }

  #isOver() {
    return this.length > this.maxRows || (this.#characters > this.maxCharacters && this.length > 1);
  }

  #drop() {
    this.#characters -= this.#rows[this.#first].size;
    this.#rows[this.#first] = null;
    this.#first += 1;
    this.skipped += 1;
  }

  #compact() {
    this.#rows = this.#rows.slice(this.#first);
    this.#first = 0;
  }
}
