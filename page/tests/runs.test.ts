import { expect, test } from "vitest";
import type { Row } from "../src/lib/engine/protocol";
import type { Entry, Member, SweepSaid } from "../src/lib/runs/api";
import { final_columns, median_of, points, real_axes } from "../src/lib/runs/cells";
import { first_difference, spec_differences } from "../src/lib/runs/compare";
import { left_at, survival } from "../src/lib/runs/survival";
import { filtered, outcome_of, sorted } from "../src/lib/runs/table";

const row = (step: number, columns: Record<string, number | null>): Row => ({ step, ...columns });

test("runs that differ by a bit differ at a step, in a column", () => {
  const a = [row(0, { loss: 1, accuracy: 0.5 }), row(10, { loss: 0.5, accuracy: 0.6, extra: 1 }), row(20, { loss: 0.4, accuracy: 0.7 })];
  const b = a.map((r) => ({ ...r }));
  expect(first_difference(a, b)).toEqual({ kind: "same", rows: 3, columns: 3 });
  (b[2] as Row).accuracy = 0.7 + 2 ** -53;
  expect(first_difference(a, b)).toEqual({ kind: "first", step: 20, column: "accuracy", values: [0.7, 0.7 + 2 ** -53] });
  (b[1] as Row).loss = null;
  expect(first_difference(a, b)).toMatchObject({ kind: "first", step: 10, column: "loss", values: [0.5, null] });
});

test("rows at other steps and columns of one run alone are not compared", () => {
  const a = [row(0, { loss: 1, only: 3 }), row(10, { loss: 0.5, only: 4 })];
  expect(first_difference(a, [row(0, { loss: 1 }), row(5, { loss: 9 })])).toEqual({ kind: "same", rows: 1, columns: 1 });
  expect(first_difference(a, [row(3, { loss: 1 })])).toEqual({ kind: "nothing in common" });
  expect(first_difference(a, [row(0, { other: 1 })])).toEqual({ kind: "nothing in common" });
});

test("fields of specs that differ, by their names", () => {
  const a = { description: "a", seeds: { data: 0 }, model: { d: 4, list: [1] } };
  const b = { description: "b", seeds: { data: 1 }, model: { d: 4, list: [1, 2], clip: 3 } };
  expect(spec_differences(a, b)).toEqual([["seeds.data", "0", "1"], ["model.list", "[1]", "[1,2]"], ["model.clip", "–", "3"]]);
});

test("a share survives until the end", () => {
  const curve = survival([100, null, 50, null], 400);
  expect(curve).toEqual({ step: [0, 50, 50, 100, 100, 400], share: [1, 1, 0.75, 0.75, 0.5, 0.5] });
  expect(left_at(curve, [0, 49, 50, 100, 399])).toEqual([1, 1, 0.75, 0.5, 0.5]);
  expect(survival([null], 9)).toEqual({ step: [0, 9], share: [1, 1] });
});

const run = (path: string, t50: number | null, more: object = {}): Entry => ({
  kind: "run", path, name: path, family: "copying", outcome: "transition", steps: 9, step: 9, seed: 0, t50, modified: 1, column: null, sparkline: null, problem: null, ...more,
});
const swept: Entry = { kind: "sweep", path: "grid", name: "grid", n_runs: 4, n_done: 3, n_jumped: 1, modified: 5, problem: null };

test("what has no value is sorted last, either way", () => {
  const entries = [run("b", null), run("a10", 7), run("a9", 3), swept];
  expect(sorted(entries, "t50", false).map((e) => e.path)).toEqual(["a9", "a10", "b", "grid"]);
  expect(sorted(entries, "t50", true).map((e) => e.path)).toEqual(["a10", "a9", "b", "grid"]);
  expect(sorted(entries, "name", false).map((e) => e.path)).toEqual(["a9", "a10", "b", "grid"]);
});

test("every word of a filter must be there", () => {
  const entries = [run("first", 1), run("second", 1, { problem: "torn" }), swept];
  expect(filtered(entries, " DAMAGED copying").map((e) => e.path)).toEqual(["second"]);
  expect(filtered(entries, "sweep done").map((e) => e.path)).toEqual(["grid"]);
  expect(filtered(entries, "").length).toBe(3);
  expect(outcome_of(swept)).toBe("3 of 4 done");
});

const member = (n: number, l: number, t50: number | null, final: Record<string, number> | null): Member => ({
  id: `${n}-${l}`, values: { "task.n": n, "task.l": l, "model.d": n === 4 ? 9 : "left out" }, seed: 0, outcome: "transition", t50, final, curve: null,
});
const sweep: SweepSaid = {
  path: "s", name: "s",
  axes: [{ field: "task.n", values: [4, 8], together: [{ field: "model.d", values: [9, "left out"] }] }, { field: "task.l", values: [16] }],
  runs: [member(4, 16, 100, { loss: 1, accuracy: 0.9, beta: 3 }), member(4, 16, null, { loss: 3, accuracy: 0.1 }), member(4, 16, 300, { loss: 2, accuracy: 0.8 }), member(8, 16, null, null)],
};

test("runs find their point of the grid, with what goes together", () => {
  expect(real_axes(sweep).map((axis) => axis.field)).toEqual(["task.n"]);
  const grid = points(sweep, sweep.axes);
  expect(grid.map(({ name, runs }) => [name, runs.length])).toEqual([["n 4, l 16", 3], ["n 8, l 16", 1]]);
  expect(final_columns(sweep.runs)).toEqual(["accuracy", "loss", "beta"]);
  expect(median_of(grid[0]?.runs ?? [], "t50")).toBe(300);
  expect(median_of(grid[0]?.runs ?? [], "loss")).toBe(2);
  expect(median_of(grid[1]?.runs ?? [], "t50")).toBeNull();
});
