// The public page as Lighthouse judges it: at least 95 of 100 in each category, in the
// languages and on the screens that it judges.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import lighthouse, { desktopConfig } from 'lighthouse';
import { chromium } from 'playwright-core';

import { findChromium, SWITCHES } from './browser.mjs';
import { built, start } from './program.mjs';

const AT_LEAST = 95;
const CATEGORIES = ['performance', 'accessibility', 'best-practices', 'seo'];

let program;
let browser;
let port;
const scenes = {};

before(async () => {
  program = await start(built('examples/pages'), [], { ready: /ready/ });
  for (const line of program.output().split('\n')) {
    const [name, page, operator] = line.split(' ');
    if (operator) {
      scenes[name] = page;
    }
  }
  port = await freePort();
  const root = process.getuid?.() === 0;
  browser = await chromium.launch({
    executablePath: findChromium(),
    args: [...SWITCHES, `--remote-debugging-port=${port}`, ...(root ? ['--no-sandbox'] : [])],
    timeout: 60_000,
  });
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

/** A port nobody listens on now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
}

async function judged(address, config) {
  const flags = { port, output: 'json', logLevel: 'error', onlyCategories: CATEGORIES };
  const { lhr } = await lighthouse(address, flags, config);
  assert.equal(lhr.runtimeError, undefined, JSON.stringify(lhr.runtimeError));
  const lost = (category) =>
    lhr.categories[category].auditRefs
      .filter(({ id, weight }) => weight > 0 && (lhr.audits[id].score ?? 1) < 1)
      .map(({ id }) => `${id}: ${lhr.audits[id].displayValue ?? lhr.audits[id].title}`);
  return CATEGORIES.map((name) => [name, Math.round(lhr.categories[name].score * 100), lost(name)]);
}

for (const [scene, path, screen, config] of [
  ['well', '/', 'phone', undefined],
  ['incident', '/de/', 'phone', undefined],
  ['resolved', '/pl/incidents/I-1', 'desk', desktopConfig],
]) {
  test(`Lighthouse: ${scene} ${path} on a ${screen}`, async (t) => {
    const scores = await judged(scenes[scene] + path, config);
    t.diagnostic(scores.map(([name, score]) => `${name} ${score}`).join(', '));
    for (const [name, score, lost] of scores) {
      assert.ok(score >= AT_LEAST, `${name}: ${score}: ${lost.join('; ')}`);
    }
  });
}
