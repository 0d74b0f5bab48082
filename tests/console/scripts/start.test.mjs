import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { commands, quoted } from "../../../streaming_runtime/console/assets/curl.js";
import {
  CannotStart, PROCESSORS, startBody,
} from "../../../streaming_runtime/console/assets/processors.js";

const EMPTY = { processor: "", parameter: "", name: "", parameters: "", label: "", ttl: "" };

test("only what was filled in is in the body", () => {
  assert.deepEqual(startBody(EMPTY), {});
  assert.deepEqual(startBody({ ...EMPTY, processor: "uppercase", label: " a ", ttl: "60" }), {
    processor: "uppercase", label: "a", ttl_seconds: 60,
  });
});

test("a processor with a parameter becomes an object", () => {
  const body = startBody({ ...EMPTY, processor: "jmespath", parameter: "user.name" });

  assert.deepEqual(body, { processor: { name: "jmespath", expression: "user.name" } });
  assert.deepEqual(startBody({ ...EMPTY, processor: "reject", parameter: "a" }).processor, {
    name: "reject", when: "a",
  });
});

test("another processor has the name and the parameters that were given", () => {
  const other = { ...EMPTY, processor: "other", name: "count" };

  assert.equal(startBody(other).processor, "count");
  assert.deepEqual(startBody({ ...other, parameters: '{"seconds": 5}' }).processor, {
    name: "count", seconds: 5,
  });
});

for (const [field, form] of [
  ["parameter", { processor: "jmespath" }],
  ["other-name", { processor: "other" }],
  ["other-parameters", { processor: "other", name: "x", parameters: "[1]" }],
  ["ttl", { ttl: "1.5" }],
  ["ttl", { ttl: "0" }],
]) {
  test(`the field at fault is named: ${field} in ${JSON.stringify(form)}`, () => {
    assert.throws(
      () => startBody({ ...EMPTY, ...form }),
      (error) => error instanceof CannotStart && error.field === field && error.message !== "",
    );
  });
}

test("every sample is JSON", () => {
  for (const { sample } of Object.values(PROCESSORS)) assert.ok(JSON.stringify(JSON.parse(sample)));
});

test("a shell gets the text that was quoted, whatever is in it", () => {
  const text = `it's $HOME \`id\` "x" \\ \n \u2603 !`;

  const { stdout } = spawnSync("sh", ["-c", `printf %s ${quoted(text)}`]);

  assert.equal(stdout.toString(), text);
});

test("commands take the key from the environment unless it is wanted in them", () => {
  const situation = {
    origin: "http://127.0.0.1:8080", streamId: "abc", startBody: { label: "it's" }, json: "[1]",
  };

  const without = commands({ ...situation, key: null });
  const withKey = commands({ ...situation, key: "secret" });

  assert.deepEqual(without.map(({ name }) => name), ["Start", "Send", "Watch", "End"]);
  assert.ok(without.every(({ command }) => command.includes('"x-api-key: $API_KEY"')));
  assert.ok(withKey.every(({ command }) => command.includes("'x-api-key: secret'")));
  assert.match(without[1].command, /\/stream\/abc\/send .*-d '\{"data": \[1\]\}'$/s);
});
