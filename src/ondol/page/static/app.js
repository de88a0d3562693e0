// The page: its tabs, which the address remembers.

import { byId } from "./dom.js";
import { startLanguage } from "./language.js";
import { showModel, startModel } from "./model.js";
import { startSearch } from "./search.js";
import { showSegments, startSegments } from "./segments.js";

const tabs = [...document.querySelectorAll('[role="tab"]')];
const shows = { search: () => {}, model: showModel, segments: showSegments };

function select(name) {
  for (const tab of tabs) {
    const chosen = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
  shows[name]();
}

function fromAddress() {
  const name = location.hash.slice(1);
  select(name in shows ? name : "search");
}

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => {
    const name = tab.getAttribute("aria-controls");
    history.replaceState(null, "", `#${name}`);
    select(name);
  });
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(place + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
  });
}

startLanguage();
startSearch();
startModel();
startSegments();
window.addEventListener("hashchange", fromAddress);
fromAddress();
byId("query").focus();
