// JSON as text. Results are shown token for token: JSON.parse would turn 9007199254740993 into
// another number, and the server passes it on as it is. The texts given here are valid JSON.

const SPACE = /[ \t\r\n]/;
const INDENT = "  ";

/** The members of an object's text: name to the raw text of its value. */
export function rawMembers(text) {
  const members = new Map();
  let at = text.indexOf("{") + 1;
  for (;;) {
    while (SPACE.test(text[at] ?? "") || text[at] === ",") at += 1;
    if (text[at] !== '"') return members;
    const nameEnd = endOfString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd));
    const start = skipSpace(text, text.indexOf(":", nameEnd) + 1);
    at = endOfValue(text, start);
    members.set(name, text.slice(start, at));
  }
}

/** The same JSON, a member or an element a line; no token is changed. */
export function pretty(text) {
  const out = [];
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const end = endOfToken(text, at);
    const token = text.slice(at, end);
    at = skipSpace(text, end);
    if (token === "{" || token === "[") {
      const closes = text[at] === "}" || text[at] === "]";
      depth += closes ? 0 : 1;
      out.push(token, closes ? "" : newLine(depth));
      if (closes) {
        out.push(text[at]);
        at = skipSpace(text, at + 1);
      }
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out.push(newLine(depth), token);
    } else if (token === ",") {
      out.push(token, newLine(depth));
    } else {
      out.push(token, token === ":" ? " " : "");
    }
  }
  return out.join("");
}

/**
 * Judge what a person typed.
 *
 * @returns {{json: string} | {reason: string}} the text to send, or why it is no JSON
 */
export function judge(text) {
  const trimmed = text.trim();
  if (trimmed === "") return { reason: "There is nothing here yet." };
  try {
    JSON.parse(trimmed);
    return { json: trimmed };
  } catch (error) {
    return { reason: `${place(trimmed, error)}${said(error)}` };
  }
}

/** Judge lines, each a record of its own; empty lines are none. */
export function judgeLines(text) {
  const lines = text.split(/\r\n|\n|\r/).map((line, index) => ({ line, number: index + 1 }));
  return lines
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => ({ line, number, ...judge(line) }));
}

function newLine(depth) {
  return `\n${INDENT.repeat(depth)}`;
}

function skipSpace(text, at) {
  while (at < text.length && SPACE.test(text[at])) at += 1;
  return at;
}

function endOfToken(text, at) {
  if (text[at] === '"') return endOfString(text, at);
  if ("{}[],:".includes(text[at])) return at + 1;
  return endOfScalar(text, at);
}

function endOfString(text, at) {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    if (end < 0) return text.length;
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
  }
}

function endOfScalar(text, at) {
  const stop = /[\s,:[\]{}"]/g;
  stop.lastIndex = at + 1;
  return stop.exec(text)?.index ?? text.length;
}

function endOfValue(text, at) {
  if (text[at] !== "{" && text[at] !== "[") return endOfToken(text, at);
  let depth = 0;
  do {
    if (text[at] === "{" || text[at] === "[") depth += 1;
    if (text[at] === "}" || text[at] === "]") depth -= 1;
    at = skipSpace(text, endOfToken(text, at));
  } while (depth > 0 && at < text.length);
  return at;
}

// Engines word their errors each in its own way; a position is in most of them.
function place(text, error) {
  const line = /line (\d+) column (\d+)/.exec(error.message);
  if (line) return `Line ${line[1]}, column ${line[2]}: `;
  const position = /position (\d+)/.exec(error.message);
  if (!position) return "";
  const before = text.slice(0, Number(position[1])).split("\n");
  return `Line ${before.length}, column ${before.at(-1).length + 1}: `;
}

function said(error) {
  const words = error.message
    .replace(/^JSON\.parse: |^JSON Parse error: /, "")
    .replace(/,? ?"[^]*" is not valid JSON$| of the JSON data$/, "")
    .replace(/ (in JSON )?at (position \d+|line \d+ column \d+).*$/, "");
  return words === "" ? "This is not JSON." : `${words}.`;
}
