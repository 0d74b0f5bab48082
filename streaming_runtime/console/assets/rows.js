// One line of the list of results; its whole content is made only when it is opened.

import { el, inline } from "./dom.js";
import { milliseconds } from "./figures.js";
import { pretty } from "./json-text.js";
import { copyButton } from "./copy.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

/** A row for anything that `read()` of result.js returns. */
export function rowOf(item) {
  if (item.what === "gap") return notice("gap", "Results are missing here", item.reason);
  if (item.what === "slow") {
    return notice("slow", "This page fell behind", "The server let it go; it goes on where it was.");
  }
  if (item.what === "error") return errorRow(item.problem);
  if (item.what === "end") {
    return notice("end", "The stream has ended", "Nothing comes after this.");
  }
  return resultRow(item);
}

function notice(what, title, text) {
  return el("li", { class: `row notice ${what}` }, el("strong", {}, title), ` ${text}`);
}

function errorRow(problem) {
  const title = problem?.title ?? "The server could not go on";
  return notice("error", title, "The reading goes on by itself as soon as it can.");
}

function resultRow(item) {
  const latency = el("span", { class: "latency" });
  item.showLatency = () => {
    latency.textContent = milliseconds(item.roundTripMs ?? item.latencyMs);
  };
  item.showLatency();
  const summary = el(
    "summary",
    { tabindex: "-1" },
    el("time", { datetime: item.processedAt }, clock(item.processedAt)),
    el("span", { class: `kind ${item.what}` }, item.what),
    el("span", { class: "source" }, item.source),
    brief(item),
    latency,
  );
  const details = el("details", {}, summary);
  details.addEventListener("toggle", () => fill(details, item), { once: true });
  return el("li", { class: `row ${item.what}` }, details);
}

function brief(item) {
  // What failed is told in words, what came out is shown as the JSON it is.
  return item.what === "failed"
    ? el("span", { class: "brief" }, ...inline(item.brief))
    : el("code", { class: "brief" }, item.brief);
}

function fill(details, item) {
  const whole = pretty(item.text);
  details.append(
    el(
      "div",
      { class: "whole" },
      el("pre", { tabindex: "0", "aria-label": "The whole result" }, whole),
      el("p", { class: "small" }, copyButton("Copy", () => whole, `the data of ${item.source}`)),
      facts(item),
    ),
  );
}

function facts(item) {
  const list = el("dl", { class: "facts" });
  const fact = (name, value) => list.append(el("dt", {}, name), el("dd", {}, value));
  fact("Input record", item.source);
  fact("Sent", item.sentAt);
  fact("Processed", `${item.processedAt}, ${milliseconds(item.latencyMs)} later`);
  if (item.roundTripMs !== null) {
    fact("Shown here", `${milliseconds(item.roundTripMs)} after it was sent from here`);
  }
  fact("Cursor", item.id);
  return list;
}

function clock(time) {
  const moment = new Date(time);
  return Number.isNaN(moment.getTime()) ? time : CLOCK.format(moment);
}
