// The page, driven as a person would.

import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { freePort, start } from "./server.js";

let port;
let server;
let complaints;

test.beforeEach(async ({ page }) => {
  port = await freePort();
  server = await start(port);
  complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
});

test.afterEach(async () => {
  await server.stop();
});

const button = (page, name) => page.getByRole("button", { name, exact: true });
const clock = (page) => page.locator(".clock").first();

async function step(page) {
  // A page that has just connected says nothing until the first picture comes.
  await expect(clock(page)).toContainText(/step \d+/);
  return Number((await clock(page).textContent()).match(/step (\d+)/)[1]);
}

async function open(page) {
  await page.goto(server.url);
  await expect(page.locator("#connection")).toHaveText("connected");
  await expect(clock(page)).toContainText("step");
}

async function pauseAtStart(page) {
  await open(page);
  await button(page, "Pause").click();
  await expect(button(page, "Play")).toBeVisible();
  await button(page, "Restart").click();
  await expect(clock(page)).toContainText("step 0 of");
}

test("loads, connects and plays without a complaint", async ({ page }) => {
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).host));
  await open(page);
  const before = await step(page);
  await expect.poll(() => step(page)).toBeGreaterThan(before);
  for (const panel of ["Town", "Needs", "Action values", "Memory", "Rewards and progress", "Visits and uses", "Certificates", "Training"]) {
    await expect(page.getByRole("heading", { name: panel, exact: true })).toBeVisible();
  }
  expect(new Set(asked)).toEqual(new Set([`127.0.0.1:${port}`]));
  expect(complaints).toEqual([]);
});

test("pauses, steps and restarts", async ({ page }) => {
  await pauseAtStart(page);
  for (const expected of [1, 2, 3]) {
    await button(page, "Step").click();
    await expect(clock(page)).toContainText(`step ${expected} of`);
  }
  await button(page, "Restart").click();
  await expect(clock(page)).toContainText("step 0 of");
});

test("plays to the end and issues a certificate", async ({ page }) => {
  await pauseAtStart(page);
  await button(page, "To the end").click();
  const certificate = page.locator(".certificate").first();
  await expect(certificate).toContainText("Died of");
  await certificate.getByText("Its last steps").click();
  await expect(certificate.locator("tbody tr")).toHaveCount(20);
  await expect(page.locator(".verdict").first()).toContainText("died of");
});

test("changes speed, seed, epsilon, level and checkpoint", async ({ page }) => {
  await pauseAtStart(page);
  await page.getByLabel("Speed").fill("100");
  await expect(page.getByText("200 steps/s")).toBeVisible();
  const before = await page.locator(".agent").first().getAttribute("transform");
  await page.getByLabel("Seed").fill("3");
  await page.getByLabel("Seed").press("Enter");
  await expect(page.locator(".agent").first()).not.toHaveAttribute("transform", before);
  await page.getByLabel("Epsilon").fill("1");
  await expect(page.getByText("1.00", { exact: true })).toBeVisible();
  await page.getByLabel("Level").selectOption("full");
  await expect(page).toHaveTitle("Townlet: full");
  await page.getByLabel("Checkpoint").selectOption("random");
  await expect(page.getByRole("heading", { level: 2 }).first()).toContainText("random");
});

test("shows memory kept beside memory wiped", async ({ page }) => {
  await pauseAtStart(page);
  await page.getByLabel("Epsilon").fill("0");
  await button(page, "Memory kept | wiped").click();
  await expect(button(page, "Memory kept | wiped")).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByLabel("Beside it")).toHaveValue("memory_wiped");
  await expect(page.locator(".lane")).toHaveCount(2);
  await expect(page.getByRole("heading", { name: "memory wiped every step" })).toBeVisible();
  const values = (lane) => page.locator(".lane").nth(lane).locator(".values .value").allTextContents();
  expect(await values(0)).toEqual(await values(1));
  for (const expected of [1, 2, 3]) {
    await button(page, "Step").click();
    await expect(clock(page)).toContainText(`step ${expected} of`);
  }
  expect(await values(0)).not.toEqual(await values(1));
  await button(page, "Memory kept | wiped").click();
  await expect(page.locator(".lane")).toHaveCount(1);
});

test("survives a restart of the server", async ({ page }) => {
  await open(page);
  await server.stop();
  await expect(page.locator("#connection")).toContainText("trying again");
  server = await start(port);
  await expect(page.locator("#connection")).toHaveText("connected");
  const before = await step(page);
  await expect.poll(() => step(page)).not.toBe(before);
});

test("can be used with the keyboard alone", async ({ page }) => {
  await open(page);
  await page.keyboard.press("Space");
  await expect(button(page, "Play")).toBeVisible();
  await page.keyboard.press("r");
  await expect(clock(page)).toContainText("step 0 of");
  await page.keyboard.press("s");
  await expect(clock(page)).toContainText("step 1 of");
  await page.keyboard.press("m");
  await expect(page.locator(".lane")).toHaveCount(2);
  await page.keyboard.press("m");
  await expect(page.locator(".lane")).toHaveCount(1);

  // Every control and every explanation can be reached with Tab.
  const reached = new Set();
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => {
      const element = document.activeElement;
      return element.getAttribute("aria-label") ?? document.querySelector(`label[for="${element.id}"]`)?.textContent ?? element.textContent;
    }));
  }
  for (const name of ["Skip to the town", "Play", "Step", "Restart", "Speed", "Seed", "Epsilon", "Level", "Checkpoint", "What is this: Memory"]) {
    expect([...reached], name).toContain(name);
  }
  const help = page.getByLabel("What is this: Memory");
  await help.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nobody told it what to keep.")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByText("Nobody told it what to keep.")).toBeHidden();
});

test("says what is refused", async ({ page }) => {
  await pauseAtStart(page);
  await page.evaluate(() => {
    const select = [...document.querySelectorAll("select")].find((it) => [...it.options].some((option) => option.value === "pomdp"));
    select.append(new Option("elsewhere", "elsewhere"));
    select.value = "elsewhere";
    select.dispatchEvent(new Event("change"));
  });
  await expect(page.getByRole("alert")).toContainText("there is no level `elsewhere`");
});

test("labels of others who live as long do not lie on each other", async ({ page }) => {
  await open(page);
  await expect(page.locator(".trend text").filter({ hasText: "scripted, trained" })).toBeVisible();
  const boxes = await page.locator(".trend text").evaluateAll((all) => all.map((it) => it.getBoundingClientRect()).map(({ left, right, top, bottom }) => ({ left, right, top, bottom })));
  for (const [index, one] of boxes.entries()) {
    for (const other of boxes.slice(index + 1)) {
      const apart = one.right <= other.left || other.right <= one.left || one.bottom <= other.top + 1 || other.bottom <= one.top + 1;
      expect(apart, JSON.stringify([one, other])).toBe(true);
    }
  }
});

test("space acts on the session after a click, and not on what was clicked", async ({ page }) => {
  await pauseAtStart(page);
  await page.keyboard.press("Space");
  await expect(button(page, "Pause")).toBeVisible();
});

for (const [name, width] of [["phone", 390], ["desktop", 1280], ["wall", 1920]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`is accessible and fits on a ${name}, ${colorScheme}`, async ({ page }) => {
      await page.setViewportSize({ width, height: 844 });
      await page.emulateMedia({ colorScheme });
      await pauseAtStart(page);
      await button(page, "Memory kept | wiped").click();
      await expect(page.locator(".lane")).toHaveCount(2);
      await button(page, "To the end").click();
      await expect(page.locator(".certificate")).toHaveCount(2);
      for (const summary of await page.locator(".help summary").all()) await summary.click();
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.target).join(" | ")}`)).toEqual([]);
      expect(complaints).toEqual([]);
    });
  }
}
