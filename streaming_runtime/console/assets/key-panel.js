// The API key: asked for once, kept in this tab only, and never shown or put into an address.

import { announce } from "./announce.js";
import { Api } from "./api.js";
import { byId } from "./dom.js";
import { clearFieldError, fieldError } from "./fields.js";

const STORED_AS = "millrace.key";

/** Calls `onAccepted(api, streams)` with a key that works, and `onLeft()` when it is given up. */
export class KeyPanel {
  constructor({ onAccepted, onLeft }) {
    this.onAccepted = onAccepted;
    this.onLeft = onLeft;
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try(byId("key").value.trim());
    });
    byId("key-show").addEventListener("click", () => this.#toggleShown());
    byId("key-change").addEventListener("click", () => this.#leave());
  }

  /** Go on with the key of this tab, or ask for one. */
  async begin() {
    const key = stored();
    if (key !== null) await this.#try(key);
  }

  async #try(key) {
    clearFieldError("key");
    if (key === "") return fieldError("key", "Enter a key first.");
    if (!Api.isPossibleKey(key)) {
      return fieldError("key", "No key holds spaces or such characters; was it copied whole?");
    }
    const api = new Api(key);
    byId("key-use").setAttribute("aria-busy", "true");
    try {
      this.#accept(api, await api.streams());
    } catch (error) {
      this.#judge(api, error);
    } finally {
      byId("key-use").removeAttribute("aria-busy");
    }
    return undefined;
  }

  #judge(api, error) {
    if (error.problem === undefined) throw error;
    // A key that may start and send, but not read, is a good key all the same.
    if (error.problem.code === "forbidden") return this.#accept(api, { streams: [], after: null });
    const isWrong = error.problem.code === "unauthorized";
    if (isWrong) store(null);
    const { title, detail } = error.problem;
    return fieldError("key", isWrong ? "The server does not know this key." : `${title}. ${detail}`);
  }

  #accept(api, page) {
    store(api.key);
    byId("key").value = "";
    this.#show(true);
    announce("Key accepted");
    this.onAccepted(api, page);
  }

  #leave() {
    store(null);
    this.#show(false);
    this.onLeft();
    byId("key").focus();
  }

  #show(isAccepted) {
    byId("key-form").hidden = isAccepted;
    byId("key-in-use").hidden = !isAccepted;
  }

  #toggleShown() {
    const isShown = byId("key").type === "text";
    byId("key").type = isShown ? "password" : "text";
    byId("key-show").textContent = isShown ? "Show" : "Hide";
    byId("key-show").setAttribute("aria-pressed", String(!isShown));
  }
}

// Where the browser forbids storage the page works all the same, until it is loaded again.
function stored() {
  try {
    return sessionStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function store(key) {
  try {
    if (key === null) sessionStorage.removeItem(STORED_AS);
    else sessionStorage.setItem(STORED_AS, key);
  } catch {
    // see above
  }
}
