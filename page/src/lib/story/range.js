// @ts-check
// How far the cliff below a run is drawn: shared with the script that stores the first surfaces.

/** @typedef {import("../engine/protocol").Row} Row */

/**
 * The measured path (alpha among labels, xi), without points that are known to less than a tenth of the axis.
 * @param {Row[]} rows
 * @param {number} xi_span
 * @returns {[number, number][]}
 */
export function path(rows, xi_span) {
  /** @type {[number, number][]} */
  const known = [];
  for (const { alpha_labels, xi, xi_se } of rows) {
    if (typeof alpha_labels === "number" && typeof xi === "number" && (xi_se ?? 0) <= 0.1 * xi_span) known.push([alpha_labels, xi]);
  }
  return known;
}

/**
 * Ranges that hold the path, in whole steps, so that the surface is not computed at every row.
 * @param {Row[]} rows
 * @returns {{ alpha: [number, number], xi: [number, number] }}
 */
export function reach_of(rows) {
  const points = path(rows, 14);
  /** @param {0 | 1} i @param {number} least */
  const top = (i, least) => Math.ceil(Math.max(least, ...points.map((p) => p[i] * 1.08)) / 2) * 2;
  /** @param {0 | 1} i */
  const low = (i) => Math.floor(Math.min(-1, ...points.map((p) => p[i])));
  return { alpha: [low(0), top(0, 8)], xi: [low(1), top(1, 10)] };
}

/**
 * beta_2 on the plateau, in halves: where the surface of a run is cut.
 * @param {Row[]} rows
 * @param {number | null} onset
 */
export function label_strength(rows, onset) {
  const known = rows.filter((row) => typeof row.beta_2 === "number" && (onset === null || row.step <= onset));
  const value = known.at(-1)?.beta_2 ?? 0;
  return Math.min(12, Math.max(0, Math.round(value * 2) / 2));
}
