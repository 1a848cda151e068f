// Writing to customers in the console, on a real `evenkeel serve` whose service fails: how
// long it takes, what is read before it is sent, and that nothing written is lost.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { barriers, launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';

const PASSWORD = 'correct horse battery';

// Nobody listens on port 9: it is down at once.
const CONFIGURATION = `
[page]
listen = "127.0.0.1:0"
name = "Back office"
[operator]
listen = "127.0.0.1:0"
[banner]
secret_file = "banner-key"
[[group]]
name = "Payroll Plus"
tenants = ["acme"]
[[component]]
id = "login"
name = "Login"
[[component]]
id = "quotes"
name = "Quotes"
[[check]]
id = "door"
kind = "tcp"
address = "127.0.0.1:9"
components = ["login"]
interval = "1s"
timeout = "1s"
failures = 1
`;

let folder;
let server;
let page;
let operator;
let status;
let browser;

const evenkeel = (...args) =>
  promisify(execFile)(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), ...args]);

const published = async (language) => (await fetch(`${status}/${language}/incidents/I-1`)).text();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evenkeel-writing-'));
  writeFileSync(join(folder, 'evenkeel.toml'), CONFIGURATION);
  writeFileSync(join(folder, 'password'), `${PASSWORD}\n`);
  writeFileSync(join(folder, 'banner-key'), `${'k'.repeat(64)}\n`);
  await evenkeel('people', 'add', 'ana', '--role', 'operator', '--password-file', join(folder, 'password'));
  server = await start(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), 'serve'], {
    ready: /operator page: (http:\/\/[\w.:]+)/,
  });
  operator = server.address;
  status = /public page: (http:\/\/[\w.:]+)/.exec(server.output())[1];
  for (let tries = 0; (await fetch(`${status}/en/incidents/I-1`)).status !== 200; tries += 1) {
    assert.ok(tries < 240, 'customers are told');
    // waits: for the incident; asked again until the bound above
    await new Promise((again) => setTimeout(again, 250));
  }
  browser = await launch();
  page = await browser.page();
  await page.goto(`${operator}/incidents/I-1`);
  await page.getByLabel('Name').fill('ana');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (folder) {
    rmSync(folder, { recursive: true, force: true });
  }
});

const form = () => page.locator('form.order:has(button[formaction])').last();

test('an update is written, read in five languages and sent, in less than thirty seconds', async () => {
  const began = Date.now();
  await page.goto(`${operator}/incidents/I-1`);
  const write = page.locator('#tell + p + form, #tell + form').first();
  await write.getByLabel('Where it stands').selectOption('identified');
  await write.getByLabel('In your words (optional)').fill('Wij herstellen het.\n\n<b>Tot</b> straks.');
  await write.getByLabel('Language').selectOption('nl');
  await write.getByLabel('Whom it hurts').selectOption('group');
  await write.getByLabel('Group', { exact: true }).fill('Payroll Plus');
  await write.getByLabel('Is data affected').selectOption('no');
  await write.getByLabel('Next word').selectOption('30');
  await write.getByRole('button', { name: 'Preview in five languages' }).click();
  const previews = page.locator('.previews article');
  assert.deepEqual(await previews.locator('h3').allInnerTexts(), ['English', 'Nederlands', 'Deutsch', 'Polski', 'Dansk']);
  assert.deepEqual(await previews.evaluateAll((all) => all.map((one) => one.lang)), ['en', 'nl', 'de', 'pl', 'da']);
  for (const [n, said] of ['Affected: Payroll Plus.', 'Getroffen: Payroll Plus.', 'Betroffen: Payroll Plus.', 'Payroll Plus', 'Payroll Plus'].entries()) {
    const text = await previews.nth(n).innerText();
    assert.ok(text.includes(said), text);
    assert.ok(text.includes('<b>Tot</b> straks.'), 'as it was written');
    assert.equal(await previews.nth(n).locator('blockquote').getAttribute('lang'), 'nl');
  }
  const asRead = await previews.nth(2).innerText();
  await screenshot(page, 'writing-preview');
  assert.deepEqual(await barriers(page), []);
  assert.equal(await scrollsSideways(page), false);
  assert.ok(!(await published('de')).includes('Payroll Plus'), 'nothing is told by looking');

  await form().getByRole('button', { name: 'Tell customers' }).click();
  await page.locator('.word').waitFor();
  assert.match(await page.locator('.word').innerText(), /Customers are told of I-1: identified/);
  const took = Date.now() - began;
  console.log(`# written and sent in ${took} ms`);
  assert.ok(took < 30_000, `${took} ms`);

  // What customers read is what was previewed, sentence by sentence.
  const reader = await browser.page({ javaScript: false });
  await reader.goto(`${status}/de/incidents/I-1`);
  const told = await reader.locator('.updates li').first().innerText();
  const sentences = asRead.split('\n').filter((one) => one.trim() !== '' && one !== 'Deutsch');
  for (const sentence of sentences) {
    assert.ok(told.includes(sentence), `${sentence} is not in ${told}`);
  }
});

test('what is refused is there again, with why', async () => {
  await page.goto(`${operator}/incidents/I-1`);
  const write = page.locator('#tell + p + form, #tell + form').first();
  await write.getByLabel('Where it stands').selectOption('resolved');
  await write.getByLabel('In your words (optional)').fill('Es geht wieder.');
  await write.getByLabel('Language').selectOption('de');
  for (const button of ['Preview in five languages', 'Tell customers']) {
    const here = page.locator('form.order:has(button[formaction])').first();
    await here.getByRole('button', { name: button }).click();
    assert.match(await page.getByRole('alert').innerText(), /login is still seen to be hurt/);
    assert.equal(await page.getByLabel('In your words (optional)').inputValue(), 'Es geht wieder.');
    assert.equal(await page.getByLabel('Language').inputValue(), 'de');
    assert.equal(await page.getByLabel('Where it stands').inputValue(), 'resolved');
    assert.deepEqual(await barriers(page), []);
  }
  await screenshot(page, 'writing-refused');
  await page.getByLabel('Whom it hurts').selectOption('group');
  await page.getByRole('button', { name: 'Preview in five languages' }).click();
  assert.match(await page.getByRole('alert').innerText(), /name the group/);
  assert.equal(await page.getByLabel('In your words (optional)').inputValue(), 'Es geht wieder.');
  assert.ok(!(await published('de')).includes('Es geht wieder.'));
});

test('a correction is read before it is sent, and stands beside what it corrects', async () => {
  await page.goto(`${operator}/incidents/I-1`);
  const details = page.locator('details').filter({ hasText: /^Correct M-/ }).last();
  await details.locator('summary').click();
  await details.getByLabel('In your words (optional)').fill('Only some.');
  await details.getByRole('button', { name: 'Preview in five languages' }).click();
  assert.match(await page.locator('.previews article').nth(1).innerText(), /Only some\./);
  await page.getByRole('button', { name: 'Correct it' }).click();
  await page.locator('.word').waitFor();
  assert.match(await published('en'), /This corrects an earlier update\./);
  assert.match(await published('nl'), /<blockquote lang="en">/);
});
