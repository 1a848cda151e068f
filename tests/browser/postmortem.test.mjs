// The post-mortem: as customers read it in five languages, on a phone, in the dark and on
// paper; and as operators write it, without losing a word.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { barriers, bytesToLoad, launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';

const PATH = '/incidents/I-1/postmortem';
const TITLES = {
  en: /^Post-mortem: /,
  nl: /^Terugblik: /,
  de: /^Nachbetrachtung: /,
  pl: /^Analiza po awarii: /,
  da: /^Opfølgning: /,
};

// What only colleagues read.
const SECRETS = ['4711', 'payslips', 'payroll-export', 'operator:', 'FTP', 'backend', 'DORA'];

let program;
let browser;
let scene;

before(async () => {
  program = await start(built('examples/pages'), [], { ready: /ready/ });
  const line = program.output().split('\n').find((one) => one.startsWith('postmortem '));
  const [, page, operator] = line.split(' ');
  scene = { page, operator };
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

async function loggedIn(options = {}, name = 'ana') {
  const page = await browser.page({ javaScript: false, ...options });
  await page.goto(scene.operator);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill('correct horse battery');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  return page;
}

test('customers read it in their language, and what people wrote as they wrote it', async () => {
  for (const [language, title] of Object.entries(TITLES)) {
    const page = await browser.page({ javaScript: false, language });
    await page.goto(scene.page + PATH);
    assert.match(await page.locator('h1').innerText(), title, language);
    const original = page.locator('.original[lang=nl]').first();
    assert.match(await original.innerText(), /Inloggen lukte enkele minuten niet\.\s+Daarna werkte alles weer/);
    assert.equal(await page.locator('.measures > li').count(), 2, language);
    const text = await page.content();
    for (const secret of SECRETS) {
      assert.ok(!text.includes(secret), `${language} shows ${secret}`);
    }
    await page.context().close();
  }
});

test('it is found from the incident and the front page, and has one address a language', async () => {
  const page = await browser.page({ javaScript: false });
  for (const from of ['/nl/', '/nl/incidents/I-1']) {
    await page.goto(scene.page + from);
    await page.getByRole('link', { name: 'Wat er gebeurde, waarom, en wat we eraan doen' }).first().click();
    assert.equal(page.url(), `${scene.page}/nl${PATH}`);
  }
  await page.getByRole('link', { name: 'Deutsch' }).click();
  assert.equal(page.url(), `${scene.page}/de${PATH}`);
  const answer = await page.goto(`${scene.page}/en/incidents/I-2/postmortem`);
  assert.equal(answer.status(), 404);
});

test('it is small, fits every screen, and shuts nobody out', async () => {
  for (const language of Object.keys(TITLES)) {
    for (const colorScheme of ['light', 'dark']) {
      for (const phone of [false, true]) {
        const page = await browser.page({ colorScheme, phone });
        const name = `postmortem-${language}-${colorScheme}${phone ? '-phone' : ''}`;
        const bytes = await bytesToLoad(page, `${scene.page}/${language}${PATH}`);
        assert.ok(bytes > 1000 && bytes < 30_000, `${name}: ${bytes} bytes`);
        assert.equal(await scrollsSideways(page), false, name);
        assert.deepEqual(await barriers(page), [], name);
        await screenshot(page, name);
        await page.context().close();
      }
    }
  }
});

test('on paper, and so as a PDF, it is whole: no switch, nothing cut, dark ink on white', async () => {
  const page = await browser.page({ javaScript: false, colorScheme: 'dark' });
  await page.goto(`${scene.page}/de${PATH}`);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('nav').isVisible(), false);
  for (const part of ['h1', '.original', '.moments', '.measures']) {
    assert.equal(await page.locator(part).first().isVisible(), true, part);
  }
  const ink = await page.evaluate(() => {
    const style = getComputedStyle(document.body);
    return [style.color, style.backgroundColor];
  });
  assert.deepEqual(ink, ['rgb(0, 0, 0)', 'rgb(255, 255, 255)']);
  const pdf = await page.pdf({ format: 'A4' });
  assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
  assert.ok(pdf.length > 5000, `${pdf.length} bytes`);
  if (process.env.SCREENSHOTS) {
    mkdirSync(process.env.SCREENSHOTS, { recursive: true });
    writeFileSync(join(process.env.SCREENSHOTS, 'postmortem-de.pdf'), pdf);
  }
  await page.setViewportSize({ width: 794, height: 1123 });
  await screenshot(page, 'postmortem-de-print');
});

test('operators write it on any screen, and the paper of it has no forms', async () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const phone of [false, true]) {
      const page = await loggedIn({ colorScheme, phone, javaScript: true });
      for (const path of ['/postmortems', '/postmortems/I-1', '/postmortems/I-1/customers-nl.html', '/postmortems/I-1/technical.html']) {
        const answer = await page.goto(scene.operator + path);
        const name = `operator-postmortem${path.replaceAll(/[/.]/g, '-')}-${colorScheme}${phone ? '-phone' : ''}`;
        assert.equal(answer.status(), 200, name);
        assert.equal(await scrollsSideways(page), false, name);
        assert.deepEqual(await barriers(page), [], name);
        await screenshot(page, name);
      }
      await page.context().close();
    }
  }
  const page = await loggedIn();
  await page.goto(`${scene.operator}/postmortems/I-1`);
  assert.match(await page.locator('main').innerText(), /This is no legal advice/);
  await page.goto(`${scene.operator}/postmortems/I-1/technical.html`);
  assert.match(await page.locator('main').innerText(), /backend 4711 held payslips/);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('header').first().isVisible(), false);
  const download = await page.request.get(`${scene.operator}/postmortems/I-1/technical.md`);
  assert.match(download.headers()['content-disposition'], /attachment; filename="I-1-technical\.md"/);
});

test('what could not be written stands in the form again', async () => {
  const page = await loggedIn();
  await page.goto(`${scene.operator}/postmortems/I-1`);
  const form = page.locator('form', { has: page.locator('input[name=section][value=factors]') });
  await form.locator('textarea').fill('Nobody looked.\n<b>Really</b>');
  // Nobody sits at this scene's desk: every order is refused.
  await form.getByRole('button', { name: 'Write it' }).click();
  assert.match(await page.locator('h1').innerText(), /Nothing was written/);
  assert.equal(await page.locator('textarea').inputValue(), 'Nobody looked.\n<b>Really</b>');
  // And where somebody wrote meanwhile, both stand there.
  await page.goto(`${scene.operator}/postmortems/I-1`);
  const cause = page.locator('form', { has: page.locator('input[name=section][value=cause]') });
  await cause.locator('input[name=read]').evaluate((input) => { input.value = '0'; });
  await cause.locator('textarea').fill('It was the network.');
  await cause.getByRole('button', { name: 'Write it' }).click();
  const main = await page.locator('main').innerText();
  assert.match(main, /wrote meanwhile/);
  assert.match(main, /Een nachtelijke export bleef hangen/);
  assert.equal(await page.locator('textarea').inputValue(), 'It was the network.');
  assert.equal(await page.locator('input[name=read]').inputValue(), '1');
  await screenshot(page, 'operator-postmortem-conflict');
});
