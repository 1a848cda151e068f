// A real browser for tests: Chromium as the machine has it, driven by
// playwright-core, which brings no browser of its own.
//
//     const browser = await launch();
//     const page = await browser.page({ colorScheme: 'dark', phone: true });
//     await page.goto(address);
//     await screenshot(page, 'status-dark-phone');
//     await browser.close();
//
// Every launch has a fresh profile, which goes when the browser closes. It speaks
// to nobody but the pages under test.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export const SWITCHES = [
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// The screens that pages are looked at on.
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

// A page that has not answered by then never will.
const PATIENCE_MS = 15_000;

/** The browser's program; an error that says how to get one where there is none. */
export function findChromium(path = process.env.PATH ?? '') {
  for (const name of NAMES) {
    for (const folder of path.split(delimiter)) {
      const candidate = join(folder, name);
      try {
        accessSync(candidate, constants.X_OK);
        return candidate;
      } catch {
        continue;
      }
    }
  }
  throw new Error('no Chromium on PATH. Type: cargo xtask setup');
}

/** Starts a browser; `page(options)` opens pages that share nothing. */
export async function launch() {
  const root = process.getuid?.() === 0;
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: root ? [...SWITCHES, '--no-sandbox'] : SWITCHES,
    timeout: 60_000,
  });
  return {
    /**
     * A page of its own context.
     * `javaScript`: false to read as without it. `colorScheme`: 'light' or 'dark'.
     * `phone`: a narrow touch screen. `language`: what the visitor's browser asks for.
     */
    async page({ javaScript = true, colorScheme = 'light', phone = false, language = 'en' } = {}) {
      const context = await browser.newContext({
        javaScriptEnabled: javaScript,
        colorScheme,
        locale: language,
        viewport: phone ? PHONE : DESK,
        deviceScaleFactor: phone ? 2 : 1,
        isMobile: phone,
        hasTouch: phone,
      });
      context.setDefaultTimeout(PATIENCE_MS);
      return context.newPage();
    },
    close: () => browser.close(),
  };
}

/**
 * Keeps a picture of the whole page in the folder that SCREENSHOTS names, for
 * people to look at; without it, nothing. Returns the file's path, or null.
 */
export async function screenshot(page, name, folder = process.env.SCREENSHOTS) {
  if (!folder) {
    return null;
  }
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path, fullPage: true });
  return path;
}

/** Opens an address and counts the bytes of everything that loads with it. */
export async function bytesToLoad(page, address) {
  const sizes = [];
  const count = (request) => sizes.push(request.sizes().then((s) => s.responseBodySize));
  page.on('requestfinished', count);
  await page.goto(address, { waitUntil: 'networkidle' });
  page.off('requestfinished', count);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Whether the page is wider than the screen: on a phone, a fault. */
export async function scrollsSideways(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  return wide > page.viewportSize().width;
}

// WCAG 2.2, levels A and AA, as axe-core names them.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** What axe-core finds against WCAG 2.2 AA on the page as it stands, each with where and why. */
export async function barriers(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(
    (values) => window.axe.run({ runOnly: { type: 'tag', values }, resultTypes: ['violations'] }),
    RULES,
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary.replaceAll(/\s+/g, ' ')}`),
  );
}
