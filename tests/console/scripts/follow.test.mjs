import assert from "node:assert/strict";
import { test } from "node:test";

import { Following, delayMs, isFinal } from "../../../streaming_runtime/console/assets/follow.js";

const EVENTS = { "content-type": "text/event-stream" };
const OPENING = "retry: 2000\nid: c0\n\n";
const result = (n) => `id: c${n}\ndata: {"n":${n}}\n\n`;

/** A stream that gives its chunks and then ends, breaks or stays open. */
function body(chunks, { breaks = false, stays = false, signal = null } = {}) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      signal?.addEventListener("abort", () => {
        const error = new Error("aborted");
        error.name = "AbortError";
        controller.error(error);
      });
      if (stays) return;
      if (breaks) setTimeout(() => controller.error(new TypeError("network error")), 5);
      else controller.close();
    },
  });
}

/** Follow a server that answers with `answers`, one after the other; waits take no time. */
function following(answers, seams = {}) {
  const seen = { events: [], states: [], waits: [], requests: [] };
  const follow = new Following({
    url: "/stream/s/results?from=start",
    headers: { "x-api-key": "k" },
    onEvent: (event) => seen.events.push(event),
    onState: (state) => seen.states.push(state),
    seams: {
      fetch: async (url, request) => {
        seen.requests.push({ url, ...request });
        const next = answers.shift();
        if (next === undefined) throw new Error("one request too many");
        if (next instanceof Error) throw next;
        return next(request);
      },
      random: () => 0,
      setTimeout: (act, milliseconds) => {
        // The watchdog's timers are for silence; there is none here.
        if (milliseconds >= 20_000) return 0;
        seen.waits.push(milliseconds);
        return setTimeout(act, 0);
      },
      clearTimeout,
      ...seams,
    },
  });
  return { follow, seen };
}

const events = (chunks, how) => (request) =>
  new Response(body(chunks, { signal: request.signal, ...how }), { headers: EVENTS });
const refusal = (status, code, headers = {}) => () =>
  new Response(JSON.stringify({ code, title: code, status, retriable: false }), { status, headers });
const over = () => new Response(null, { status: 204 });

const names = (states) => states.map(({ name }) => name);
const numbers = (seen) => seen.events.map(({ data }) => JSON.parse(data).n);

test("a broken connection goes on at the last complete event, without a hole or a repeat", async () => {
  const { follow, seen } = following([
    events([OPENING, result(1), result(2), "id: c3\ndata: {"], { breaks: true }),
    events(["id: c2\n\n", result(3)]),
    over,
  ]);

  await follow.run();

  assert.deepEqual(numbers(seen), [1, 2, 3]);
  const positions = seen.requests.map(({ headers }) => headers["Last-Event-ID"]);
  assert.deepEqual(positions, [undefined, "c2", "c3"]);
  assert.equal(seen.states.at(-1).name, "ended");
});

test("a server that is away is asked again until it is back", async () => {
  const away = () => new TypeError("Failed to fetch");
  const { follow, seen } = following([
    events([OPENING, result(1)]), away(), away(), refusal(503, "overloaded"), events([result(2)]), over,
  ]);

  await follow.run();

  assert.deepEqual(numbers(seen), [1, 2]);
  assert.deepEqual(names(seen.states), [
    "connecting", "connected", "waiting", "connecting", "waiting", "connecting", "waiting",
    "connecting", "waiting", "connecting", "connected", "waiting", "connecting", "ended",
  ]);
  assert.equal(seen.states[4].problem.title, "The server cannot be reached");
});

test("the position of a bare id is kept, so a reader that saw no result has one", async () => {
  const { follow, seen } = following([events([OPENING]), over]);

  await follow.run();

  assert.equal(seen.requests[1].headers["Last-Event-ID"], "c0");
});

test("the wait is never shorter than retry and Retry-After say", async () => {
  const { follow, seen } = following([
    events([OPENING]), refusal(429, "rate-limited", { "retry-after": "7" }), over,
  ]);

  await follow.run();

  assert.deepEqual(seen.waits, [2000, 7000]);
});

test("an end is the end: nothing more is asked for", async () => {
  const { follow, seen } = following([
    events([OPENING, result(1), "id: c2\nevent: end\ndata: {}\n\n"], { stays: true }),
  ]);

  await follow.run();

  assert.equal(seen.requests.length, 1);
  assert.equal(seen.states.at(-1).name, "ended");
  assert.equal(seen.requests[0].signal.aborted, true);
});

for (const [status, code] of [
  [400, "invalid-cursor"], [401, "unauthorized"], [403, "forbidden"], [404, "unknown-stream"],
]) {
  test(`${status} stops for good and says why`, async () => {
    const { follow, seen } = following([refusal(status, code)]);

    await follow.run();

    assert.equal(seen.states.at(-1).name, "refused");
    assert.equal(seen.states.at(-1).problem.code, code);
  });
}

test("an answer of something else on the way is shown, and tried again", async () => {
  const page = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  const { follow, seen } = following([page, over]);

  await follow.run();

  assert.match(seen.states[1].problem.title, /502/);
  assert.equal(seen.states.at(-1).name, "ended");
});

test("stop ends an open connection and a wait alike", async () => {
  const open = following([events([OPENING], { stays: true })]);
  const running = open.follow.run();
  await new Promise((resolve) => setTimeout(resolve, 20));
  open.follow.stop();
  await running;

  const waiting = following([new TypeError("away")], { setTimeout: () => 0 });
  const asleep = waiting.follow.run();
  await new Promise((resolve) => setTimeout(resolve, 20));
  waiting.follow.stop();
  await asleep;

  assert.equal(open.seen.states.at(-1).name, "stopped");
  assert.equal(waiting.seen.states.at(-1).name, "stopped");
});

test("retryNow ends a wait at once", async () => {
  const { follow, seen } = following([new TypeError("away"), over], { setTimeout: () => 0 });
  const running = follow.run();
  await new Promise((resolve) => setTimeout(resolve, 20));

  follow.retryNow();
  await running;

  assert.equal(seen.states.at(-1).name, "ended");
});

test("a connection that has fallen silent is given up and made anew", async () => {
  const watchdogs = [];
  const { follow, seen } = following(
    [events([OPENING, result(1)], { stays: true }), events([result(2)]), over],
    {
      setTimeout: (act, milliseconds) => {
        if (milliseconds < 20_000) return setTimeout(act, 0);
        watchdogs.push(act);
        return watchdogs.length;
      },
      clearTimeout: () => {},
    },
  );
  const running = follow.run();
  await new Promise((resolve) => setTimeout(resolve, 20));

  watchdogs.at(-1)();
  await running;

  assert.deepEqual(numbers(seen), [1, 2]);
});

test("waits grow with every failure, spread, and stay bounded", () => {
  const wait = (failures, random) => delayMs({ retryMs: 1000, failures, random });

  assert.equal(wait(0, 0), 1000);
  assert.equal(wait(0, 1), 1500);
  assert.equal(wait(3, 1), 5000);
  assert.equal(wait(1000, 1), 31_000);
});

test("only what cannot change by itself is final", () => {
  assert.deepEqual([204, 400, 401, 403, 404, 406].filter(isFinal).length, 6);
  assert.deepEqual([200, 408, 429, 500, 502, 503].filter(isFinal), []);
});
