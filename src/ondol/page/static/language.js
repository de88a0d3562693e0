// Korean and English: the browser's first language decides until a person does.

import { words } from "./words.js";
import { byId } from "./dom.js";

const KEY = "ondol.language";
const listeners = [];

let current = stored() ?? (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en");

/** A phrase of the page. values: for the {names} in it. */
export function say(key, values = {}) {
  return words[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A number as people of the language write it. */
export function number(value, digits = 0) {
  return value.toLocaleString(current, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** Have `redraw` called whenever the language changes. */
export function onLanguage(redraw) {
  listeners.push(redraw);
}

/** Write the page's own phrases, and let the button switch them. */
export function startLanguage() {
  byId("language").addEventListener("click", () => {
    current = current === "ko" ? "en" : "ko";
    try {
      localStorage.setItem(KEY, current);
    } catch {
      // A browser may forbid it; then the choice lasts as long as the page.
    }
    write();
    listeners.forEach((redraw) => redraw());
  });
  write();
}

function write() {
  document.documentElement.lang = current;
  for (const place of document.querySelectorAll("[data-text]")) {
    place.textContent = say(place.dataset.text);
  }
  for (const place of document.querySelectorAll("[data-placeholder]")) {
    place.placeholder = say(place.dataset.placeholder);
  }
  for (const place of document.querySelectorAll("[data-label]")) {
    place.setAttribute("aria-label", say(place.dataset.label));
  }
  const other = byId("language");
  other.textContent = current === "ko" ? "English" : "한국어";
  other.lang = current === "ko" ? "en" : "ko";
}

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return value in words ? value : null;
  } catch {
    return null;
  }
}
