// Is it me? A real `evenkeel serve` whose page has the visitor's browser ask a real service,
// which answers, answers with an error, hangs, and is gone; and two who are to blame
// themselves: a visitor who is offline, and one whose extension blocks. And what makes the
// page the vendor's own, and what readers answer below an incident.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { barriers, launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';
import { addressOf, eventually, listening } from './service.mjs';

const LANGUAGES = ['en', 'nl', 'de', 'pl', 'da'];
const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="32"><rect width="64" height="32" fill="#7a1f5c"/></svg>';

let folder;
let keeper;
let status;
let browser;
// What Evenkeel sees, and what visitors' browsers ask.
let seen;
let asked;
let files;
let isWell = true;
let manner = 'answers';

const configuration = `
[page]
listen = "127.0.0.1:0"
name = "Back office"
ask_url = "ASKED/healthz"
accent = "#7a1f5c"
logo_file = "logo.svg"
imprint_url = "https://example.com/imprint"
privacy_url = "https://example.com/privacy"
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
url = "SEEN/"
interval = "1s"
components = ["login"]
`;

const pageSays = async (text) => (await (await fetch(`${status}/en/`)).text()).includes(text);

/** A page that notes what its policy forbids. */
async function open(address, options = {}, before = async () => {}) {
  const page = await browser.page(options);
  page.complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content.Security.Policy/i.test(message.text())) {
      page.complaints.push(message.text());
    }
  });
  await before(page);
  await page.goto(address);
  return page;
}

const line = (page) => page.locator('#me');
const saw = (page, what) => page.locator(`#me[data-seen=${what}]`).waitFor();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evenkeel-visitor-'));
  mkdirSync(join(folder, 'site'));
  writeFileSync(join(folder, 'logo.svg'), LOGO);
  seen = await listening((_, answer) => {
    answer.statusCode = isWell ? 200 : 500;
    answer.end('ok');
  });
  asked = await listening((_, answer) => {
    if (manner === 'hangs') {
      return;
    }
    if (manner !== 'answers-its-own-origin') {
      answer.setHeader('access-control-allow-origin', '*');
    }
    answer.statusCode = manner === 'answers-with-an-error' ? 503 : 200;
    answer.end('ok');
  });
  const text = configuration.replace('ASKED', addressOf(asked)).replace('SEEN', addressOf(seen));
  writeFileSync(join(folder, 'evenkeel.toml'), text);
  keeper = await start(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), 'serve'], {
    ready: /public page: (http:\/\/[\w.:]+)[^]*operator page/,
  });
  status = keeper.address;
  browser = await launch();
  await eventually('all is well', () => pageSays('All functions work'));
});

after(async () => {
  await browser?.close();
  await keeper?.stop();
  for (const server of [seen, asked, files]) {
    server?.closeAllConnections();
    server?.close();
  }
  if (folder) {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page is the vendor\'s own, and loads nothing from elsewhere', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(status, { colorScheme });
    const logo = page.locator('header img');
    assert.equal(await logo.evaluate((image) => image.complete && image.naturalWidth), 64);
    const color = await page.locator('footer a').first().evaluate((link) => getComputedStyle(link).color);
    assert.notEqual(color, 'rgb(11, 100, 120)', 'the colour of the configuration');
    if (colorScheme === 'light') {
      assert.equal(color, 'rgb(122, 31, 92)');
    }
    const links = page.locator('.legal a');
    assert.deepEqual(await links.allInnerTexts(), ['Legal notice', 'Privacy']);
    assert.equal(await links.first().getAttribute('href'), 'https://example.com/imprint');
    await saw(page, 'reached');
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(await barriers(page), []);
    assert.equal(await scrollsSideways(page), false);
    await screenshot(page, `visitor-${colorScheme}`);
  }
});

test('without script the sentence is from what we know', async () => {
  const page = await open(status, { javaScript: false });
  assert.match(await line(page).innerText(), /^We see no fault: if something does not work for you/);
});

test('the service that answers is told from one that does not, in every language', async () => {
  for (const [how, seen, said] of [
    ['answers', 'reached', /We see no fault, and your browser reaches the service/],
    ['answers-its-own-origin', 'reached', /your browser reaches the service/],
    ['answers-with-an-error', 'wrong', /has just answered your browser with a fault/],
    ['hangs', 'silent', /does not answer your browser/],
  ]) {
    manner = how;
    const page = await open(status);
    await saw(page, seen);
    assert.match(await line(page).innerText(), said, how);
    await page.context().close();
  }
  manner = 'answers';
  const sentences = new Set();
  for (const language of LANGUAGES) {
    const page = await open(`${status}/${language}/`);
    await saw(page, 'reached');
    sentences.add(await line(page).innerText());
    await page.context().close();
  }
  assert.equal(sentences.size, LANGUAGES.length);
});

test('a visitor who is offline, and one whose extension blocks, are sent to their own side', async () => {
  const blocked = await open(status, {}, (page) =>
    page.route(`${addressOf(asked)}/**`, (route) => route.abort('blockedbyclient')));
  await saw(blocked, 'blocked');
  assert.match(await line(blocked).innerText(), /^We see no fault, but your browser does not get through.*extensions that block/);

  const page = await open(status);
  await saw(page, 'reached');
  await page.context().setOffline(true);
  await saw(page, 'offline');
  assert.match(await line(page).innerText(), /^Your device is offline/);
  await page.context().setOffline(false);
  await saw(page, 'reached');

  // The browser thinks that it is online, and reaches nothing at all.
  let isCut = false;
  const cut = await open(status, {}, (page) => page.route('**/*', (route) => (isCut ? route.abort('internetdisconnected') : route.continue())));
  await saw(cut, 'reached');
  isCut = true;
  await cut.evaluate(() => dispatchEvent(new Event('online')));
  await saw(cut, 'offline');
});

test('a published copy asks as well', async () => {
  const copy = join(folder, 'site/current');
  const types = { html: 'text/html; charset=utf-8', svg: 'image/svg+xml' };
  files = await listening((request, response) => {
    const name = request.url.endsWith('/') ? `${request.url}index.html` : request.url;
    try {
      const bytes = readFileSync(join(copy, name));
      response.setHeader('content-type', types[name.split('.').pop()] ?? 'text/plain');
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  const page = await open(`${addressOf(files)}/nl/`);
  await saw(page, 'reached');
  assert.match(await line(page).innerText(), /^Wij zien geen storing, en uw browser bereikt de dienst/);
  assert.equal(await page.locator('header img').evaluate((image) => image.complete && image.naturalWidth), 64);
  assert.deepEqual(page.complaints, []);
});

test('while it is us, no browser says otherwise; what readers answer is counted without cookies', async () => {
  isWell = false;
  await eventually('an incident', async () => (await fetch(`${status}/en/incidents/I-1`)).status === 200);
  await eventually('the answer', () => pageSays('we are on it'));
  for (const how of ['answers', 'answers-with-an-error']) {
    manner = how;
    const page = await open(status);
    await page.locator('#me[data-seen]').waitFor();
    assert.match(await line(page).innerText(), /^It is us: you need not look for a fault on your side/);
    await page.context().close();
  }
  const page = await open(`${status}/de/incidents/I-1`, { javaScript: false });
  assert.match(await page.locator('.useful').innerText(), /^War das hilfreich\?/);
  assert.deepEqual(await barriers(await open(`${status}/de/incidents/I-1`)), []);
  await page.getByRole('button', { name: 'Ja' }).click();
  await page.getByRole('heading', { name: 'Danke für Ihre Antwort.' }).waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  const counted = JSON.parse(readFileSync(join(folder, 'evenkeel-data/useful.json'), 'utf8'));
  assert.deepEqual(counted, { 'I-1': { yes: 1, no: 0 } });
  for (const [path, body] of [['/de/incidents/I-999/useful', 'answer=yes'], ['/de/incidents/I-1/useful', 'answer=perhaps']]) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const refused = await fetch(status + path, { method: 'POST', headers, body });
    assert.equal(refused.status, 404, path);
  }
  // Nobody counts where a copy is.
  await eventually('a copy of the incident', async () => (await fetch(`${addressOf(files)}/de/incidents/I-1/`)).status === 200);
  const elsewhere = await (await fetch(`${addressOf(files)}/de/incidents/I-1/`)).text();
  assert.ok(!elsewhere.includes('<form'), elsewhere);
});

test('a service that is gone, while we see no fault, is the visitor\'s to look into', async () => {
  isWell = true;
  await eventually('well again', async () => !(await pageSays('we are on it')));
  asked.closeAllConnections();
  asked.close();
  const page = await open(status);
  await saw(page, 'blocked');
});
