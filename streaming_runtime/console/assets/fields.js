// What is wrong with a field, said where it is: each field has a place named ID-error.

import { byId } from "./dom.js";

/** Say what is wrong, and put the keyboard where it can be mended. */
export function fieldError(id, words) {
  showFieldError(id, words);
  byId(id).focus();
}

export function showFieldError(id, words) {
  byId(id).setAttribute("aria-invalid", "true");
  byId(`${id}-error`).textContent = words;
  byId(`${id}-error`).hidden = false;
}

export function clearFieldError(id) {
  byId(id).removeAttribute("aria-invalid");
  byId(`${id}-error`).textContent = "";
  byId(`${id}-error`).hidden = true;
}
