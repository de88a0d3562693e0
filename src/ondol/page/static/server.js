// Requests to the server that the page came from.

import { byId, showProblem } from "./dom.js";

const RETRY_MS = 1000;

/** The server answered, and said why it could not do what was asked. */
class AnsweredError extends Error {}

/** The server did not answer: it has been stopped. */
class GoneError extends Error {}

const waiting = new Set();
let watching = false;

/** What becomes of an error of `ask`: shown in `place`, or, if the server is gone, `again` is called
 *  when it is back. An aborted request was replaced by another. */
export function report(error, place, again) {
  if (error instanceof GoneError) waiting.add(again);
  else if (error instanceof AnsweredError) showProblem(place, error.message);
  else if (error.name !== "AbortError") throw error;
}

/** JSON of GET path, or of POST path if there is a body. Raises AnsweredError, GoneError, and an
 *  AbortError if `signal` says so. */
export async function ask(path, { body, signal } = {}) {
  const options =
    body === undefined
      ? { signal }
      : {
          signal,
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        };
  let response, content;
  try {
    response = await fetch(path, options);
    content = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    watch();
    throw new GoneError();
  }
  if (!response.ok) throw new AnsweredError(content.error);
  return content;
}

async function watch() {
  if (watching) return;
  watching = true;
  byId("gone").hidden = false;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    const alive = await fetch("/health").then((response) => response.ok, () => false);
    if (alive) break;
  }
  watching = false;
  byId("gone").hidden = true;
  const calls = [...waiting];
  waiting.clear();
  calls.forEach((again) => again());
}
