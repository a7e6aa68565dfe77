// Makes the page's stored data from real runs: `node data.mjs [PRECIPICE] [RUNS]`, with a built engine in
// src/lib/engine/wasm. What is stored under RUNS (default: ../runs/page) is not computed again. The phase diagram takes
// a quarter of an hour, the rest three minutes on two cores.
//
//   src/stored/copying.json, copying-twin.json   the default run and its companion with L = N
//   src/stored/ensemble.json                     200 seeds of copying-small: 10 %, median and 90 % of the accuracy
//   src/stored/landscapes.json                   the formula's surfaces below those two runs
//   public/data/regression*.json, phases.json    the same for sections that are loaded later
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const here = new URL(".", import.meta.url).pathname;
const [precipice = join(here, "../target/release/precipice"), runs = join(here, "../runs/page")] = process.argv.slice(2);
const wasm = join(here, "src/lib/engine/wasm");
const engine = await import(join(wasm, "engine.js"));
await engine.default({ module_or_path: readFileSync(join(wasm, "engine_bg.wasm")) });

/** Numbers to four digits: what a screen can show. */
const short = (x) => (typeof x === "number" && !Number.isInteger(x) ? Number(x.toPrecision(4)) : x);
const write = (path, value) => writeFileSync(join(here, path), JSON.stringify(value) + "\n");

function run(name, ...args) {
  const out = join(runs, name);
  if (!existsSync(join(out, "manifest.json"))) execFileSync(precipice, ["run", ...args, "--out", out, "--resume", "--quiet"]);
  return out;
}
function sweep(name, ...args) {
  const out = join(runs, name);
  execFileSync(precipice, ["sweep", ...args, "--out", out, "--quiet"], { stdio: "ignore" });
  return out;
}
const rows_of = (dir) => readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
const manifest_of = (dir) => JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8"));

/** A run as the page shows it: its rows (the columns that are wanted) and what its networks made of a context. */
function stored(dir, wanted, steps) {
  const manifest = manifest_of(dir);
  const toml = readFileSync(join(dir, "spec.toml"), "utf8");
  const live = new engine.Live(toml, "[]", manifest.arithmetic, undefined);
  const about = JSON.parse(live.about());
  const looks = {};
  for (const step of steps) {
    const name = `step-${String(step).padStart(8, "0")}.safetensors`;
    live.restore(name, readFileSync(join(dir, "checkpoints", name)));
    const look = JSON.parse(live.look(step, 0, 0));
    look.patterns = look.patterns.map((heads) => heads.map((pattern) => pattern.map((x) => Number(x.toFixed(3)))));
    look.outputs = look.outputs.map((x) => Number(x.toFixed(2)));
    looks[step] = look;
  }
  const rows = rows_of(dir).map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name === "step" || wanted(name)).map(([name, value]) => [name, short(value)])));
  return { about, rows, looks, transition: manifest.transition, digest: manifest.digest };
}

const is_shown = (name) => /^(accuracy|loss|alpha|alpha_labels|beta|beta_2|xi|xi_se)$|^interaction_._[a-z]+_[a-z]+_contrast$/.test(name);
mkdirSync(join(here, "src/stored"), { recursive: true });
mkdirSync(join(here, "public/data"), { recursive: true });

const copying = run("copying", "copying");
const jump = Math.round(manifest_of(copying).transition.t50 / 100) * 100;
const steps = [0, 512, 1000, 1500, 2000, 2300, jump - 300, jump - 200, jump - 100, jump, jump + 100, jump + 200, jump + 300, 3500, 4000];
const first = stored(copying, is_shown, [...new Set(steps)].sort((a, b) => a - b));
write("src/stored/copying.json", first);
const twin = stored(run("copying-twin", "copying", "-s", "task.copying.n_labels=8"), is_shown, []);
write("src/stored/copying-twin.json", twin);

// Surfaces as Cliffside.svelte asks for them.
const { reach_of, label_strength } = await import(join(here, "src/lib/story/range.js"));
const landscapes = {};
for (const { about, rows, transition } of [first, twin]) {
  const [n, l] = [(about.n_tokens - 1) / 2, Object.values(about.facts.targets)[0].n_labels];
  const beta_2 = label_strength(rows, transition?.onset_step ?? null);
  const { alpha, xi } = reach_of(rows);
  const loss = [...engine.cliff_surface(n, l, beta_2, new Float64Array(alpha), new Float64Array(xi), 61)].map((x) => Number(x.toFixed(2)));
  const flat = engine.cliff_flow(n, l, beta_2, new Float64Array([0, 0, 0]));
  const flow = [];
  for (let i = 0; i < flat.length; i += 6) flow.push([short(flat[i + 2]), short(flat[i + 3])]);
  landscapes[`${n},${l},${beta_2}|${alpha},${xi}`] = { loss, n: 61, alpha, xi, flow, size: [n, l, beta_2] };
}
write("src/stored/landscapes.json", landscapes);

function runs_below(dir) {
  const is_run = (name) => existsSync(join(dir, name, "log.jsonl"));
  return readdirSync(dir).filter(is_run).sort().map((name) => join(dir, name));
}
const seeds = runs_below(sweep("copying-small", "copying-small", "--seeds", "0..199")).map(rows_of);
const quantile = (sorted, q) => sorted[Math.round(q * (sorted.length - 1))];
const ensemble = { n_seeds: seeds.length, step: [], low: [], median: [], high: [] };
seeds[0].forEach(({ step }, i) => {
  const sorted = seeds.map((rows) => rows[i].accuracy).sort((a, b) => a - b);
  ensemble.step.push(step);
  [["low", 0.1], ["median", 0.5], ["high", 0.9]].forEach(([name, q]) => ensemble[name].push(short(quantile(sorted, q))));
});
write("src/stored/ensemble.json", ensemble);

const is_loss = (name) => !/_se$|^interaction|_score_/.test(name);
write("public/data/regression.json", stored(run("regression", "regression"), is_loss, []));
write("public/data/regression-rank-one.json", stored(run("regression-rank-one", "regression-rank-one"), is_loss, []));

const dir = sweep("phases", "reddy-classes-burstiness", "--fast");
const axes = [
  { field: "task.classification.n_classes", label: "K, classes", values: [128, 512, 1024, 2048] },
  { field: "task.classification.burstiness", label: "B, copies of the query's class", values: [0, 1, 2, 4] },
];
const cells = runs_below(dir).map((path) => {
  const { spec } = JSON.parse(engine.resolve(readFileSync(join(path, "spec.toml"), "utf8"), "[]"));
  const task = spec.task.classification;
  const [rows, manifest] = [rows_of(path), manifest_of(path)];
  const curve = { step: rows.map((row) => row.step), ic: rows.map((row) => short(row.ic_accuracy)), iw: rows.map((row) => short(row.iw_accuracy)) };
  const [x, y] = [axes[0].values.indexOf(task.n_classes), axes[1].values.indexOf(task.burstiness)];
  return { x, y, seed: spec.seeds.init, ic: curve.ic.at(-1), iw: curve.iw.at(-1), t50: short(manifest.transition?.t50 ?? null), steps: manifest.steps, curve };
});
write("public/data/phases.json", { name: "reddy-classes-burstiness --fast", x: axes[0], y: axes[1], runs: cells });
