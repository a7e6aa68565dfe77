import { expect, test } from "vitest";
import { drops, plateaus } from "../src/lib/descent";
import type { Row } from "../src/lib/engine/protocol";

test("plateaus are those of `precipice theory regression regression-rank-one`", () => {
  const said = [0.5, 0.32029, 0.188686, 0.104902, 0.067998];
  plateaus([0.4, 0.3, 0.2, 0.1], 31).forEach((level, m) => expect(level).toBeCloseTo(said[m] as number, 5));
});

test("a drop is half way between two levels, and may not have come yet", () => {
  const rows = [[0, 0.5], [100, 0.5], [200, 0.3], [300, 0.3], [400, 0.21]].map(([step, loss]) => ({ step, loss }) as Row);
  const times = drops(rows, [0.5, 0.3, 0.2, 0.1]);
  expect(times[0]).toBeCloseTo(150);
  expect(times[1]).toBeCloseTo(300 + (100 * 0.05) / 0.09);
  expect(times[2]).toBeNull();
});
