// What a reader does in each section, by mouse or touch.

const press = async (locator, touch) => (touch ? locator.tap() : locator.click());
const LONG = 180_000;

const SECTIONS = {
  async story(page, { touch, is_long }) {
    await page.locator(".u-over").first().waitFor();
    await press(page.getByRole("button", { name: "Place your guess on the curve" }), touch);
    const curve = page.locator(".u-over").first();
    const box = await curve.boundingBox();
    await page.mouse.click(box.x + box.width * 0.4, box.y + box.height / 2);
    await page.getByText(/Your guess: step/).waitFor();
    if (!is_long) return;
    await press(page.getByRole("button", { name: /^Train/ }), touch);
    await page.getByText("finished", { exact: true }).waitFor({ timeout: LONG });
    await page.getByText(/You guessed/).waitFor();
    await press(page.getByRole("button", { name: /Layer 1: who looks where/ }), touch);
    await page.getByText(/Without layer 1, head 1/).waitFor({ timeout: 30_000 });
    await press(page.getByRole("button", { name: "Set L = N" }), touch);
    await page.getByText(/L = 4: accuracy/).waitFor({ timeout: 30_000 });
  },
  async cliff(page, { touch }) {
    await page.getByText(/From the start the formula jumps at/).waitFor({ timeout: 30_000 });
    await page.getByText("98.67").waitFor();
    await press(page.getByRole("button", { name: "Set L = N" }), touch);
    await page.getByText("It never jumps").waitFor();
    await press(page.getByRole("button", { name: "N = 8, L = 32" }), touch);
    await page.getByText("98.67").waitFor();
    const map = page.getByRole("button", { name: /Drop a ball/ });
    const box = await map.boundingBox();
    await map.click({ position: { x: box.width * 0.15, y: box.height * 0.8 } });
    await page.getByText("It does not get over the edge from here.").waitFor();
    await map.focus();
    for (let i = 0; i < 30; i++) await page.keyboard.press("ArrowRight");
    await page.getByText(/It rolls over the edge/).waitFor();
    await press(page.getByRole("button", { name: "Let the ball roll" }), touch);
  },
  async characters(page) {
    await page.getByRole("heading", { level: 2 }).first().waitFor();
    await page.locator("canvas").first().waitFor();
  },
  async phases(page) {
    await page.getByRole("heading", { level: 2 }).first().waitFor();
    await page.waitForTimeout(500);
  },
  async descent(page) {
    await page.locator(".u-over").first().waitFor();
  },
  async lab(page, { touch, is_long }) {
    await page.locator("details code", { hasText: "task.copying" }).first().waitFor({ timeout: 30_000 });
    const labels = page.getByLabel("n_labels", { exact: true });
    await labels.fill("2");
    await labels.press("Enter");
    await page.getByRole("alert").waitFor();
    await labels.fill("8");
    await labels.press("Enter");
    await page.locator("code.change", { hasText: "task.copying.n_labels=8" }).waitFor();
    await press(page.getByRole("button", { name: "Reset task.copying.n_labels" }), touch);
    if (!is_long) return;
    const steps = page.getByLabel("Find a field");
    await steps.fill("optimizer updates");
    const field = page.getByLabel("steps", { exact: true });
    await field.fill("60");
    await field.press("Enter");
    for (const seed of [0, 1]) {
      if (seed === 0) await press(page.getByRole("button", { name: /^Train/ }), touch);
      else {
        await press(page.getByRole("button", { name: "New seed" }), touch);
        await press(page.getByRole("button", { name: /^Train/ }), touch);
      }
      await page.getByText("finished", { exact: true }).waitFor({ timeout: LONG });
      await press(page.getByRole("button", { name: /Keep for comparison/ }), touch);
    }
    await page.getByText(/First difference at step/).waitFor();
    const download = page.waitForEvent("download");
    await press(page.getByRole("button", { name: "Download the run" }), touch);
    if (!(await download).suggestedFilename().endsWith(".zip")) throw new Error("the download is no zip file");
  },
  async runs(page) {
    await page.getByText("short").first().waitFor({ timeout: 30_000 });
  },
};

export const drive = (section, page, options) => SECTIONS[section](page, options);
