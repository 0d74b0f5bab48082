import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStreamParser, EventTooLarge } from "../../../streaming_runtime/console/assets/sse.js";

const encode = (text) => new TextEncoder().encode(text);

function parse(chunks, lastEventId = "") {
  const events = [];
  const parser = new EventStreamParser((event) => events.push(event), lastEventId);
  for (const chunk of chunks) parser.push(typeof chunk === "string" ? encode(chunk) : chunk);
  return { events, parser };
}

test("a result without a name is a message, with its id", () => {
  const { events } = parse(['id: c1\ndata: {"a":1}\n\n']);

  assert.deepEqual(events, [{ type: "message", data: '{"a":1}', id: "c1" }]);
});

for (const [name, end] of [["LF", "\n"], ["CRLF", "\r\n"], ["CR", "\r"]]) {
  test(`lines may end with ${name}`, () => {
    const { events } = parse([["event: gap", "id: c2", "data: x", "data: y", "", ""].join(end)]);

    assert.deepEqual(events, [{ type: "gap", data: "x\ny", id: "c2" }]);
  });
}

test("any cut into chunks gives the same events, also within a character and within CRLF", () => {
  const whole = encode("retry: 700\r\nid: ü1\r\ndata: snow ☃ and 🌊\r\n\r\nevent: failed\ndata: x\n\n");
  const expected = parse([whole]).events;

  for (let size = 1; size < whole.length; size += 1) {
    const chunks = [];
    for (let at = 0; at < whole.length; at += size) chunks.push(whole.slice(at, at + size));
    assert.deepEqual(parse(chunks).events, expected, `in chunks of ${size}`);
  }
  assert.equal(expected[0].data, "snow ☃ and 🌊");
  assert.equal(expected.length, 2);
});

test("a bare id moves the position and is no event", () => {
  const { events, parser } = parse(["retry: 1200\nid: c7\n\n"]);

  assert.deepEqual(events, []);
  assert.equal(parser.lastEventId, "c7");
  assert.equal(parser.retryMs, 1200);
});

test("an event that was cut off does not move the position", () => {
  const { events, parser } = parse(["id: c1\ndata: 1\n\n", "id: c2\ndata: 2\n"]);

  assert.equal(events.length, 1);
  assert.equal(parser.lastEventId, "c1");
});

test("the id of an earlier connection stays until another comes", () => {
  const { events, parser } = parse(["event: error\ndata: {}\n\n"], "c5");

  assert.equal(events[0].id, "c5");
  assert.equal(parser.lastEventId, "c5");
});

test("comments, unknown fields, an id with NUL and a retry that is no number are passed over", () => {
  const { events, parser } = parse([": heartbeat\n\nx: y\nid: a\0b\nretry: 1s\nretry\ndata: 1\n\n"]);

  assert.deepEqual(events, [{ type: "message", data: "1", id: "" }]);
  assert.equal(parser.retryMs, null);
});

test("one space after the colon belongs to the form, the next to the data", () => {
  const { events } = parse(["data:a\n\ndata:  b\n\ndata\n\n"]);

  assert.deepEqual(events.map(({ data }) => data), ["a", " b", ""]);
});

test("the name of an event does not pass to the next one", () => {
  const { events } = parse(["event: end\n\ndata: 1\n\n"]);

  assert.deepEqual(events.map(({ type }) => type), ["message"]);
});

test("a byte order mark at the start is no part of the first field", () => {
  const { events } = parse([new Uint8Array([0xef, 0xbb]), new Uint8Array([0xbf]), "data: 1\n\n"]);

  assert.equal(events.length, 1);
});

test("what is far larger than any result is refused before it fills the memory", () => {
  const parser = new EventStreamParser(() => assert.fail("there is no whole event"));
  const megabyte = encode("x".repeat(1 << 20));

  assert.throws(() => {
    for (let count = 0; count < 20; count += 1) parser.push(megabyte);
  }, EventTooLarge);
});
