import assert from "node:assert/strict";
import { test } from "node:test";

import { Backlog } from "../../../streaming_runtime/console/assets/backlog.js";
import { read } from "../../../streaming_runtime/console/assets/result.js";
import { RoundTrips, recordOf } from "../../../streaming_runtime/console/assets/round-trips.js";

const TIMES = '"sent_at":"2026-01-31T12:00:00.100Z","processed_at":"2026-01-31T12:00:00.107Z"';

test("a result has its data token for token, and how long it took", () => {
  const data = `{"id":"c1","kind":"result","source":"3-4","data":{"n":9007199254740993},${TIMES}}`;

  const item = read({ type: "message", data, id: "c1" });

  assert.equal(item.what, "result");
  assert.equal(item.text, '{"n":9007199254740993}');
  assert.equal(item.source, "3-4");
  assert.equal(item.latencyMs, 7);
});

test("a failed result is told in the words of its problem", () => {
  const problem = '{"code":"processing-failed","title":"Failed","detail":"no `name` in it"}';
  const data = `{"kind":"failed","source":"3-4","error":${problem},${TIMES}}`;

  const item = read({ type: "failed", data, id: "c1" });

  assert.equal(item.what, "failed");
  assert.equal(item.brief, "no `name` in it");
  assert.equal(item.text, problem);
});

test("a gap says why", () => {
  const gap = (reason) =>
    read({ type: "gap", id: "c", data: `{"requested":null,"earliest":"c","reason":"${reason}"}` });

  assert.match(gap("retention").reason, /removed/);
  assert.match(gap("incarnation").reason, /anew/);
});

test("an event that is of no concern to a person is none", () => {
  assert.equal(read({ type: "reconnect", data: '{"retry_ms":1}', id: "c" }), null);
  assert.equal(read({ type: "something-new", data: "", id: "c" }), null);
});

test("the backlog keeps the latest rows and counts the others", () => {
  const backlog = new Backlog(3);

  for (let n = 0; n < 100; n += 1) backlog.push({ n, size: 1 });

  assert.equal(backlog.waiting, 100);
  assert.equal(backlog.skipped, 97);
  assert.deepEqual(backlog.drain().map(({ n }) => n), [97, 98, 99]);
  assert.equal(backlog.waiting, 0);
});

test("the backlog is bounded by its text as well, but the last row always fits", () => {
  const backlog = new Backlog(500, 100);

  for (const size of [60, 60, 30, 1000]) backlog.push({ size });

  assert.deepEqual(backlog.drain(), [{ size: 1000 }]);
});

test("a round trip is told whichever comes first, the receipt or the result", () => {
  const trips = new RoundTrips();
  const told = [];
  const report = (milliseconds) => told.push(milliseconds);

  trips.begin(100)("3-1");
  trips.came("3-1", 112, report);
  const settle = trips.begin(200);
  trips.came("3-2-1", 215, report);
  settle("3-2");

  assert.deepEqual(told, [12, 15]);
});

test("results of others are not remembered", () => {
  const trips = new RoundTrips();
  const told = [];

  trips.came("3-1", 50, (milliseconds) => told.push(milliseconds));
  trips.begin(100)("3-1");

  assert.deepEqual(told, []);
  assert.equal(recordOf("3-2-1"), "3-2");
});
