// Two runs side by side: where their numbers part for the first time.

import type { Row } from "./engine/protocol";

export type Difference = { step: number; column: string; a: number | null; b: number | null } | undefined;

/** The first step, and in it the first column, in which both have numbers that differ. */
export function first_difference(a: Row[], b: Row[]): { compared: number; difference: Difference } {
  const by_step = new Map(b.map((row) => [row.step, row]));
  let compared = 0;
  for (const row of a) {
    const other = by_step.get(row.step);
    if (!other) continue;
    compared += 1;
    for (const column of Object.keys(row)) {
      if (!(column in other) || row[column] === other[column]) continue;
      return { compared, difference: { step: row.step, column, a: row[column] ?? null, b: other[column] ?? null } };
    }
  }
  return { compared, difference: undefined };
}
