// The same spec has the same bits in node as on the command line: `node tests/digests.mjs PRECIPICE`.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RUNS } from "./runs.mjs";

const precipice = process.argv[2];
const folder = new URL("../src/lib/engine/wasm/", import.meta.url).pathname;
const engine = await import(join(folder, "engine.js"));
await engine.default({ module_or_path: readFileSync(join(folder, "engine_bg.wasm")) });
engine.start();
const scratch = mkdtempSync(join(tmpdir(), "precipice-page-"));
let failed = 0;
for (const [i, { spec, changes }] of RUNS.entries()) {
  const live = new engine.Live(spec, JSON.stringify(changes), "portable", undefined);
  const began = process.cpuUsage().user;
  let event;
  do event = live.advance(1000);
  while (event !== "finished" && event !== "diverged");
  const seconds = (process.cpuUsage().user - began) / 1e6;
  const options = changes.flatMap((change) => ["-s", change]);
  const out = join(scratch, String(i));
  const report = execFileSync(precipice, ["run", spec, ...options, "--arithmetic", "portable", "--out", out, "--json", "--quiet"], { encoding: "utf8" });
  const native = JSON.parse(report).digest;
  const is_same = native === live.digest();
  failed += is_same ? 0 : 1;
  console.log(`${is_same ? "same" : "DIFFERENT"} ${spec} ${changes.join(" ")}: ${live.digest().slice(0, 16)}, ${(live.step() / seconds).toFixed(0)} steps/s in node`);
  if (i > 0) continue;
  // What is taken home is a run that the command line accepts.
  const bytes = live.archive("2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", 9, "node");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(scratch, "run.zip"), bytes);
  execFileSync("python3", ["-m", "zipfile", "-e", join(scratch, "run.zip"), scratch]);
  const about = JSON.parse(live.about());
  const said = execFileSync(precipice, ["verify", join(scratch, `${about.name}-${about.hash.slice(0, 8)}`)], { encoding: "utf8" });
  console.log(`a downloaded run: ${said.trim().split("\n")[0]}`);
}
rmSync(scratch, { recursive: true });
console.log(`${RUNS.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
