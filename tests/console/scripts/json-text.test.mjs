import assert from "node:assert/strict";
import { test } from "node:test";

import {
  judge, judgeLines, pretty, rawMembers,
} from "../../../streaming_runtime/console/assets/json-text.js";

test("a member is given token for token", () => {
  const members = rawMembers('{"id":"x","data":{"n":9007199254740993,"s":"a\\"]}\\\\"},"t": 1e400 ,"u":[]}');

  assert.equal(members.get("data"), '{"n":9007199254740993,"s":"a\\"]}\\\\"}');
  assert.equal(members.get("t"), "1e400");
  assert.equal(members.get("u"), "[]");
  assert.deepEqual([...members.keys()], ["id", "data", "t", "u"]);
});

test("names are found by what they mean, and an empty object has none", () => {
  assert.equal(rawMembers('{"d\\u0061ta" : null}').get("data"), "null");
  assert.equal(rawMembers(" { } ").size, 0);
});

test("laying out changes white space and nothing else", () => {
  const text = '{"a":[1, {"b":{}}, [ ]],"c":"x: {, }\\\\","n":9007199254740993,"e":-1.50E+2}';

  const laidOut = pretty(text);

  assert.equal(laidOut.split("\n").length, 12);
  assert.match(laidOut, /"n": 9007199254740993,/);
  assert.match(laidOut, /"e": -1\.50E\+2/);
  assert.match(laidOut, /"c": "x: \{, \}\\\\"/);
  assert.deepEqual(JSON.parse(laidOut), JSON.parse(text));
});

test("a bare value is laid out as it is", () => {
  assert.equal(pretty('"a b"'), '"a b"');
  assert.equal(pretty("null"), "null");
});

test("what is JSON is sent as it was written", () => {
  assert.deepEqual(judge(' {"n": 9007199254740993}\n'), { json: '{"n": 9007199254740993}' });
});

test("what is no JSON is told with its place", () => {
  assert.match(judge('{"a": 1\n "b": 2}').reason, /Line 2, column 2/);
  assert.match(judge("hello").reason, /'h'/);
  assert.equal(judge("  ").reason, "There is nothing here yet.");
  for (const text of ["NaN", "01", "{a: 1}", "[1,]", "'x'"]) assert.ok(judge(text).reason, text);
});

test("lines are judged one by one, empty ones are none", () => {
  const lines = judgeLines('1\r\n\n{"a":2}\noops');

  assert.deepEqual(lines.map(({ number, json }) => [number, json]), [
    [1, "1"], [3, '{"a":2}'], [4, undefined],
  ]);
});
