// What an event of the stream is to this page.

import { rawMembers } from "./json-text.js";
import { parseProblem } from "./problem.js";

const SHOWN_CHARACTERS = 400;

const RESULTS = new Map([
  ["message", "result"],
  ["failed", "failed"],
  ["end", "end"],
]);

/**
 * Read an event.
 *
 * Shape: {what: "result" | "failed" | "end", …} · {what: "gap", …} · {what: "slow"} ·
 * {what: "error", problem} · null for what is no concern of a person.
 */
export function read(event) {
  const kind = RESULTS.get(event.type);
  if (kind !== undefined) return result(kind, event);
  if (event.type === "gap") return { what: "gap", size: event.data.length, ...gap(event.data) };
  if (event.type === "slow") return { what: "slow", size: 0 };
  if (event.type === "error") {
    return { what: "error", size: event.data.length, problem: parseProblem(event.data) };
  }
  return null;
}

function result(kind, event) {
  const members = rawMembers(event.data);
  const text = members.get(kind === "failed" ? "error" : "data") ?? "null";
  const sentAt = own(members, "sent_at");
  const processedAt = own(members, "processed_at");
  return {
    what: kind,
    id: event.id,
    source: own(members, "source"),
    sentAt,
    processedAt,
    latencyMs: Date.parse(processedAt) - Date.parse(sentAt),
    roundTripMs: null,
    text,
    brief: kind === "failed" ? reason(text) : text.slice(0, SHOWN_CHARACTERS),
    size: text.length,
  };
}

function reason(text) {
  const problem = parseProblem(text);
  if (problem === null) return text.slice(0, SHOWN_CHARACTERS);
  return (problem.detail || problem.title).slice(0, SHOWN_CHARACTERS);
}

function gap(data) {
  const { reason, requested } = JSON.parse(data);
  const why =
    reason === "incarnation"
      ? "The topics were made anew since, so what was there before is gone."
      : "Kafka has removed them: they were older than it keeps results.";
  return { reason: why, wasAsked: typeof requested === "string" };
}

function own(members, name) {
  return String(JSON.parse(members.get(name) ?? '""'));
}
