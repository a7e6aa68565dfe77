// Keys that work anywhere in a section: space, arrows, R, N. The section that is shown says what they do.

export interface Keys {
  play?: () => void;
  step?: (by: -1 | 1) => void;
  rewind?: () => void;
  seed?: () => void;
}

let bound: Keys = {};

/** What keys do until another section is shown. Returns what undoes it. */
export function bind(keys: Keys): () => void {
  bound = keys;
  return () => {
    if (bound === keys) bound = {};
  };
}

/** Whether a key belongs to what has the focus: text, choices, and buttons for space. */
function is_taken(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.isContentEditable) return true;
  return event.key === " " && /^(BUTTON|A|SUMMARY)$/.test(target.tagName);
}

window.addEventListener("keydown", (event: KeyboardEvent) => {
  if (is_taken(event)) return;
  const calls: Record<string, (() => void) | undefined> = {
    " ": bound.play,
    ArrowLeft: bound.step && (() => bound.step?.(-1)),
    ArrowRight: bound.step && (() => bound.step?.(1)),
    r: bound.rewind,
    n: bound.seed,
  };
  const call = calls[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!call) return;
  event.preventDefault();
  call();
});
