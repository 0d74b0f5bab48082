// Descriptions as elements: paragraphs, lists and code; nothing else of Markdown is used in ours.

import { el, inline } from "./dom.js";

/** The elements of a text; blank lines part paragraphs, "- " begins an item. */
export function prose(text) {
  return (text ?? "")
    .split(/\n\s*\n/)
    .map((block) => block.trim())
    .filter((block) => block !== "")
    .map((block) => (block.startsWith("- ") ? list(block) : el("p", {}, ...inline(block))));
}

function list(block) {
  const items = block.split(/\n- /).map((item) => item.replace(/^- /, ""));
  return el("ul", { class: "bullets" }, ...items.map((item) => el("li", {}, ...inline(item))));
}
