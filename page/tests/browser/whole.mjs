// The page as a whole: how soon it is there, whose bits it has, what keys do.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RUNS } from "../runs.mjs";

/** Painted from stored data, by the browser's own clock, and with few bytes. */
export async function first_paint(page, base) {
  await page.goto(base, { waitUntil: "load" });
  await page.locator(".u-over").first().waitFor();
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0, undefined, { timeout: 10_000 });
  const { paint, bytes } = await page.evaluate(() => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity;
    const files = performance.getEntriesByType("resource").filter((entry) => entry.startTime < paint + 500 && !entry.name.endsWith(".wasm"));
    return { paint, bytes: files.reduce((sum, file) => sum + file.transferSize, 0) };
  });
  console.log(`    first contentful paint ${paint.toFixed(0)} ms, ${(bytes / 1000).toFixed(0)} kB before it`);
  if (bytes > 600_000) throw new Error(`${bytes} bytes before the first picture`);
}

/** Whole runs in the browser's worker: the digests of the command line, in the arithmetic that this browser has. */
export async function digests(page, base, precipice, call) {
  await page.goto(`${base}#lab`);
  for (const { spec, changes } of RUNS) {
    await page.goto(`${base}?${spec}#lab?spec=${spec}&set=${encodeURIComponent(JSON.stringify(changes))}`);
    await page.getByRole("button", { name: "Train", exact: true }).click();
    const digest = page.locator("code.digest");
    const began = Date.now();
    await digest.waitFor({ timeout: 240_000 });
    const found = await digest.textContent();
    const line = await page.locator("pre code").first().textContent();
    const arithmetic = line.includes("--arithmetic portable") ? "portable" : "fused";
    const out = join(mkdtempSync(join(tmpdir(), "precipice-digest-")), "run");
    const report = await call(["run", spec, ...changes.flatMap((change) => ["-s", change]), "--arithmetic", arithmetic, "--out", out, "--json", "--quiet"]);
    const native = JSON.parse(report).digest;
    console.log(`    ${spec} ${changes.join(" ")}: ${arithmetic}, ${((Date.now() - began) / 1000).toFixed(1)} s with evaluations`);
    if (found !== native) throw new Error(`${spec}: the browser has ${found}, the command line ${native}`);
  }
}

/** Space, arrows, R and N in the story. */
export async function keyboard(page, base) {
  await page.goto(base);
  await page.locator(".u-over").first().waitFor();
  await page.keyboard.press("Space");
  const state = page.locator(".transport .state");
  await state.getByText("training", { exact: true }).waitFor({ timeout: 30_000 });
  await page.waitForFunction(() => !/step 0\s/.test(document.querySelector(".transport .state").textContent), undefined, { timeout: 30_000 });
  await page.keyboard.press("Space");
  await state.getByText("paused", { exact: true }).waitFor({ timeout: 30_000 });
  await page.keyboard.press("r");
  await page.waitForFunction(() => /step 0\s/.test(document.querySelector(".transport .state").textContent), undefined, { timeout: 30_000 });
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => /step 1\s/.test(document.querySelector(".transport .state").textContent), undefined, { timeout: 30_000 });
  await page.keyboard.press("n");
  await state.getByText("seed 1", { exact: true }).waitFor({ timeout: 30_000 });
}
