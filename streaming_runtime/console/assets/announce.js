// What a screen reader is told. A live region that changes with every result would never fall
// silent, so counts are told together and seldom; what a person must know is told at once.

import { byId } from "./dom.js";

const COUNTS_EVERY_MS = 15_000;

let results = 0;
let failed = 0;
let timer = null;

/** Say something now: a state, an outcome. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Count results that came; they are told when the time has come. */
export function countForAnnouncement(newResults, newFailed) {
  results += newResults;
  failed += newFailed;
  if (timer === null && results + failed > 0) timer = setTimeout(tell, COUNTS_EVERY_MS);
}

function tell() {
  const failures = failed > 0 ? `, ${failed} failed` : "";
  announce(`${results + failed} new ${results + failed === 1 ? "result" : "results"}${failures}`);
  results = 0;
  failed = 0;
  timer = null;
}
