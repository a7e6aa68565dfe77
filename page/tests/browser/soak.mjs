// Plays with every control for some minutes: `CHROMIUM=... node tests/browser/soak.mjs URL [MINUTES]` of a served page. Fails
// at an error in the console, or where memory or the number of workers keeps growing.
import { chromium } from "playwright-core";

const base = (process.argv[2] ?? "http://127.0.0.1:8431").replace(/\/?$/, "/");
const minutes = Number(process.argv[3] ?? 10);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader"],
});
const context = await browser.newContext({ viewport: { width: 1300, height: 900 }, acceptDownloads: true });
const page = await context.newPage();
const errors = [];
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("response", (answer) => answer.status() >= 400 && errors.push(`${answer.status()} ${answer.url()}`));
page.on("pageerror", (error) => errors.push(error.message));
const session = await context.newCDPSession(page);
await session.send("HeapProfiler.enable");

// The same order at every call.
let state = 1;
const random = (n) => (state = (state * 48271) % 2147483647) % n;
const sections = ["story", "cliff", "characters", "phases", "descent", "lab", "runs"];
await page.goto(base);
const heaps = [];
const until = Date.now() + 60_000 * minutes;
let n_acts = 0;
for (let round = 0; Date.now() < until; round++) {
  for (const section of sections) {
    await page.evaluate((name) => (location.hash = name), section);
    await page.waitForTimeout(400);
    for (let act = 0; act < 12; act++) {
      const controls = page.locator("main button:visible:enabled, main input:visible:enabled, main select:visible:enabled, main summary:visible");
      const n = await controls.count();
      if (n === 0) break;
      const control = controls.nth(random(n));
      const kind = await control.evaluate((node) => `${node.tagName} ${node.type ?? ""}`).catch(() => "");
      if (kind.startsWith("INPUT range")) await control.press(random(2) ? "ArrowRight" : "PageDown", { timeout: 1000 }).catch(() => {});
      else if (kind.startsWith("SELECT")) await control.selectOption({ index: random(3) }, { timeout: 1000 }).catch(() => {});
      else if (kind.startsWith("INPUT checkbox") || !kind.startsWith("INPUT")) await control.click({ timeout: 1000 }).catch(() => {});
      n_acts++;
    }
    await page.waitForTimeout(300);
  }
  await page.evaluate(() => (location.hash = "cliff"));
  await page.waitForTimeout(500);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  heaps.push(usedSize / 1e6);
  console.log(`round ${round}: ${n_acts} acts, heap ${heaps.at(-1).toFixed(1)} MB, ${page.workers().length} workers, ${errors.length} errors`);
}
const n_workers = page.workers().length;
await browser.close();
errors.slice(0, 10).forEach((error) => console.log(error));
// The first rounds load what is loaded once.
const grows = heaps.length > 4 && heaps.at(-1) > 1.5 * heaps[2] + 10;
if (grows) console.log("memory keeps growing");
console.log(`${errors.length > 0 || grows || n_workers > 3 ? "0 passed, 1 failed" : "1 passed, 0 failed"}`);
process.exit(errors.length > 0 || grows || n_workers > 3 ? 1 : 0);
