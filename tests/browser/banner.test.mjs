// The banner in an application without the edge: a real `evenkeel serve`, whose service
// really fails, and an application of another origin with a strict policy. Who is affected
// reads so, who is not does not, and what is old goes away by itself.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { barriers, launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';
import { addressOf, eventually, listening } from './service.mjs';

const KEY = '0123456789abcdef0123456789abcdef';
const GROUP = 'Customers on server 2';

let folder;
let keeper;
let status;
let application;
let origin;
let browser;
let service;
let files;
let isWell = false;

const configuration = (url) => `
[page]
listen = "127.0.0.1:0"
name = "Back office"
[operator]
listen = "127.0.0.1:0"
[banner]
secret_file = "banner-key"
[[group]]
name = "${GROUP}"
tenants = ["acme", "globex"]
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

const evenkeel = (...args) =>
  promisify(execFile)(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), ...args]);

const ticket = (tenant) => createHmac('sha256', KEY).update(tenant).digest('hex');

const told = async () => (await fetch(`${status}/banner.json`)).json();

/** A page of the application: `?tenant=acme&lang=de&from=...`, as the service would write it. */
function page(request, response) {
  const asked = new URL(request.url, 'http://x').searchParams;
  const from = asked.get('from') ?? status;
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.setHeader(
    'content-security-policy',
    `default-src 'none'; script-src ${from}; connect-src ${from}; style-src 'nonce-ours'; img-src data:; base-uri 'none'`,
  );
  const tenant = asked.get('tenant');
  response.end(`<!doctype html><html lang="${asked.get('lang') ?? 'en'}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Invoices</title>
<link rel="icon" href="data:,"><style nonce="ours">body{margin:0}main{padding:1rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}</style>
<script src="${from}/banner.js" async ${tenant ? `data-tenant="${ticket(tenant)}"` : ''}></script></head>
<body><main><h1>Invoices</h1><p>What the application shows.</p></main></body></html>`);
}

/** A page of the application that notes what its policy forbids, and who it speaks to. */
async function open(query = '', options = {}) {
  const page = await browser.page(options);
  page.complaints = [];
  page.asked = new Set();
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content.Security.Policy/i.test(message.text())) {
      page.complaints.push(message.text());
    }
  });
  page.on('request', (request) => page.asked.add(new URL(request.url()).origin));
  await page.goto(`${origin}/?${query}`);
  return page;
}

const banner = (page) => page.getByRole('status');
/** The script has read what there is. */
const hasAsked = async (page) => {
  await page.waitForFunction(() =>
    performance.getEntriesByType('resource').some((one) => one.name.endsWith('/banner.json') && one.responseEnd > 0));
};

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evenkeel-banner-'));
  mkdirSync(join(folder, 'site'));
  service = await listening((_, answer) => {
    answer.statusCode = isWell ? 200 : 500;
    answer.end('ok');
  });
  writeFileSync(join(folder, 'banner-key'), `${KEY}\n`);
  chmodSync(join(folder, 'banner-key'), 0o600);
  writeFileSync(join(folder, 'evenkeel.toml'), configuration(addressOf(service)));
  keeper = await start(built('evenkeel'), ['--config', join(folder, 'evenkeel.toml'), 'serve'], {
    ready: /public page: (http:\/\/[\w.:]+)[^]*operator page/,
  });
  status = keeper.address;
  application = await listening(page);
  origin = addressOf(application);
  browser = await launch();
  await eventually('customers are told', async () => (await told()).banners.length === 1);
});

after(async () => {
  await browser?.close();
  await keeper?.stop();
  for (const server of [application, service, files]) {
    server?.closeAllConnections();
    server?.close();
  }
  if (folder) {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('harm is told at the top of the page, to everybody while nobody said whom it hurts', async () => {
  for (const [query, options] of [['', {}], ['', { phone: true, colorScheme: 'dark' }], ['tenant=initech', {}]]) {
    const page = await open(query, options);
    await banner(page).getByText(/^Login fails for some \(since \d\d:\d\d UTC\); we are on it\.$/).waitFor();
    assert.equal(await page.evaluate(() => document.body.firstElementChild.getAttribute('role')), 'status');
    assert.deepEqual(page.complaints, []);
    assert.deepEqual([...page.asked].sort(), [origin, status].sort());
    assert.deepEqual(await page.context().cookies(), []);
    assert.deepEqual(await barriers(page), []);
    assert.equal(await scrollsSideways(page), false);
    const link = banner(page).getByRole('link', { name: 'How things are now' });
    assert.equal(await link.getAttribute('href'), `${status}/incidents/I-1`);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0, 'nothing moves');
    await screenshot(page, `banner${options.phone ? '-phone-dark' : ''}`);
    await page.context().close();
  }
});

test('it is in the language of the page, else of the browser', async () => {
  const { texts } = (await told()).banners[0];
  assert.equal(new Set(Object.values(texts)).size, 5, 'five languages');
  for (const [tag, said] of Object.entries(texts)) {
    const page = await open(`lang=${tag}`);
    await banner(page).getByText(said).waitFor();
    assert.equal(await banner(page).getAttribute('lang'), tag);
    await page.context().close();
  }
  const page = await open('lang=fr', { language: 'da' });
  await banner(page).getByText(texts.da).waitFor();
});

test('who hides it does not see it again, and the keyboard is enough', async () => {
  const page = await open();
  const hide = banner(page).getByRole('button', { name: 'Hide this message' });
  await hide.waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BUTTON');
  await page.keyboard.press('Enter');
  await hide.waitFor({ state: 'detached' });
  assert.equal((await banner(page).boundingBox())?.height ?? 0, 0, 'it takes no room');
  await page.reload();
  await hasAsked(page);
  assert.equal(await banner(page).innerText(), '');
});

test('only who is affected reads so, and strangers find nobody', async () => {
  await evenkeel('tell', 'I-1', 'identified', '--affected', GROUP);
  const answer = await eventually('marks', async () => {
    const answer = await told();
    return answer.banners[0].for && answer;
  });
  for (const tenant of ['acme', 'globex']) {
    const page = await open(`tenant=${tenant}`);
    await banner(page).getByText(/You are affected\.$/).waitFor();
    await screenshot(page, 'banner-affected');
  }
  for (const query of ['', 'tenant=initech']) {
    const page = await open(query);
    await hasAsked(page);
    assert.equal(await banner(page).innerText(), '');
  }
  // What anybody can read holds neither names nor anything made from them without the key.
  const text = JSON.stringify(answer);
  for (const name of ['acme', 'globex', GROUP]) {
    assert.ok(!text.includes(name), name);
  }
  assert.equal(answer.banners[0].for.length, 16);
});

test('an answer whose time is over shows nothing', async () => {
  const page = await open('tenant=acme');
  await banner(page).getByText(/You are affected/).waitFor();
  await page.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() + 200_000;
  });
  await banner(page).getByText(/You are affected/).waitFor({ state: 'detached' });
});

test('a copy elsewhere shows it as well, until it ends', async () => {
  const copy = join(folder, 'site/current');
  await eventually('a copy with marks', () => {
    const { banners, valid_until: until } = JSON.parse(readFileSync(join(copy, 'banner.json'), 'utf8'));
    return banners[0]?.for && until;
  });
  let ends = null;
  files = await listening((request, response) => {
    const name = request.url.slice(1);
    if (!['banner.js', 'banner.json'].includes(name)) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('content-type', name.endsWith('.js') ? 'text/javascript' : 'application/json');
    const text = readFileSync(join(copy, name), 'utf8');
    response.end(ends ? text.replace(/"valid_until":"[^"]*"/, `"valid_until":"${ends}"`) : text);
  });
  const from = `tenant=acme&from=${encodeURIComponent(addressOf(files))}`;
  const page = await open(from);
  await banner(page).getByText(/You are affected\.$/).waitFor();
  ends = new Date(Date.now() - 1000).toISOString();
  const late = await open(from);
  await hasAsked(late);
  assert.equal(await banner(late).innerText(), '', 'a copy that ended');
});

test('when it is over, it goes', async () => {
  const page = await open('tenant=acme');
  await banner(page).getByText(/You are affected/).waitFor();
  isWell = true;
  await eventually('well again', async () => (await told()).banners[0]?.status === 'operational');
  const again = await open('tenant=acme');
  await banner(again).getByText(/^Login works again; we keep watching\.$/).waitFor();
});
