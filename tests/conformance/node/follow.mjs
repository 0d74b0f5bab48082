// Follows streams for a suite that speaks JSON lines: {tag, address, headers} on stdin opens one,
// {tag} closes it; what it hears goes to stdout with its tag. Ends with its stdin.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";
import { EventSource } from "eventsource";

runInThisContext(readFileSync(new URL("following.js", import.meta.url), "utf8"));

const closers = new Map();

function open({ tag, address, headers }) {
  const tell = (told) => process.stdout.write(`${JSON.stringify({ tag, ...told })}\n`);
  const source = new EventSource(address, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
  });
  closers.set(tag, globalThis.followEvents(source, tell));
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const asked = JSON.parse(line);
    if (asked.address !== undefined) {
      open(asked);
    } else {
      closers.get(asked.tag)?.();
      closers.delete(asked.tag);
    }
  })
  .on("close", () => process.exit(0));
