// Steps per second in Chromium, without evaluations: `CHROMIUM=... node tests/browser/speed.mjs URL` of a served page, on a
// machine that does nothing else.
import { chromium } from "playwright-core";

const base = (process.argv[2] ?? "http://127.0.0.1:8431").replace(/\/?$/, "/");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const QUIET = ["eval.every=100000", "eval.sequences=64", "probes.enabled=false", "checkpoint.every=100000"];
for (const [spec, steps, without] of [["copying-small", 3000, ["probes.ablations=[]"]], ["copying", 800, ["probes.ablations=[]"]], ["regression", 3000, []], ["minimal-head", 3000, []]]) {
  const rates = [];
  for (let round = 0; round < 3; round++) {
    const page = await browser.newPage();
    const set = [...QUIET, ...without, `train.steps=${steps}`];
    await page.goto(`${base}?${spec}${round}#lab?spec=${spec}&set=${encodeURIComponent(JSON.stringify(set))}`);
    // The first press makes the run; it is timed from step 1 on.
    await page.getByRole("button", { name: "+1 step" }).click();
    await page.waitForFunction(() => /step 1\s/.test(document.querySelector(".transport .state")?.textContent ?? ""), undefined, { timeout: 60_000 });
    const seconds = await page.evaluate(async () => {
      const began = performance.now();
      document.querySelector(".transport .play").click();
      while (!document.querySelector("code.digest")) await new Promise((resolve) => setTimeout(resolve, 20));
      return (performance.now() - began) / 1000;
    });
    rates.push((steps - 1) / seconds);
    await page.close();
  }
  rates.sort((a, b) => a - b);
  console.log(`${spec}: ${rates[1].toFixed(0)} steps/s (${rates.map((rate) => rate.toFixed(0)).join(", ")})`);
}
await browser.close();
