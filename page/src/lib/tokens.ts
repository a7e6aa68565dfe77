// Names of tokens, and the cells of attention that make an induction head.

import type { Look } from "./engine/protocol";

/** A, 7, B, 30, ..., q: letters for items, numbers for labels. Items that are the same have the same letter. */
export function tokens(look: Look): string[] {
  const names: string[] = [];
  const has_labels = look.labels.length > 0;
  const pairs = look.n_tokens === 2 * look.n_exemplars + 1;
  for (let i = 0; i < look.n_exemplars; i++) {
    names.push(String.fromCharCode(65 + (i % 26)));
    if (pairs) names.push(has_labels ? String(look.labels[i]) : "y");
  }
  names.push("?");
  return names.slice(0, look.n_tokens);
}

/** In layer 1 from each label to the item before it; in the last from the query to the labels of its match. */
export function frames(look: Look, layer: number): [number, number][] {
  if (look.labels.length === 0 || look.n_tokens !== 2 * look.n_exemplars + 1) return [];
  const labels = Array.from({ length: look.n_exemplars }, (_, i) => 2 * i + 1);
  if (layer === 0) return labels.map((at) => [at, at - 1]);
  if (layer === look.patterns.length - 1) return labels.filter((_, i) => look.matches[i]).map((at) => [look.n_tokens - 1, at]);
  return [];
}

/** The labels that the network thinks most likely: [label, probability], falling. */
export function answers(look: Look, n: number): [number, number][] {
  const largest = Math.max(...look.outputs);
  const weights = look.outputs.map((x) => Math.exp(x - largest));
  const total = weights.reduce((a, b) => a + b, 0);
  const all = weights.map((w, label): [number, number] => [label, w / total]);
  return all.sort((a, b) => b[1] - a[1]).slice(0, n);
}
