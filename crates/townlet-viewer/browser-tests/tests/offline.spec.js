// The page of an exported episode: one file, no server, no network.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { freePort, start } from "./server.js";

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../../target", import.meta.url));
const program = `${target}/debug/examples/demo_export`;

function exported() {
  if (!existsSync(program)) throw new Error(`There is no ${program}: cargo build -p townlet-viewer --example demo_export`);
  const folder = mkdtempSync(join(tmpdir(), "townlet-"));
  execFileSync(program, [folder]);
  return folder;
}

test("a recording is replayed, with a scrubber", async ({ page }) => {
  const trace = join(exported(), "episode.jsonl");
  const steps = readFileSync(trace, "utf8").trim().split("\n").slice(2, -1).map((line) => JSON.parse(line));
  const server = await start(await freePort(), trace);
  try {
    await page.goto(server.url);
    const clock = page.locator(".clock").first();
    const scrubber = page.getByRole("slider", { name: "Step", exact: true });
    await expect(scrubber).toBeVisible();
    await scrubber.fill("20");
    await expect(clock).toContainText("step 20 of");
    await expect(page.locator("#controls output").filter({ hasText: `20 of ${steps.length}` })).toBeVisible();
    const shown = await page.locator(".meters .value").allTextContents();
    expect(shown).toEqual(steps[19].meters.map((value) => (100 * value).toFixed(1)));
    await page.getByRole("button", { name: "Step", exact: true }).click();
    await expect(clock).toContainText("step 21 of");
    await scrubber.fill(String(steps.length));
    await expect(page.locator(".verdict")).toContainText(`after ${steps.length} steps`);
    await scrubber.fill("0");
    await expect(clock).toContainText("step 0 of");
    await scrubber.blur();
    for (const [key, step] of [["ArrowRight", 1], ["ArrowRight", 2], ["ArrowLeft", 1], ["PageDown", 21], ["PageUp", 1], ["End", steps.length], ["Home", 0]]) {
      await page.keyboard.press(key);
      await expect(clock).toContainText(`step ${step} of`);
    }
    await expect(page.getByRole("heading", { level: 2 }).first()).toBeVisible();
  } finally {
    await server.stop();
  }
});

test("an exported episode plays offline, step by step", async ({ page, context }) => {
  const folder = exported();
  const file = join(folder, "episode.html");
  const film = JSON.parse(readFileSync(file, "utf8").match(/id="film">(.*?)<\/script>/s)[1]);
  const complaints = [];
  const asked = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));
  await context.setOffline(true);
  await page.goto(pathToFileURL(file).href);

  const clock = page.locator(".clock").first();
  await expect(clock).toContainText("step 0 of");
  for (const step of [1, 2, 3]) {
    await page.getByRole("button", { name: "Step", exact: true }).click();
    await expect(clock).toContainText(`step ${step} of`);
    const values = film.frames[step].lanes[0].thought.values;
    const shown = await page.locator(".lane").first().locator(".values .value").allTextContents();
    // As many decimals as tell the values apart.
    const near = (Math.max(...values) - Math.min(...values)) / 200;
    expect(shown.length).toBe(values.length);
    shown.forEach((text, index) => expect(Math.abs(Number(text.replace("−", "-")) - values[index])).toBeLessThanOrEqual(near));
  }
  await page.getByLabel("Step", { exact: true }).last().fill(String(film.frames.length - 1));
  const end = film.frames.at(-1).lanes[0].ended;
  await expect(page.locator(".verdict").first()).toContainText(`after ${end.steps} steps`);
  await page.getByLabel("Step", { exact: true }).last().fill("5");
  await expect(clock).toContainText("step 5 of");
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await expect.poll(async () => Number((await clock.textContent()).match(/step (\d+)/)[1])).toBeGreaterThan(6);
  await page.getByRole("button", { name: "Pause", exact: true }).click();

  expect(asked.filter((url) => !url.startsWith("file:") && !url.startsWith("data:"))).toEqual([]);
  expect(complaints).toEqual([]);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map((it) => it.id)).toEqual([]);
});
