// The browser and the programs that the other tests lean on, tested against a
// small page of their own: what a test here asks for is what it gets.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { barriers, bytesToLoad, findChromium, launch, screenshot, scrollsSideways } from './browser.mjs';
import { start } from './program.mjs';

const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Status</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  body { background: rgb(255, 255, 255) } table { width: 100% }
  @media (prefers-color-scheme: dark) { body { background: rgb(0, 0, 0) } }
  .wide table { width: 2000px }
</style></head>
<body><h1>All functions work</h1><table><tr><td>Login</td></tr></table>
<p id="script">without</p><script>document.getElementById('script').textContent = 'with'</script>
</body></html>`;

let server;
let address;
let browser;

before(async () => {
  server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(request.url === '/wide' ? PAGE.replace('<body>', '<body class="wide">') : PAGE);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  address = `http://127.0.0.1:${server.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

test('a page is seen in light and in dark', async () => {
  const light = await browser.page({ colorScheme: 'light' });
  await light.goto(address);
  assert.equal(await background(light), 'rgb(255, 255, 255)');
  const dark = await browser.page({ colorScheme: 'dark' });
  await dark.goto(address);
  assert.equal(await background(dark), 'rgb(0, 0, 0)');
});

test('a page is read with JavaScript and without', async () => {
  const scripted = await browser.page();
  await scripted.goto(address);
  assert.equal(await scripted.textContent('#script'), 'with');
  const plain = await browser.page({ javaScript: false });
  await plain.goto(address);
  assert.equal(await plain.textContent('#script'), 'without');
  assert.equal(await plain.textContent('h1'), 'All functions work');
});

test('a phone is narrow, and a page too wide for it is noticed', async () => {
  const phone = await browser.page({ phone: true });
  await phone.goto(address);
  assert.equal(await phone.evaluate(() => innerWidth), 390);
  assert.equal(await scrollsSideways(phone), false);
  await phone.goto(`${address}/wide`);
  assert.equal(await scrollsSideways(phone), true);
});

test('what shuts people out is found, and only that', async () => {
  const page = await browser.page();
  await page.goto(address);
  assert.deepEqual(await barriers(page), []);
  await page.evaluate(() => { document.body.append(document.createElement('button')); });
  const [found, ...others] = await barriers(page);
  assert.match(found, /^button-name: button: /);
  assert.deepEqual(others, []);
});

test('the bytes a page costs are counted', async () => {
  const page = await browser.page({ javaScript: false });
  assert.equal(await bytesToLoad(page, address), Buffer.byteLength(PAGE));
});

test('pictures are kept where they are asked for, and only there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-pictures-'));
  try {
    const page = await browser.page();
    await page.goto(address);
    const path = await screenshot(page, 'support-light', folder);
    assert.equal(readFileSync(path).subarray(1, 4).toString(), 'PNG');
    assert.equal(await screenshot(page, 'nowhere', ''), null);
    assert.equal(existsSync(join(folder, 'nowhere.png')), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a machine without a browser is told what to type', () => {
  assert.throws(() => findChromium('/nowhere'), /cargo xtask setup/);
});

const SERVER = `
  const server = require('node:http').createServer((_, r) => r.end('here'));
  server.listen(0, '127.0.0.1', () => console.log('listening on http://127.0.0.1:' + server.address().port));
`;

test('a program is up when it has printed its address, and gone when stopped', async () => {
  const program = await start(process.execPath, ['-e', SERVER]);
  const answer = await fetch(program.address);
  assert.equal(await answer.text(), 'here');
  await program.stop();
  await assert.rejects(fetch(program.address));
});

test('a program that ignores being asked is made to end', async () => {
  const deaf = `process.on('SIGTERM', () => console.log('no')); ${SERVER}`;
  const program = await start(process.execPath, ['-e', deaf]);
  await program.stop();
  assert.match(program.output(), /no/);
  await assert.rejects(fetch(program.address));
});

test('a program that fails or stays silent is an error with its output', async () => {
  const failing = ['-e', 'console.error("no such port"); process.exit(3)'];
  await assert.rejects(start(process.execPath, failing), /ended with 3[^]*no such port/);
  const silent = ['-e', 'setInterval(() => {}, 1000)'];
  await assert.rejects(start(process.execPath, silent, { deadlineMs: 500 }), /printed nothing/);
  await assert.rejects(start('/nowhere/evenkeel'), /did not start/);
});
