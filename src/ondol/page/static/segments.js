// The segmentation tab: the pieces of a text, with the vocabulary that is left and the whole one.

import { byId, element, fillTable, showProblem } from "./dom.js";
import { number, onLanguage, say } from "./language.js";
import { ask, report } from "./server.js";
import { Latest, onPause } from "./typing.js";

const field = byId("text");
const latest = new Latest();
const problem = byId("segments-problem");

let most = null; // tokens of the longest text
let answer = { pieces: [], full: null };

export function startSegments() {
  onPause(field, segment);
  onLanguage(draw);
}

/** Called when the tab is shown. */
export async function showSegments() {
  try {
    most ??= (await ask("/ui/model")).max_tokens;
  } catch (error) {
    report(error, problem, showSegments);
    return;
  }
  segment(field.value);
}

async function segment(text) {
  try {
    answer = await ask("/ui/segments", { body: { text }, signal: latest.next() });
    showProblem(problem, null);
    draw();
  } catch (error) {
    report(error, problem, () => segment(field.value));
  }
}

function draw() {
  if (most === null) return;
  const { pieces, full } = answer;
  const count = (list, kind) => list.filter((piece) => piece.kind === kind).length;
  byId("pruned").replaceChildren(...pieces.map(drawPiece));
  byId("pruned-count").textContent = pieces.length
    ? say("pieces_count", {
        count: number(pieces.length),
        character: number(count(pieces, "character")),
        unknown: number(count(pieces, "unknown")),
        most: number(most),
      })
    : "";
  byId("full-hint").hidden = full !== null;
  byId("full-part").hidden = full === null || !full.length;
  if (full !== null) {
    const same = full.map(spanOf).join() === pieces.map(spanOf).join();
    byId("full").replaceChildren(...full.map(drawPiece));
    byId("full-count").textContent = say(same ? "full_same" : "full_differs", {
      count: number(full.length),
      dropped: number(count(full, "dropped")),
    });
  }
  const head = ["piece", "id", "characters", "bytes", "kind"].map((name) => say(`column_${name}`));
  const rows = pieces.map((piece) => [
    piece.piece,
    String(piece.id),
    `${piece.start}–${piece.end}`,
    `${piece.byte_start}–${piece.byte_end}`,
    say(`kind_${piece.kind}`),
  ]);
  fillTable(byId("piece-table"), [head, ...rows], [4]);
}

// By text and place: rows are numbered anew by a prune. An unknown piece is like no other.
const spanOf = ({ piece, start, end, kind }) => `${start} ${end} ${kind === "unknown"} ${piece}`;

function drawPiece(piece) {
  return element(
    "span",
    { className: "piece", data: { kind: piece.kind }, title: say(`about_${piece.kind}`) },
    piece.piece,
    element("small", { textContent: String(piece.id) }),
  );
}
