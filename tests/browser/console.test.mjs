// The console walked through in a real browser, on a real `evenkeel serve` with a run that
// really hangs: log in, watch it happen, approve, read the evidence, log out.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';

const PASSWORD = 'correct horse battery';

const CONFIGURATION = `
[page]
listen = "127.0.0.1:0"
name = "Back office"
[operator]
listen = "127.0.0.1:0"
[[component]]
id = "payroll"
name = "Payroll"
${['first', 'second'].map((id) => `
[[job]]
id = "${id}-export"
command = ["sh", "-c", "echo the export has begun; exec sleep 600"]
stall = "2s"
grace = "1s"
[job.may]
end_run = "propose"
`).join('')}
`;

let folder;
let server;
let address;
let browser;

const evenkeel = (...args) =>
  promisify(execFile)(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), ...args]);

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evenkeel-console-'));
  writeFileSync(join(folder, 'evenkeel.toml'), CONFIGURATION);
  writeFileSync(join(folder, 'password'), `${PASSWORD}\n`);
  for (const [name, role] of [['ana', 'operator'], ['ben', 'viewer']]) {
    await evenkeel('people', 'add', name, '--role', role, '--password-file', join(folder, 'password'));
  }
  server = await start(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), 'serve'], {
    ready: /operator page: (http:\/\/[\w.:]+)/,
  });
  address = server.address;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function logIn(page, name, path = '/') {
  await page.goto(address + path);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
}

/** Waits until the field has the focus: a page takes it there some frames after it has loaded. */
const focused = (page, id) =>
  page.waitForFunction((id) => document.activeElement?.id === id, id, { timeout: 10_000 });

/** From a proposal that is shown to its evidence and out. */
async function approveAndRead(page, picture) {
  const card = page.locator('.proposal');
  const words = await card.innerText();
  assert.match(words, /If you approve:[^]*the run is asked to end/);
  const action = /A-\d+/.exec(words)[0];
  await screenshot(page, `walk-${picture}-proposal`);
  await card.getByRole('button', { name: `Approve ${action}` }).click();
  await page.locator('.word').waitFor();
  assert.match(await page.locator('.word').innerText(), new RegExp(`${action} is approved`));
  await screenshot(page, `walk-${picture}-approved`);

  // The run is ended in a second or two; its page has what was kept of it.
  const run = /run (\w+-export-\S+?)[,.: ]/.exec(words)[1];
  const ended = `ended by ${action}`;
  for (let tries = 0; ; tries += 1) {
    await page.goto(`${address}/runs/${run}`);
    if ((await page.locator('main').innerText()).includes(ended)) {
      break;
    }
    assert.ok(tries < 40, `the run is not ${ended}`);
    // waits: for the run to end; asked again until the bound above
    await new Promise((again) => setTimeout(again, 250));
  }
  assert.equal(await scrollsSideways(page), false);
  await screenshot(page, `walk-${picture}-run`);
  await page.getByRole('link', { name: 'output' }).first().click();
  assert.match(await page.locator('body').innerText(), /the export has begun/);
  return action;
}

test('an operator logs in, watches a run hang, approves its end, reads the evidence, logs out', async () => {
  const page = await browser.page();
  await logIn(page, 'ana');
  assert.match(await page.locator('h1').innerText(), /Nothing is wrong/);
  await page.evaluate(() => { window.sameDocument = true; });
  await screenshot(page, 'walk-script-well');
  await evenkeel('start', 'first-export');
  // The page renews itself: nobody touches it.
  await page.getByRole('heading', { name: 'Waits for your word' }).waitFor({ timeout: 30_000 });
  assert.equal(await page.evaluate(() => window.sameDocument), true, 'it was not loaded again');
  const action = await approveAndRead(page, 'script');

  await page.goto(`${address}/audit`);
  assert.match(await page.locator('main').innerText(), new RegExp(`ana[^]*ordered: approve ${action}`));
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  await page.goto(`${address}/audit`);
  assert.match(page.url(), /\/login\?next=/);
});

test('all of it works without JavaScript, on a phone', async () => {
  const page = await browser.page({ javaScript: false, phone: true, colorScheme: 'dark' });
  await logIn(page, 'ana', '/jobs');
  assert.equal(new URL(page.url()).pathname, '/jobs', 'the login leads where one wanted to go');
  await evenkeel('start', 'second-export');
  for (let tries = 0; ; tries += 1) {
    await page.goto(`${address}/proposals`);
    if (await page.locator('.proposal').count() > 0) {
      break;
    }
    assert.ok(tries < 60, 'nothing is proposed');
    // waits: for the hang to be seen; asked again until the bound above
    await new Promise((again) => setTimeout(again, 500));
  }
  assert.equal(await scrollsSideways(page), false);
  await approveAndRead(page, 'plain-phone');
  await page.goto(address);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
});

test('a page does not move while somebody types into it', async () => {
  const page = await browser.page();
  await logIn(page, 'ana', '/authority');
  const why = page.locator('#hold input[name=reason]');
  await why.fill('half a sen');
  await evenkeel('hold-actions', '--reason', 'from another place');
  await page.getByText('there is something newer').waitFor();
  assert.equal(await why.inputValue(), 'half a sen');
  await evenkeel('release-actions', '--reason', 'seen');
});

test('a viewer sees no buttons but the way out', async () => {
  const page = await browser.page({ javaScript: false });
  await logIn(page, 'ben');
  for (const path of ['/', '/proposals', '/authority', '/jobs', '/jobs/first-export', '/incidents']) {
    await page.goto(address + path);
    const buttons = await page.getByRole('button').allInnerTexts();
    assert.deepEqual(buttons, ['Log out'], path);
  }
});

test('the login is used with the keyboard alone, and a wrong password says so', async () => {
  const page = await browser.page();
  await page.goto(address);
  await focused(page, 'name');
  await page.keyboard.type('ana');
  await page.keyboard.press('Tab');
  await page.keyboard.type('not the password');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  assert.match(await page.getByRole('alert').innerText(), /do not belong together/);
  assert.equal(await page.getByLabel('Name').inputValue(), 'ana');
  await focused(page, 'password');
  await screenshot(page, 'walk-login-refused');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Log out' }).waitFor();
});

test('every field has a label, and nothing breaks the policy', async () => {
  const page = await browser.page();
  const broken = [];
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) {
      broken.push(message.text());
    }
  });
  await logIn(page, 'ana');
  for (const path of ['/', '/proposals', '/authority', '/journal', '/audit', '/jobs', '/locks']) {
    await page.goto(address + path);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')]
        .filter((one) => one.tagName === 'BUTTON' ? one.textContent.trim() === '' : one.labels.length === 0)
        .map((one) => one.outerHTML),
    );
    assert.deepEqual(nameless, [], path);
  }
  assert.deepEqual(broken, []);
});
