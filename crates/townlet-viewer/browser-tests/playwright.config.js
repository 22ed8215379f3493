// The browser is the system's Chromium; set CHROMIUM where it lies elsewhere.

import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(executablePath)) {
  throw new Error(`There is no ${executablePath}: install Chromium (apt-get install chromium), or set CHROMIUM to its path.`);
}

export default defineConfig({
  testDir: "tests",
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: "list",
  use: { launchOptions: { executablePath, args: ["--no-sandbox"] } },
});
