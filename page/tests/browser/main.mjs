// Every section in Chromium, at two widths and in both themes: `CHROMIUM=... node tests/browser/main.mjs PRECIPICE`.
// Screenshots go to target/page-shots, to be looked at.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { drive } from "./sections.mjs";
import { digests, first_paint, keyboard } from "./whole.mjs";

const precipice = process.argv[2];
const root = new URL("../../..", import.meta.url).pathname;
const shots = join(root, "target/page-shots");
mkdirSync(shots, { recursive: true });
const runs = mkdtempSync(join(tmpdir(), "precipice-runs-"));
await spawn_sync(["run", "copying-small", "-s", "train.steps=200", "--out", join(runs, "short"), "--quiet"]);
await spawn_sync(["sweep", "copying-small", "-g", "task.copying.n_labels=4,16", "--seeds", "0..1", "--steps", "100", "--out", join(runs, "sweep"), "--quiet"]);

const server = spawn(precipice, ["serve", runs, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
const base = await new Promise((resolve, reject) => {
  server.stdout.once("data", (text) => resolve(/http:\S+/.exec(String(text))[0].replace(/\/?$/, "/")));
  server.once("exit", (code) => reject(new Error(`precipice serve ended with ${code}`)));
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader"],
});
const axe = readFileSync(join(root, "page/node_modules/axe-core/axe.min.js"), "utf8");

let [passed, failed] = [0, 0];
/** One check: its errors, those of the console among them, are all told. */
async function check(name, options, body) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => errors.push(`page: ${error.message}`));
  try {
    await body(page);
  } catch (error) {
    errors.push(error.message);
  }
  await context.close();
  if (errors.length > 0) failed++;
  else passed++;
  console.log(`${errors.length > 0 ? "FAILED" : "ok"} ${name}${errors.map((error) => `\n    ${error}`).join("")}`);
}

await check("first paint", { viewport: { width: 1440, height: 900 } }, (page) => first_paint(page, base));
await check("digests", {}, (page) => digests(page, base, precipice, spawn_sync));
await check("keyboard", { viewport: { width: 1440, height: 900 } }, (page) => keyboard(page, base));
for (const [width, theme, touch] of [[1440, "light", false], [400, "dark", true], [1440, "dark", false], [400, "light", true]]) {
  for (const section of ["story", "cliff", "characters", "phases", "descent", "lab", "runs"]) {
    const options = { viewport: { width, height: 900 }, colorScheme: theme, hasTouch: touch, reducedMotion: "reduce" };
    await check(`${section} ${width} ${theme}`, options, async (page) => {
      await page.goto(`${base}#${section}`);
      await drive(section, page, { touch, is_long: theme === "light" });
      await page.screenshot({ path: join(shots, `${section}-${width}-${theme}.png`), fullPage: true });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) throw new Error(`wider than the screen by ${overflow} pixels`);
      // A policy that forbids inline scripts forbids axe too; what it sees is the same.
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const words = violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
      if (words.length > 0) throw new Error(`axe: ${words.join("; ")}`);
    });
  }
}
await browser.close();
server.kill("SIGINT");
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

function spawn_sync(args) {
  return import("node:child_process").then(({ execFileSync }) => execFileSync(precipice, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
}
