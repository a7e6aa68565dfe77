import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { change_of, command, parse as parse_fields, program, quoted, to_toml, with_change } from "../src/lib/fields";
import { number } from "../src/lib/format";
import { format, list_of, parse } from "../src/lib/state/address";
import { label_strength, path, reach_of } from "../src/lib/story/range";

const FIELDS = parse_fields(readFileSync(new URL("../../docs/reference/spec.md", import.meta.url), "utf8"));

describe("fields", () => {
  test("every table of a spec is found, with what its fields mean", () => {
    const keys = (table: string): string[] => (FIELDS.get(table) ?? []).map((field) => field.key);
    expect(keys("task.copying")).toEqual(["task.copying.n_exemplars", "task.copying.n_labels", "task.copying.d_item", "task.copying.items"]);
    expect(keys("seeds")).toEqual(["seeds.world", "seeds.init", "seeds.data", "seeds.eval"]);
    expect(keys("train")).toContain("train.schedule");
    expect(keys("eval")).toEqual(["eval.every", "eval.sequences"]);
    expect(keys("checkpoint")).toEqual(["checkpoint.every"]);
    expect(FIELDS.get("train")?.find((field) => field.key === "train.optimizer")?.help).toContain("adam_beta2");
    for (const field of [...FIELDS.values()].flat()) expect(field.help, field.key).not.toBe("");
  });

  test("values are TOML on one line", () => {
    expect(to_toml({ sgd: { learning_rate: 0.2, decay: null } })).toBe("{ sgd = { learning_rate = 0.2 } }");
    expect(to_toml([{ layer: 0, mode: "zero" }])).toBe('[{ layer = 0, mode = "zero" }]');
    expect(to_toml(undefined)).toBe("");
  });

  test("of two changes of one field the later counts", () => {
    const changes = with_change(["a=1", "b=2"], "a", "3");
    expect(changes).toEqual(["b=2", "a=3"]);
    expect(change_of(changes, "a")).toBe("3");
    expect(with_change(changes, "a", undefined)).toEqual(["b=2"]);
  });

  test("a program can be pasted", () => {
    const spec = { seeds: { world: 3, init: 3, data: 3, eval: 3 }, model: { scale_scores: true, clamps: [{ layer: 0, pattern: "match" }] } };
    const seeds = ["world", "init", "data", "eval"].map((name) => `seeds.${name}=3`);
    expect(program("copying", [...seeds, "model.scale_scores=true", "model.clamps=[]"], "portable", spec)).toBe(
      'import precipice as pp\n\nrun = pp.run("copying", seed=3, changes={"model.scale_scores": True, "model.clamps": [{"layer": 0, "pattern": "match"}]}, arithmetic="portable")\n',
    );
    expect(program("copying", [], "fused", spec)).toBe('import precipice as pp\n\nrun = pp.run("copying")\n');
  });

  test("a command can be pasted", () => {
    expect(command("copying", ["train.optimizer={ sgd = { learning_rate = 1 } }"], "portable")).toBe(
      "precipice run copying -s 'train.optimizer={ sgd = { learning_rate = 1 } }' --arithmetic portable",
    );
    const seeds = ["world", "init", "data", "eval"].map((name) => `seeds.${name}=3`);
    expect(command("copying", seeds, "fused")).toBe("precipice run copying --seed 3");
    expect(command("copying", ["seeds.data=3"], "fused")).toBe("precipice run copying -s seeds.data=3");
    expect(quoted("it's")).toBe(`'it'\\''s'`);
  });
});

describe("addresses", () => {
  test("what was written is read", () => {
    const address = { section: "lab" as const, values: { spec: "copying", set: '["task.copying.items={ file = \\"a?b\\" }"]' } };
    expect(parse(format(address))).toEqual(address);
    expect(format({ section: "cliff", values: { n: "8", l: "" } })).toBe("#cliff?n=8");
  });

  test("what nobody wrote does no harm", () => {
    expect(parse("#nowhere?x=1").section).toBe("story");
    expect(parse("").values).toEqual({});
    expect(list_of("[1")).toEqual([]);
    expect(list_of("[1]")).toEqual([]);
    expect(list_of('["a=1"]')).toEqual(["a=1"]);
  });
});

describe("numbers and ranges", () => {
  test("three digits that count", () => {
    expect([0.9984, 0, -0.0001, 98.6729, 1234567, NaN, null].map((x) => number(x))).toEqual([".998", ".000", "-1.00e-4", "98.67", "1.23e+6", "–", "–"]);
  });

  test("points that are not known are not drawn, and the surface holds the others", () => {
    const rows = [
      { step: 0, alpha_labels: 50, xi: 30, xi_se: 20, beta_2: 0.1 },
      { step: 1, alpha_labels: 1, xi: 2, xi_se: 0.1, beta_2: 3.3 },
      { step: 2, alpha_labels: 9.4, xi: 15, xi_se: 0.1, beta_2: 9 },
    ];
    expect(path(rows, 14)).toEqual([[1, 2], [9.4, 15]]);
    expect(reach_of(rows)).toEqual({ alpha: [-1, 12], xi: [-1, 18] });
    expect(label_strength(rows, 1)).toBe(3.5);
    expect(label_strength([], null)).toBe(0);
  });
});
