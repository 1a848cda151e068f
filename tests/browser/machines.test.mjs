// The public status as other people's pages use it: feeds found by the page, badges shown in
// pages of other origins, the API asked by their scripts.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { launch } from './browser.mjs';
import { built, start } from './program.mjs';

let program;
let browser;
let elsewhere;
let origin;
const scenes = {};

before(async () => {
  program = await start(built('examples/pages'), [], { ready: /ready/ });
  for (const line of program.output().split('\n')) {
    const [name, page] = line.split(' ');
    if (page) {
      scenes[name] = page;
    }
  }
  elsewhere = createServer((request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end('<!doctype html><html lang="en"><title>Elsewhere</title><body></body></html>');
  });
  await new Promise((listening) => elsewhere.listen(0, '127.0.0.1', listening));
  origin = `http://localhost:${elsewhere.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  elsewhere?.closeAllConnections();
  elsewhere?.close();
  await program?.stop();
});

test('a page names its feeds, and they are there', async () => {
  const page = await browser.page({ javaScript: false });
  await page.goto(scenes.incident);
  const feeds = await page.locator('link[rel=alternate][type]').evaluateAll((links) =>
    links.map(({ type, href, title }) => ({ type, href, title })),
  );
  assert.deepEqual(feeds.map((feed) => feed.type), [
    'application/atom+xml', 'application/rss+xml', 'application/feed+json', 'text/calendar',
  ]);
  for (const { type, href, title } of feeds) {
    const answer = await fetch(href);
    assert.equal(answer.headers.get('content-type').split(';')[0], type);
    const says = type === 'text/calendar' ? /^BEGIN:VCALENDAR/ : /Login does not work/;
    assert.match(await answer.text(), says);
    assert.match(title, /^Back office status/);
  }
});

test('a badge shows in a page of another origin, as wide as it says', async () => {
  const page = await browser.page();
  await page.goto(origin);
  for (const path of ['/badge.svg', '/badge/login.svg', '/badge/transport.svg']) {
    const source = scenes.incident + path;
    const [width, height] = await page.evaluate(async (address) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    }, source);
    assert.equal(height, 20, path);
    assert.ok(width > 60 && width < 300, `${path}: ${width}`);
    assert.ok(Buffer.byteLength(await (await fetch(source)).text()) < 2048);
  }
  // Its text stays in its box, and is what it is called.
  await page.goto(`${scenes.incident}/badge/transport.svg`);
  const { inside, title, name } = await page.evaluate(() => {
    const box = document.documentElement.getBoundingClientRect();
    const texts = [...document.querySelectorAll('text')].map((text) => text.getBoundingClientRect());
    return {
      inside: texts.every((text) => text.left >= box.left && text.right <= box.right),
      title: document.querySelector('title').textContent,
      name: document.documentElement.getAttribute('aria-label'),
    };
  });
  assert.ok(inside);
  assert.equal(title, 'Transport orders: works');
  assert.equal(name, title);
});

test("other people's scripts may ask", async () => {
  const page = await browser.page();
  await page.goto(origin);
  const ask = (scene) => page.evaluate(
    async (address) => (await fetch(address)).json(),
    `${scenes[scene]}/api/v2/summary.json`,
  );
  const indicators = { well: 'none', incident: 'critical', resolved: 'major', unknown: 'minor', stale: 'minor' };
  for (const [scene, indicator] of Object.entries(indicators)) {
    assert.equal((await ask(scene)).status.indicator, indicator, scene);
  }
  const page_itself = page.evaluate(async (address) => (await fetch(address)).text(), scenes.well);
  await assert.rejects(page_itself, /Failed to fetch/);
});

test('what operators know is in none of it', async () => {
  const page = scenes.incident;
  const { components } = await (await fetch(`${page}/api/v2/components.json`)).json();
  assert.equal(components.length, 8);
  for (const path of ['/api/v2/summary.json', '/api/v2/incidents.json', '/feed.atom', '/feed.rss', '/feed.json', '/badge.svg']) {
    const text = await (await fetch(page + path)).text();
    for (const secret of ['4711', 'last_login_at', 'payslips', 'payroll-export', 'backend', 'connection refused']) {
      assert.ok(!text.includes(secret), `${path} shows ${secret}`);
    }
  }
});
