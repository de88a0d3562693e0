// The model tab: what the manifest records, and what is measured on this machine.

import { byId, element, fillTable, showProblem } from "./dom.js";
import { number, onLanguage, say } from "./language.js";
import { ask, report } from "./server.js";

const POLL_MS = 1000;
const problem = byId("model-problem");

let model = null;
let measurement = null;
let timer = 0;

export function startModel() {
  byId("measure").addEventListener("click", () => update("/ui/measurement/start", {}));
  byId("stop").addEventListener("click", () => update("/ui/measurement/stop", {}));
  onLanguage(draw);
}

/** Called when the tab is shown. */
export async function showModel() {
  try {
    model ??= await ask("/ui/model");
    draw();
  } catch (error) {
    report(error, problem, showModel);
    return;
  }
  update("/ui/measurement");
}

async function update(path, body) {
  clearTimeout(timer);
  try {
    measurement = await ask(path, { body });
    showProblem(problem, null);
    draw();
    if (measurement.state === "running") {
      timer = setTimeout(update, POLL_MS, "/ui/measurement");
    }
  } catch (error) {
    report(error, problem, () => update("/ui/measurement"));
  }
}

function draw() {
  if (model !== null) {
    drawFacts();
    drawRecorded();
  }
  if (measurement !== null) drawMeasurement();
}

function drawFacts() {
  const facts = {
    fact_name: model.name,
    fact_source: model.source,
    fact_shape: say("shape", model),
    fact_tokens: say("tokens", { count: number(model.max_tokens) }),
    fact_rows: say("rows", {
      rows: number(model.rows),
      source_rows: number(model.source_rows),
    }),
  };
  byId("facts").replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      element(
        "div",
        {},
        element("dt", { textContent: say(name) }),
        element("dd", { textContent: value }),
      ),
    ),
  );
}

function drawRecorded() {
  const head = ["variant", "size", "mean", "min", "floor"].map((name) => say(`column_${name}`));
  const rows = model.variants.map((variant) => [
    variant.loaded ? say("loaded", variant) : variant.name,
    number(variant.bytes / 1e6, 1),
    number(variant.mean_cosine, 6),
    number(variant.min_cosine, 6),
    number(variant.floor, 4),
  ]);
  fillTable(byId("recorded"), [head, ...rows]);
  drawPlots(byId("recorded-plots"), model.plots, "");
}

function drawMeasurement() {
  const { state, progress, report: found, plots } = measurement;
  const running = state === "running";
  byId("measure").disabled = running;
  byId("measure").textContent = say(found === null ? "measure" : "measure_again");
  byId("stop").hidden = !running;
  byId("progress").textContent =
    {
      running: progress || say("state_running"),
      stopped: say("state_stopped"),
      failed: say("state_failed", { progress }),
    }[state] ?? "";
  byId("results").hidden = found === null;
  if (found === null) return;
  byId("machine").textContent = say("machine", {
    processor: found.machine.processor,
    threads: number(found.threads),
    time: new Date(found.measured_at).toLocaleString(document.documentElement.lang),
  });
  drawResults(found);
  drawPlots(byId("measured-plots"), plots, found.measured_at);
}

function drawResults({ variants, threads }) {
  const lengths = [
    ...new Set(variants.flatMap(({ latency }) => latency.map(({ tokens }) => tokens))),
  ].sort((a, b) => a - b);
  const name = (key, values) => say(`column_${key}`, values);
  const head = [
    name("variant"),
    name("state"),
    name("size"),
    name("start"),
    ...lengths.map((tokens) => name("latency", { tokens })),
    name("throughput"),
    name("peak"),
    name("mean"),
    name("min"),
  ];
  const shown = (value, digits = 0) =>
    value === null || value === undefined ? "–" : number(value, digits);
  const rows = variants.map((variant) => [
    variant.name,
    variant.status,
    shown(variant.bytes / 1e6, 1),
    shown(variant.cold_start_ms === null ? null : variant.cold_start_ms / 1000, 2),
    ...lengths.map((length) =>
      shown(variant.latency.find(({ tokens }) => tokens === length)?.p50_ms, 1),
    ),
    shown(variant.throughput.find((one) => one.threads === threads)?.tokens_per_second),
    shown(variant.peak_bytes === null ? null : variant.peak_bytes / 1e6),
    shown(variant.quality?.mean_cosine, 6),
    shown(variant.quality?.min_cosine, 6),
  ]);
  fillTable(byId("measured"), [head, ...rows], [1]);
}

/** version: of what is drawn, so that a plot is not fetched again before it changes. */
function drawPlots(place, names, version) {
  const wanted = names.map((name) => `/ui/plots/${name}?${encodeURIComponent(version)}`);
  const there = [...place.children].map((plot) => plot.getAttribute("src"));
  if (wanted.join() !== there.join()) {
    place.replaceChildren(
      ...wanted.map((src, i) => element("img", { src, data: { name: names[i] } })),
    );
  }
  for (const plot of place.children) plot.alt = say("plot", { name: plot.dataset.name });
}
