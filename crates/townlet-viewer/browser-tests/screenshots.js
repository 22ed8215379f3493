// Takes the pictures of the documents: node screenshots.js PAGE-URL REPORT-FILE TERMINAL-TEXT FOLDER
//
// `cargo xtask screenshots` calls it with everything ready.

import { readFileSync, existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "@playwright/test";

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
  const text = readFileSync(terminal, "utf8").replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const page = await browser.newPage({ viewport: { width: 900, height: 560 } });
  await page.setContent(
    `<body style="margin:0;background:#111"><pre style="margin:16px;color:#eee;font:15px/1.2 'DejaVu Sans Mono',monospace">${text}</pre></body>`,
  );
  await page.screenshot({ path: `${folder}/terminal.png` });
  console.log(`${folder}/terminal.png`);
}
await browser.close();
