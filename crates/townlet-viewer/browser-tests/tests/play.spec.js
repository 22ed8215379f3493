// A person who plays: keys, deaths, prices.

import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { freePort, start } from "./server.js";

let server;
let complaints;

test.beforeEach(async ({ page }) => {
  const port = await freePort();
  server = await start(port, "play");
  complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(server.url);
  await expect(clock(page)).toContainText("step 0 of");
});

test.afterEach(async () => {
  await server.stop();
  expect(complaints).toEqual([]);
});

const button = (page, name) => page.getByRole("button", { name, exact: true });
const clock = (page) => page.locator(".clock").first();
const ending = (page) => page.getByRole("alertdialog");
const steps = async (page) => Number((await clock(page).textContent()).match(/step (\d+)/)[1]);

/** Walks into a wall until it dies. */
async function die(page) {
  while (!(await ending(page).isVisible())) {
    for (let presses = 0; presses < 10; presses += 1) await page.keyboard.press("ArrowUp");
    await page.waitForTimeout(300);
  }
}

test("keys move, and space acts after every click", async ({ page }) => {
  await page.keyboard.press("ArrowRight");
  await expect(clock(page)).toContainText("step 1 of");
  await page.keyboard.press("Space");
  await expect(clock(page)).toContainText("step 2 of");
  await button(page, "UP").click();
  await expect(clock(page)).toContainText("step 3 of");
  await button(page, "Restart").click();
  await expect(clock(page)).toContainText("step 0 of");
  await page.keyboard.press("Space");
  await expect(clock(page)).toContainText("step 1 of");
  const view = button(page, "Only what an agent sees");
  await view.click();
  await expect(view).toHaveAttribute("aria-pressed", "false");
  await page.keyboard.press("Space");
  await expect(clock(page)).toContainText("step 2 of");
  await expect(view).toHaveAttribute("aria-pressed", "false");
  await page.getByLabel("What is this: Needs").click();
  await page.keyboard.press("Space");
  await expect(clock(page)).toContainText("step 3 of");
  // With the keyboard alone, a button keeps its own key.
  await button(page, "Restart").focus();
  await page.keyboard.press("Space");
  await expect(clock(page)).toContainText("step 0 of");
});

test("begins with what an agent sees, on any level", async ({ page }) => {
  for (const level of ["temporal", "pomdp", "full"]) {
    await page.getByLabel("Level").selectOption(level);
    await expect(page).toHaveTitle(`Townlet: ${level}`);
    await expect(button(page, "Only what an agent sees")).toHaveAttribute("aria-pressed", "true");
    await expect(page.locator(".place:not(.here) .name:visible")).toHaveCount(0);
    await button(page, "Only what an agent sees").click();
    await expect(page.locator(".place .name:visible")).toHaveCount(14);
  }
});

test("says what places cost and do, and why a step did nothing", async ({ page }) => {
  await page.getByLabel("Level").selectOption("temporal");
  const bar = page.locator(".guide li").filter({ hasText: /^Bar/ });
  for (const expected of ["7.5 a step, 2 steps, 18–4 h", "mood +7.5", "when done"]) await expect(bar).toContainText(expected);
  for (let presses = 0; presses < 8; presses += 1) await page.keyboard.press("ArrowRight");
  for (let presses = 0; presses < 8; presses += 1) await page.keyboard.press("ArrowUp");
  const here = page.locator(".here:not(.place)");
  await expect(here).toContainText("That is the edge of the town.");
  await expect(here).toContainText("Bar: costs 7.5 a step; takes 2 steps in a row; open from 18:00 to 04:00");
  const hour = Number((await clock(page).textContent()).match(/(\d+):00/)[1]);
  if (hour >= 4 && hour < 18) {
    await page.keyboard.press("Space");
    await expect(here).toContainText("Closed now");
  }
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Space");
  await expect(here).toContainText("There is nothing to use here.");
});

test("a death is a pause that says what happened, and ends with a new press", async ({ page }) => {
  await die(page);
  const lived = await steps(page);
  await expect(ending(page)).toContainText("You died of");
  await expect(ending(page)).toContainText(`You lived ${lived} of 500 steps`);
  await expect(ending(page)).toContainText(`Your best so far: ${lived} steps; on average a random agent lives 102`);
  await expect(page.locator(".agent.dead .mouth.alive")).toBeHidden();
  expect((await new AxeBuilder({ page }).analyze()).violations.map((it) => it.id)).toEqual([]);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.down("ArrowLeft");
  await page.waitForTimeout(1200);
  await page.keyboard.down("ArrowLeft");
  await page.keyboard.up("ArrowLeft");
  await expect(ending(page)).toBeVisible();
  expect(await steps(page)).toBe(lived);
  await page.keyboard.press("Space");
  await expect(ending(page)).toBeHidden();
  await expect(clock(page)).toContainText("step 0 of");
  await expect(page.locator(".survival li").nth(1)).toContainText(String(lived));
  // The next key moves again.
  await page.keyboard.press("ArrowLeft");
  await expect(clock(page)).toContainText("step 1 of");
});

test("a key that is held down at a death does not begin the next life", async ({ page }) => {
  await die(page);
  await page.keyboard.down("Space");
  await page.waitForTimeout(1200);
  // Without a release, a press is a repetition.
  await page.keyboard.down("Space");
  await page.waitForTimeout(200);
  await expect(ending(page)).toBeVisible();
  await page.keyboard.up("Space");
  await page.getByRole("button", { name: "Begin again" }).click();
  await expect(ending(page)).toBeHidden();
});
