// The page below a path prefix, and behind a token.

import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { proxy } from "./proxy.js";
import { freePort, start } from "./server.js";

const TOKEN = "correct-horse-battery";
let stops = [];

test.afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  stops = [];
});

async function served(...more) {
  const port = await freePort();
  const server = await start(port, ...more);
  stops.push(() => server.stop());
  return port;
}

/** Watches for anything that the page should not say or ask for. */
function listen(page) {
  const heard = { complaints: [], asked: [] };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) heard.complaints.push(message.text());
  });
  page.on("pageerror", (error) => heard.complaints.push(String(error)));
  page.on("request", (request) => heard.asked.push(new URL(request.url())));
  page.on("websocket", (socket) => heard.asked.push(new URL(socket.url())));
  return heard;
}

async function plays(page) {
  await expect(page.locator("#connection")).toHaveText("connected");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByRole("button", { name: "Restart", exact: true }).click();
  const clock = page.locator(".clock").first();
  await expect(clock).toContainText("step 0 of");
  await page.getByRole("button", { name: "Step", exact: true }).click();
  await expect(clock).toContainText("step 1 of");
  await expect(page.locator(".map")).toBeVisible();
}

for (const keeps of [false, true]) {
  for (const token of [false, true]) {
    const name = `${keeps ? "a proxy that keeps its prefix" : "a proxy that takes its prefix off"}${token ? ", with a token" : ""}`;
    test(`works below ${name}`, async ({ page, context }) => {
      const prefix = keeps ? "/user/ada/proxy/absolute/8766" : "/user/ada/proxy/8766";
      const target = await served("watch", ...(keeps ? ["--base-path", prefix] : []), ...(token ? ["--token", TOKEN] : []));
      const port = await freePort();
      const between = await proxy(port, target, prefix, keeps);
      stops.push(() => between.stop());
      const heard = listen(page);
      const base = `http://127.0.0.1:${port}${prefix}/`;
      await page.goto(base + (token ? `?token=${TOKEN}` : ""));
      await plays(page);
      expect(page.url()).toBe(base);
      for (const url of heard.asked) expect(url.pathname.startsWith(`${prefix}/`), url.href).toBe(true);
      expect(heard.asked.some((url) => url.protocol === "ws:" && url.pathname === `${prefix}/stream`)).toBe(true);
      expect(heard.complaints).toEqual([]);
      if (token) {
        const cookies = await context.cookies(base);
        expect(cookies.map(({ httpOnly, sameSite, path }) => ({ httpOnly, sameSite, path }))).toEqual([
          { httpOnly: true, sameSite: "Strict", path: prefix },
        ]);
      }
    });
  }
}

test("asks for the token, takes it once and keeps it out of the address", async ({ page, context }) => {
  const port = await served("watch", "--token", TOKEN);
  const base = `http://127.0.0.1:${port}/`;
  const refused = await page.goto(base);
  expect(refused.status()).toBe(401);
  await expect(page.getByText("Open the address that the program printed when it started")).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations.map((it) => it.id)).toEqual([]);

  await page.goto(`${base}?token=${TOKEN}`);
  await plays(page);
  expect(page.url()).toBe(base);
  expect(await page.evaluate(() => document.cookie)).toBe("");
  await page.reload();
  await expect(page.locator("#connection")).toHaveText("connected");
  // The address with the token is in no history.
  await page.goBack();
  expect(page.url()).not.toContain("token");

  // Another browser has no cookie.
  const stranger = await context.browser().newContext();
  const other = await stranger.newPage();
  expect((await other.goto(base)).status()).toBe(401);
  for (const path of ["style.css", "js/main.js", "metrics.json", "favicon.svg"]) {
    expect((await other.request.get(base + path)).status(), path).toBe(401);
  }
  await stranger.close();
});

test("comes in by a link of another site", async ({ page }) => {
  const port = await served("watch", "--token", TOKEN);
  await page.route("http://elsewhere.example/", (route) =>
    route.fulfill({ contentType: "text/html", body: `<a href="http://127.0.0.1:${port}/?token=${TOKEN}">the viewer</a>` }),
  );
  await page.goto("http://elsewhere.example/");
  await page.getByText("the viewer").click();
  await plays(page);
});

test("says that it is locked when the server asks for another token", async ({ page }) => {
  const port = await freePort();
  let server = await start(port, "watch", "--token", TOKEN);
  await page.goto(`http://127.0.0.1:${port}/?token=${TOKEN}`);
  await expect(page.locator("#connection")).toHaveText("connected");
  await server.stop();
  server = await start(port, "watch", "--token", `${TOKEN}-2`);
  stops.push(() => server.stop());
  await expect(page.locator("#connection")).toContainText("locked: open the address that the program printed");
});
