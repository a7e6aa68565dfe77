// Two runs beside each other: where their rows first differ, and in which fields their specs do.

import type { Row } from "../engine/protocol";

export type Difference =
  | { kind: "same"; rows: number; columns: number }
  | { kind: "first"; step: number; column: string; values: [number | null, number | null] }
  | { kind: "nothing in common" };

/** Columns that rows of both have, in the order of the first. */
export function common_columns(a: Row[], b: Row[]): string[] {
  const of_b = new Set(b.flatMap((row) => Object.keys(row)));
  return [...new Set(a.flatMap((row) => Object.keys(row)))].filter((name) => of_b.has(name) && name !== "step");
}

/** The first step that both measured at which a column that both have differs by as much as a bit. */
export function first_difference(a: Row[], b: Row[]): Difference {
  const columns = common_columns(a, b);
  const of_b = new Map(b.map((row) => [row.step, row]));
  let rows = 0;
  for (const row of a) {
    const other = of_b.get(row.step);
    if (!other) continue;
    rows++;
    for (const column of columns) {
      // The first or the last row may have more columns than the others.
      if (!(column in row) || !(column in other)) continue;
      const values: [number | null, number | null] = [row[column] ?? null, other[column] ?? null];
      if (values[0] !== values[1]) return { kind: "first", step: row.step, column, values };
    }
  }
  return rows > 0 && columns.length > 0 ? { kind: "same", rows, columns: columns.length } : { kind: "nothing in common" };
}

/** Fields of a spec by their dotted names. */
function fields(value: unknown, name = ""): [string, string][] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[name, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => fields(inner, name === "" ? key : `${name}.${key}`));
}

/** Fields that differ, as [name, of a, of b]; "–" where one has none. The description decides nothing. */
export function spec_differences(a: unknown, b: unknown): [string, string, string][] {
  const [of_a, of_b] = [new Map(fields(a)), new Map(fields(b))];
  const names = [...new Set([...of_a.keys(), ...of_b.keys()])].filter((name) => name !== "description");
  return names.map((name): [string, string, string] => [name, of_a.get(name) ?? "–", of_b.get(name) ?? "–"]).filter(([, x, y]) => x !== y);
}
