// What the theory says of the eigenvalues that heads of rank one learn, and when a run learned them.

import type { Row } from "./engine/protocol";

/** Loss (half the square error) of the plateaus, from answering 0 on: with m eigenvalues learned it is half of
 * tr - sum over the learned ones of lambda / (1 + (1 + tr / lambda) / N), tr the sum of all eigenvalues. */
export function plateaus(eigenvalues: number[], n_exemplars: number): number[] {
  const trace = eigenvalues.reduce((a, b) => a + b, 0);
  const levels = [trace / 2];
  for (const value of eigenvalues) levels.push((levels.at(-1) as number) - value / (1 + (1 + trace / value) / n_exemplars) / 2);
  return levels;
}

/** The step at which the loss is half way from each level to the next, between rows on a straight line; null where it
 * never is. */
export function drops(rows: Row[], levels: number[]): (number | null)[] {
  return levels.slice(1).map((level, m) => {
    const half = (level + (levels[m] as number)) / 2;
    const at = rows.findIndex((row, i) => i > 0 && (row.loss ?? Infinity) <= half && (rows[i - 1]?.loss ?? -Infinity) > half);
    const [before, after] = [rows[at - 1], rows[at]];
    if (!before || !after) return null;
    const [high, low] = [before.loss as number, after.loss as number];
    return before.step + ((after.step - before.step) * (high - half)) / (high - low);
  });
}
