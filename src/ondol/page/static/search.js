// The search tab: a field, and the passages that fit, from key to key.

import { byId, element, showProblem } from "./dom.js";
import { number, onLanguage, say } from "./language.js";
import { ask, report } from "./server.js";
import { Latest, onPause } from "./typing.js";

const query = byId("query");
const list = byId("hits");
const latest = new Latest();
const problem = byId("search-problem");

let index = null;
let answer = null; // of the last search, null before the first
let searched = "";

export function startSearch() {
  const settle = onPause(query, search);
  query.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") settle();
    else if (event.key === "ArrowDown" && list.firstChild) focusHit(list.firstChild);
    else if (event.key === "Escape") {
      query.value = "";
      settle();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("keydown", onHitKey);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    byId("tab-search").click();
    query.focus();
    query.select();
  });
  onLanguage(draw);
  describe();
}

async function describe() {
  try {
    index = await ask("/ui/index");
    draw();
    byId("no-index").hidden = index !== null;
  } catch (error) {
    report(error, problem, describe);
  }
}

async function search(text) {
  searched = text;
  const signal = latest.next();
  if (text.trim() === "") {
    answer = null;
    showProblem(problem, null);
    draw();
    return;
  }
  byId("found").textContent = say("searching");
  try {
    answer = await ask("/ui/search", { body: { text }, signal });
    showProblem(problem, null);
    draw();
  } catch (error) {
    if (!signal.aborted) byId("found").textContent = "";
    report(error, problem, () => search(searched));
  }
}

function draw() {
  const hits = answer?.hits ?? [];
  const values = { count: number(hits.length), ms: number(answer?.milliseconds ?? 0) };
  byId("found").textContent =
    answer === null || !hits.length ? "" : say(hits.length === 1 ? "found_one" : "found", values);
  byId("holds").textContent =
    index === null
      ? ""
      : say("holds", {
          folder: index.folder,
          files: number(index.files),
          passages: number(index.passages),
        });
  byId("holds").title = index?.root ?? "";
  byId("open-key").hidden = !index?.opens;
  byId("no-query").hidden = index === null || answer !== null;
  byId("no-hits").hidden = index === null || answer === null || hits.length > 0;
  list.replaceChildren(...hits.map(drawHit));
}

function drawHit(hit, place) {
  const whole = element("p", { className: "whole", hidden: true, textContent: hit.text });
  const more = element("button", {
    type: "button",
    className: "more",
    ariaExpanded: "false",
    textContent: say("show_whole"),
  });
  more.addEventListener("click", () => {
    whole.hidden = !whole.hidden;
    more.ariaExpanded = String(!whole.hidden);
    more.textContent = say(whole.hidden ? "show_whole" : "hide_whole");
  });
  const copy = element("button", {
    type: "button",
    className: "copy",
    title: hit.path,
    textContent: say("copy"),
  });
  copy.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(hit.path).then(
      () => true,
      () => false,
    );
    copy.textContent = say(done ? "copied" : "not_copied");
  });
  const open = element("button", {
    type: "button",
    className: "open",
    hidden: hit.open === null,
    title: hit.path,
    textContent: say("open"),
  });
  open.addEventListener("click", async () => {
    try {
      await ask("/ui/open", { body: { id: hit.open } });
      open.textContent = say("opened");
    } catch (error) {
      report(error, problem, () => {});
    }
  });
  const ranks = ["vector_rank", "word_rank"]
    .filter((name) => hit[name] !== null)
    .map((name) => element("span", { textContent: say(name, { rank: number(hit[name]) }) }));
  return element(
    "li",
    { tabIndex: place === 0 ? 0 : -1 },
    element(
      "div",
      { className: "place" },
      element("span", { className: "file", textContent: hit.file, title: hit.path }),
      element("span", { className: "where", textContent: whereIn(hit) }),
      element("span", { className: "headings", textContent: hit.headings.join(" › ") }),
    ),
    element(
      "p",
      { className: "snippet" },
      ...hit.snippet.map(({ text, marked }) =>
        marked ? element("mark", { textContent: text }) : text,
      ),
    ),
    element(
      "div",
      { className: "numbers" },
      element("span", { textContent: say("score", { score: number(hit.score, 4) }) }),
      ...ranks,
      more,
      open,
      copy,
    ),
    whole,
  );
}

function whereIn({ unit, first, last }) {
  if (first === null) return "";
  const name = unit === "page" ? "page" : "lines";
  return say(first === last ? name : `${name}_range`, { first, last });
}

// One passage can be reached by Tab, the arrows go on from there (roving tabindex).
function focusHit(item) {
  for (const other of list.children) other.tabIndex = -1;
  item.tabIndex = 0;
  item.focus();
  item.scrollIntoView({ block: "nearest" });
}

function onHitKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const item = event.target.closest("li");
  const onButton = event.target.matches("button");
  if (event.key === "ArrowDown") focusHit(item.nextSibling ?? item);
  else if (event.key === "ArrowUp" && item.previousSibling) focusHit(item.previousSibling);
  else if (event.key === "ArrowUp" || event.key === "Escape") query.focus();
  else if (event.key === "Home") focusHit(list.firstChild);
  else if (event.key === "End") focusHit(list.lastChild);
  else if (event.key === "Enter" && !onButton) item.querySelector(".more").click();
  else if (event.code === "KeyO") item.querySelector(".open").click(); // also as ㅐ
  else if (event.code === "KeyC") item.querySelector(".copy").click(); // also as ㅊ
  else return;
  event.preventDefault();
}
