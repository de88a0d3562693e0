// Requests to the server that the page came from.

import { byId } from "./dom.js";

const RETRY_MS = 1000;

/** The server answered, and said why it could not do what was asked. */
export class AnsweredError extends Error {}

/** The server did not answer: it has been stopped. */
export class GoneError extends Error {}

const waiting = new Set();
let watching = false;

/** Have `again` called once when the server answers again after it was gone. */
export function whenBack(again) {
  waiting.add(again);
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
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    watch();
    throw new GoneError();
  }
  const content = await response.json();
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
