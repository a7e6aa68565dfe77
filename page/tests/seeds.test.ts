import { expect, test } from "vitest";
import { seed_of, with_seed } from "../src/lib/seeds";

test("one number for all four seeds", () => {
  const changes = with_seed(["train.steps=7", "seeds.init=5"], 3);
  expect(changes).toEqual(["train.steps=7", "seeds.world=3", "seeds.init=3", "seeds.data=3", "seeds.eval=3"]);
  expect(seed_of(changes)).toBe(3);
});

test("what is not said is 0, and seeds may differ", () => {
  expect(seed_of(["train.steps=7"])).toBe(0);
  expect(seed_of(["seeds.data = 2"])).toBeUndefined();
  expect(seed_of([...with_seed([], 1), "seeds.eval=4"])).toBeUndefined();
});

test("a button may leave some seeds alone", () => {
  const changes = with_seed(["seeds.eval=9", "seeds.init=1"], 4, ["init", "data"]);
  expect(changes).toEqual(["seeds.eval=9", "seeds.init=4", "seeds.data=4"]);
  expect(seed_of(changes, ["init", "data"])).toBe(4);
});
