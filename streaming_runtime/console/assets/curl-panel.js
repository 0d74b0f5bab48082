// The same with curl: what the page would do next, ready to paste.

import { copyButton } from "./copy.js";
import { commands } from "./curl.js";
import { byId, el } from "./dom.js";

/** Shows the commands for what `situation()` returns; only while the panel is open. */
export class CurlPanel {
  constructor(situation) {
    this.situation = situation;
    byId("curl").addEventListener("toggle", () => this.refresh());
    byId("curl-key").addEventListener("change", () => this.refresh());
  }

  refresh() {
    if (!byId("curl").open) return;
    const { key, ...situation } = this.situation();
    const shownKey = byId("curl-key").checked ? key : null;
    const all = commands({ ...situation, key: shownKey, origin: location.origin });
    byId("curl-commands").replaceChildren(...all.map(block));
  }
}

function block({ name, command }) {
  const button = copyButton("Copy", () => command, `the command: ${name}`);
  return el(
    "div",
    { class: "command" },
    el("h3", {}, name),
    el("pre", { tabindex: "0", "aria-label": `${name}, as a command` }, command),
    button,
  );
}
