// Copies of the public page in a real browser, from a plain file server: a real `evenkeel
// serve` publishes them to a folder until it is killed, and they have to say by themselves
// that how things are is unknown. With script and without, in a tab that stays open and
// opened late.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { barriers, launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';
import { addressOf, eventually, listening } from './service.mjs';

// A copy that nobody renews speaks of now for so long.
const VALID_FOR_MS = 12_000;

let folder;
let service;
let keeper;
let files;
let browser;

const configuration = (url) => `
[page]
listen = "127.0.0.1:0"
name = "Back office"
copies_valid_for = "${VALID_FOR_MS / 1000}s"
[operator]
listen = "127.0.0.1:0"
[[publish]]
id = "site"
to = "site"
[[component]]
id = "login"
name = "Login"
[[check]]
id = "login"
kind = "http"
url = "${url}"
interval = "1s"
components = ["login"]
`;

const startKeeper = () =>
  start(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), 'serve'], {
    ready: /operator page: (http:\/\/[\w.:]+)/,
  });

/** The copy that is served now: its text, and until when it is valid. */
function copy() {
  const text = readFileSync(join(folder, 'site/current/index.html'), 'utf8');
  return { text, until: Number(/data-until="(\d+)"/.exec(text)[1]) };
}

/** Everything in the page that is drawn in the green of "works". */
const green = (page) =>
  page.evaluate(() => {
    const probe = document.createElement('i');
    document.body.append(probe);
    probe.style.color = 'var(--ok)';
    const green = getComputedStyle(probe).color;
    probe.remove();
    return [...document.querySelectorAll('body *')].filter((element) => {
      const style = getComputedStyle(element);
      return style.color === green && style.visibility === 'visible' && element.getClientRects().length > 0;
    }).length;
  });

const saysUnknown = (page) => page.getByRole('heading', { level: 1, name: /unknown since .*, \d\d:\d\d UTC/ });
const saysWell = (page) => page.getByRole('heading', { level: 1, name: 'All functions work' });

/** A page that notes what its policy forbids. */
async function open(options = {}) {
  const page = await browser.page(options);
  page.complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content.Security.Policy/i.test(message.text())) {
      page.complaints.push(message.text());
    }
  });
  await page.goto(files.address);
  return page;
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evenkeel-copies-'));
  mkdirSync(join(folder, 'site'));
  service = await listening((_, answer) => answer.end('ok'));
  writeFileSync(join(folder, 'evenkeel.toml'), configuration(`${addressOf(service)}/`));
  keeper = await startKeeper();
  await eventually('a copy that is well', () => copy().text.includes('All functions work'));
  files = await start(
    'python3',
    ['-u', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', join(folder, 'site/current'), '0'],
    { ready: /(http:\/\/127\.0\.0\.1:\d+)/ },
  );
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await files?.stop();
  await keeper?.stop();
  service?.close();
  if (folder) {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('while it is renewed, a tab that stays open stays green and current', async () => {
  const page = await open();
  await saysWell(page).waitFor();
  assert.ok((await green(page)) > 0, 'green');
  assert.equal(await page.title(), 'Back office');
  assert.deepEqual(await barriers(page), []);
  assert.equal(await scrollsSideways(page), false);
  await screenshot(page, 'copy-well');
  const first = Number(await page.locator('html').getAttribute('data-until'));
  // Beyond the end of the copy that was loaded.
  await page.waitForFunction((first) => Date.now() > first + 500, first, { timeout: 30_000 });
  await saysWell(page).waitFor();
  assert.ok((await green(page)) > 0, 'still green');
  assert.ok(Number(await page.locator('html').getAttribute('data-until')) > first, 'a newer copy');
  assert.deepEqual(page.complaints, []);
});

test('without script a copy is dated and never green', async () => {
  const page = await open({ javaScript: false });
  await saysWell(page).waitFor();
  assert.equal(await green(page), 0);
  assert.match(
    await page.locator('.copy').innerText(),
    /^Copy of .*\d\d:\d\d:\d\d UTC, valid until .*\d\d:\d\d UTC; .* unknown/,
  );
  await screenshot(page, 'copy-well-without-script');
});

test('a copy that nobody renews turns to unknown by itself, and comes back when somebody does', async () => {
  const plain = await open({ javaScript: false });
  const page = await open();
  await saysWell(page).waitFor();
  await saysWell(plain).waitFor();
  const opened = Date.now();
  await keeper.kill();
  const { until } = copy();
  assert.ok(Date.now() < until, 'it was killed while the copy was valid');

  // With script: at the end by the reader's clock.
  await saysUnknown(page).waitFor({ timeout: VALID_FOR_MS + 15_000 });
  assert.equal(await green(page), 0);
  assert.ok(!(await page.locator('body').innerText()).includes('All functions work'));
  assert.deepEqual(page.complaints, []);
  await screenshot(page, 'copy-ended');

  // Without: when the time it was valid for when it was made has passed since loading.
  await saysUnknown(plain).waitFor({ timeout: VALID_FOR_MS + 15_000 });
  assert.ok(Date.now() < opened + VALID_FOR_MS + 10_000);
  assert.equal(await saysWell(plain).isVisible(), false);
  assert.equal(await green(plain), 0);

  // Opened late: never green, not for a moment. What is drawn first is what is looked at.
  await eventually('the end of the last copy', () => Date.now() > copy().until);
  for (const options of [{}, { phone: true, colorScheme: 'dark' }]) {
    const late = await open(options);
    await saysUnknown(late).waitFor();
    assert.equal(await late.locator('html').getAttribute('data-copy'), 'ended');
    assert.equal(await green(late), 0);
    assert.equal(await saysWell(late).isVisible(), false);
    assert.deepEqual(await barriers(late), []);
    await screenshot(late, `copy-opened-late${options.phone ? '-phone' : ''}`);
  }
  const lateAndPlain = await open({ javaScript: false });
  assert.equal(await green(lateAndPlain), 0);
  assert.match(await lateAndPlain.locator('.copy').innerText(), /valid until .* unknown/);

  // Somebody renews it: the tab that said unknown finds out by itself.
  keeper = await startKeeper();
  await eventually('a copy that is well again', () => {
    const { text, until } = copy();
    return until > Date.now() && text.includes('All functions work');
  });
  await saysWell(page).waitFor({ timeout: 30_000 });
  assert.ok((await green(page)) > 0);
});

test('a clock that is slow makes no copy green', async () => {
  const page = await browser.page();
  await page.addInitScript(() => {
    const real = Date.now;
    Date.now = () => real() - 3_600_000;
  });
  await page.goto(files.address);
  await saysWell(page).waitFor();
  assert.equal(await page.locator('html').getAttribute('data-copy'), 'undated');
  assert.equal(await green(page), 0);
});
