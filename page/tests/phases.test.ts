import { expect, test } from "vitest";
import { median, together } from "../src/lib/curves";
import { ink_on } from "../src/lib/format";
import { changes_of, type PhaseRun, value_of } from "../src/lib/phases";

test("curves of other steps meet on one axis", () => {
  const { x, values } = together([{ x: [0, 20], y: [1, 2] }, { x: [0, 10, 20], y: [3, null, 5] }]);
  expect(x).toEqual([0, 10, 20]);
  expect(values).toEqual([[1, null, 2], [3, null, 5]]);
});

test("the median of what has not happened is infinite", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1])).toBe(2.5);
  expect(median([1, Infinity, Infinity])).toBe(Infinity);
  expect(median([Infinity, Infinity])).toBe(Infinity);
  expect(median([])).toBeNaN();
});

test("a cell has a time where more than half of its seeds jumped", () => {
  const run = (t50: number | null): PhaseRun => ({ x: 0, y: 0, seed: 0, ic: t50 === null ? 0 : 1, iw: 0.5, t50, steps: 9, curve: { step: [], ic: [], iw: [] } });
  expect(value_of([run(5), run(null), run(7)], "t50")).toBe(7);
  expect(value_of([run(5), run(null), run(null)], "t50")).toBeNull();
  expect(value_of([run(5), run(null)], "t50")).toBeNull();
  expect(value_of([run(5), run(null)], "ic")).toBe(0.5);
  expect(value_of([], "iw")).toBeNull();
});

test("an exponent needs labels that may repeat", () => {
  const cell = { n_classes: 512, burstiness: 2, noise: 0.1, exponent: 0 };
  expect(changes_of(cell).join()).not.toContain("zipf");
  expect(changes_of({ ...cell, exponent: 1 })).toEqual(expect.arrayContaining(["task.classification.zipf_exponent=1", "task.classification.distinct_labels=false"]));
});

test("ink is read on every color", () => {
  expect(ink_on([68, 1, 84])).toBe("#fff");
  expect(ink_on([253, 231, 37])).toBe("#000");
});
