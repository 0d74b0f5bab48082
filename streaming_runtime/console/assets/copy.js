// Copying to the clipboard, with an answer that is seen and heard.

import { announce } from "./announce.js";
import { el } from "./dom.js";

const SHOWN_MS = 1_500;

/** A button that copies what `text()` returns; `what` completes its name for a screen reader. */
export function copyButton(label, text, what) {
  const button = el("button", { type: "button", class: "quiet", "aria-label": `${label} ${what}` });
  button.textContent = label;
  button.addEventListener("click", async () => {
    const isCopied = await copy(text());
    button.textContent = isCopied ? "Copied" : "Not allowed";
    announce(isCopied ? `Copied ${what}` : "The browser does not allow copying; select the text");
    setTimeout(() => {
      button.textContent = label;
    }, SHOWN_MS);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain http on another host there is no clipboard; nothing else can be done from here.
    return false;
  }
}
