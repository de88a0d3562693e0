// What a person types, when there is a pause.

const PAUSE_MS = 120;
// A syllable of Hangul is composed of two to four strokes, and what it is after the first is not
// what is meant.
const COMPOSING_PAUSE_MS = 400;
const LONE_JAMO_AT_END = /[\u3131-\u318e]$/u;

/** Call `receive` with the text of a field after each pause in which it is another than before. */
export function onPause(field, receive) {
  let timer = 0;
  let last = field.value;

  const settle = (composing) => {
    clearTimeout(timer);
    timer = 0;
    const text = composing ? field.value.replace(LONE_JAMO_AT_END, "") : field.value;
    if (text === last) return;
    last = text;
    receive(text);
  };
  field.addEventListener("input", (event) => {
    clearTimeout(timer);
    const composing = event.isComposing;
    timer = setTimeout(settle, composing ? COMPOSING_PAUSE_MS : PAUSE_MS, composing);
  });
  field.addEventListener("compositionend", () => {
    clearTimeout(timer);
    timer = setTimeout(settle, PAUSE_MS, false);
  });
  // Without a pause, for Enter.
  return () => settle(false);
}

/** Of calls that overlap only the last is answered: the one before is aborted. */
export class Latest {
  #controller = new AbortController();

  /** A signal for a new call; that of the call before is aborted. */
  next() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }
}
