// Takes the pictures of the documents: node screenshots.js PAGE-URL REPORT-FILE TERMINAL-TEXT FOLDER
//
// `cargo xtask screenshots` calls it with everything ready.

import { readFileSync, existsSync } from "node:fs";
import { resolve } from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "@playwright/test";

const require = createRequire(import.meta.url);

const [url, report, terminal, folder] = process.argv.slice(2);
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function picture(name, address, width, colorScheme, options = {}, prepare = async () => {}) {
  const height = width < 500 ? 844 : Math.round(width * 0.5625);
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, ...options });
  await page.goto(address);
  await prepare(page);
  const path = `${folder}/${name}-${width}-${colorScheme}.png`;
  await page.screenshot({ path });
  await page.close();
  console.log(path);
}

// Long enough for an agent to have a path, a memory and some rewards.
const lived = async (page) => page.waitForTimeout(6000);

for (const width of [390, 1280, 1920]) {
  for (const scheme of ["light", "dark"]) {
    await picture("watch", url, width, scheme, {}, lived);
    await picture("report", pathToFileURL(resolve(report)).href, width, scheme);
  }
}

if (existsSync(terminal)) {
  const xterm = (file) => require.resolve(`@xterm/xterm/${file}`);
  const page = await browser.newPage({ viewport: { width: 960, height: 620 } });
  await page.setContent('<body style="margin: 12px; background: #111"><div></div></body>');
  await page.addStyleTag({ path: xterm("css/xterm.css") });
  await page.addScriptTag({ path: xterm("lib/xterm.js") });
  await page.evaluate(async ([text, cols, rows]) => {
    const options = { cols, rows, fontFamily: "DejaVu Sans Mono, monospace", fontSize: 15, theme: { background: "#111" } };
    const screen = new window.Terminal({ ...options, convertEol: true, cursorInactiveStyle: "none" });
    screen.open(document.querySelector("div"));
    await new Promise((drawn) => screen.write(text, drawn));
  }, [readFileSync(terminal, "utf8").trimEnd(), 100, 30]);
  await page.waitForTimeout(500);
  const path = `${folder}/terminal.png`;
  await page.locator(".xterm-screen").screenshot({ path });
  console.log(path);
}
await browser.close();
