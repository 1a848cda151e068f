// The public page and the operator's pages in a real browser: read without script, on a
// phone, in the dark, by keyboard, and within their bounds.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { barriers, bytesToLoad, launch, screenshot, scrollsSideways } from './browser.mjs';
import { built, start } from './program.mjs';

const OPERATOR_PATHS = [
  '/', '/incidents', '/incidents/I-1', '/proposals', '/jobs', '/jobs/payroll-export',
  '/runs/payroll-export-night-12', '/locks', '/pools', '/pools/web', '/tenants', '/leaks', '/checks', '/checks/login-journey', '/heartbeats', '/readiness',
  '/subscribers', '/subscribers?address=example', '/maintenance', '/authority', '/journal', '/journal/1', '/audit',
];

// In the order in which they are offered.
const LANGUAGES = ['en', 'nl', 'de', 'pl', 'da'];

// What the scenes' people log in with.
const PASSWORD = 'correct horse battery';

let program;
let browser;
const scenes = {};
// What a subscriber of the scene `incident` was sent.
let link;

before(async () => {
  program = await start(built('examples/pages'), [], { ready: /ready/ });
  for (const line of program.output().split('\n')) {
    const [name, page, operator] = line.split(' ');
    if (name === 'link') {
      link = page;
    }
    if (operator) {
      scenes[name] = { page, operator };
    }
  }
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

async function headline(scene, options = {}) {
  const page = await browser.page({ javaScript: false, ...options });
  await page.goto(scenes[scene].page + (options.path ?? '/'));
  return { page, text: await page.locator('h1').innerText() };
}

// Cookies know no ports: each scene has a page, and so a browser context, of its own.
async function loggedIn(scene, options = {}, name = 'ana') {
  const page = await browser.page({ javaScript: false, ...options });
  await page.goto(scenes[scene].operator);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  return page;
}

test('the answer stands at the top, in the words of the language that is asked for', async () => {
  const says = {
    en: {
      well: /^All functions work$/,
      incident: /^Login does not work \(since .*\d\d:\d\d UTC\); we are on it$/,
      resolved: /^Login works again; we keep watching$/,
      proposal: /^Login is slow \(since /,
      unknown: /unknown since/,
      planned: /^Invoices and Quotes are under maintenance \(until .*\d\d:\d\d UTC\)$/,
      stale: /^How things are has been unknown since .* UTC; we are on it$/,
    },
    nl: {
      well: /^Alle functies werken$/,
      incident: /^Login werkt niet \(sinds .*\d\d:\d\d uur UTC\); we werken eraan$/,
      resolved: /^Login werkt weer; /,
      proposal: /^Login is traag \(sinds /,
      unknown: /onbekend/,
      planned: /^Invoices en Quotes zijn in onderhoud \(tot /,
      stale: /^Hoe het ervoor staat, is sinds .* onbekend/,
    },
    de: {
      well: /^Alle Funktionen sind verfügbar$/,
      incident: /^Login ist ausgefallen \(seit .*\d\d:\d\d Uhr UTC\); wir arbeiten daran$/,
      resolved: /^Login funktioniert wieder; /,
      proposal: /^Login ist langsam \(seit /,
      unknown: /nicht bekannt/,
      planned: /^Invoices und Quotes werden gewartet \(bis /,
      stale: /^Wie es steht, ist seit .* nicht bekannt/,
    },
    pl: {
      well: /^Wszystkie funkcje działają$/,
      incident: /^Funkcja Login nie działa \(od .*godz. \d\d:\d\d UTC\); pracujemy nad tym$/,
      resolved: /^Funkcja Login znów działa; /,
      proposal: /^Funkcja Login działa wolno \(od /,
      unknown: /nie wiadomo/,
      planned: /^Funkcje Invoices i Quotes są w trakcie prac konserwacyjnych \(do /,
      stale: /^Od .* nie wiadomo, jaki jest stan usługi/,
    },
    da: {
      well: /^Alle funktioner virker$/,
      incident: /^Login virker ikke \(siden .*kl\. \d\d\.\d\d UTC\); vi arbejder på det$/,
      resolved: /^Login virker igen; /,
      proposal: /^Login kører langsomt \(siden /,
      unknown: /har vi ikke vidst/,
      planned: /^Invoices og Quotes er under vedligeholdelse \(til /,
      stale: /^Siden .* har vi ikke vidst, hvordan det står til/,
    },
  };
  assert.deepEqual(Object.keys(says), LANGUAGES);
  for (const [language, words] of Object.entries(says)) {
    for (const [scene, expected] of Object.entries(words)) {
      const asked = await headline(scene, { language });
      assert.match(asked.text, expected, `${scene} ${language}`);
      const named = await headline(scene, { path: `/${language}/` });
      assert.match(named.text, expected, `${scene} ${language}`);
    }
  }
});

test('each document has one address in each language, which the switch and programs know', async () => {
  for (const javaScript of [false, true]) {
    for (const path of ['/', '/incidents/I-1']) {
      for (const language of LANGUAGES) {
        const page = await browser.page({ javaScript, language });
        const address = (tag) => `${scenes.incident.page}/${tag}${path}`;
        // Without a language in the address, the browser's counts, and caches are told so.
        const asked = await page.goto(scenes.incident.page + path);
        assert.equal(asked.headers()['content-language'], language);
        assert.equal(asked.headers().vary, 'accept-language');
        const heading = await page.locator('h1').innerText();
        for (const other of LANGUAGES) {
          await page.locator(`nav a[hreflang=${other}]`).click();
          assert.equal(page.url(), address(other));
          assert.equal(await page.locator('html').getAttribute('lang'), other);
          assert.equal(await page.locator('nav a[aria-current]').getAttribute('lang'), other);
          const alternates = await page.locator('link[rel=alternate][hreflang]').evaluateAll((links) =>
            links.map((link) => [link.hreflang, link.href]),
          );
          assert.deepEqual(alternates, [
            ...LANGUAGES.map((tag) => [tag, address(tag)]),
            ['x-default', scenes.incident.page + path],
          ]);
        }
        const named = await page.goto(address(language));
        assert.equal(named.headers()['content-language'], language);
        assert.equal(named.headers().vary, undefined);
        assert.equal(await page.locator('h1').innerText(), heading);
        // What the page leads to is in its language.
        const links = await page.locator('main a, header p a').evaluateAll((all) =>
          all.map((link) => new URL(link.href).pathname),
        );
        assert.ok(links.length > 0 && links.every((link) => link.startsWith(`/${language}/`)), `${links}`);
        await page.context().close();
      }
    }
  }
});

test('planned work has a calendar and pages that stay, in every language', async () => {
  for (const language of LANGUAGES) {
    for (const path of ['/maintenance', '/maintenance/MW-1', '/maintenance/MW-2', '/maintenance/MW-4']) {
      for (const [colorScheme, phone] of [['light', false], ['dark', true]]) {
        const page = await browser.page({ javaScript: false, colorScheme, phone, language });
        const answer = await page.goto(scenes.planned.page + path);
        assert.equal(answer.status(), 200, path);
        assert.equal(answer.headers()['content-language'], language);
        const heading = await page.locator('h1').innerText();
        assert.equal(await scrollsSideways(page), false, path);
        await screenshot(page, `planned${path.replaceAll('/', '-')}-${language}-${colorScheme}${phone ? '-phone' : ''}`);
        const text = await page.locator('main').innerText();
        assert.ok(!text.includes('the provider moves us'), path);
        // The same document under the address that names its language.
        await page.goto(`${scenes.planned.page}/${language}${path}`);
        assert.equal(await page.locator('h1').innerText(), heading);
        await page.context().close();
      }
    }
  }
  const page = await browser.page({ javaScript: false, language: 'de' });
  await page.goto(scenes.planned.page);
  // From the front page to the calendar, to the work, and back.
  await page.getByRole('link', { name: 'Alle geplanten Arbeiten' }).click();
  assert.equal(new URL(page.url()).pathname, '/de/maintenance');
  await page.getByRole('link', { name: 'Wartung: Invoices und Quotes' }).click();
  assert.match(await page.locator('.updates li').first().innerText(), /Die Arbeiten dauern länger als geplant/);
  assert.equal(await page.locator('blockquote[lang=de]').count(), 1);
  assert.match(await page.locator('blockquote[lang=de]').innerText(), /neue Server/);
  await page.getByRole('link', { name: 'Wie es jetzt steht' }).click();
  assert.equal(new URL(page.url()).pathname, '/de/');
  await page.getByRole('link', { name: 'Alle geplanten Arbeiten' }).click();
  const calendar = await page.getByRole('link', { name: 'iCalendar' }).getAttribute('href');
  assert.equal(calendar, '/de/maintenance.ics');
  for (const phone of [false, true]) {
    for (const colorScheme of ['light', 'dark']) {
      for (const path of ['/', '/maintenance', '/maintenance/MW-2']) {
        const one = await browser.page({ colorScheme, phone });
        await one.goto(scenes.planned.page + path);
        assert.deepEqual(await barriers(one), [], `${path} phone: ${phone}`);
        await one.context().close();
      }
    }
  }
});

test('operators see what is planned, and the next peak', async () => {
  const page = await loggedIn('planned');
  assert.match(await page.locator('main').innerText(), /Next peak: VAT day/);
  await page.goto(`${scenes.planned.operator}/maintenance`);
  assert.match(await page.locator('h1').innerText(), /A maintenance is under way/);
  assert.equal(await page.getByRole('button', { name: 'The work is done' }).count(), 1);
  assert.equal(await page.getByRole('button', { name: 'Plan it' }).count(), 1);
  // Who may only look gets no buttons.
  const viewer = await loggedIn('planned', {}, 'ben');
  await viewer.goto(`${scenes.planned.operator}/maintenance`);
  assert.equal(await viewer.locator('main button').count(), 0);
});

test('a plan that is refused stands in the form again', async () => {
  const page = await loggedIn('planned', { javaScript: false });
  await page.goto(`${scenes.planned.operator}/maintenance`);
  await page.getByLabel('Login').check();
  const typed = { 'From (UTC)': '2031-03-01T20:00', 'Until (UTC)': '2031-03-01T22:00' };
  for (const [label, value] of Object.entries(typed)) {
    await page.getByLabel(label).fill(value);
  }
  await page.getByLabel('Ends').selectOption('by_hand');
  const words = page.getByLabel('What for, in your words');
  await words.fill('A new disk.\n<b>Really</b>');
  await page.getByLabel('Language').selectOption('nl');
  // Nobody sits at this scene's desk: every order is refused.
  await page.getByRole('button', { name: 'Plan it' }).click();
  assert.match(await page.getByRole('alert').innerText(), /Nothing was done/);
  assert.ok(await page.getByLabel('Login').isChecked());
  for (const [label, value] of Object.entries(typed)) {
    assert.equal(await page.getByLabel(label).inputValue(), value, label);
  }
  assert.equal(await page.getByLabel('Ends').inputValue(), 'by_hand');
  assert.equal(await words.inputValue(), 'A new disk.\n<b>Really</b>');
  assert.equal(await page.getByLabel('Language').inputValue(), 'nl');
  await screenshot(page, 'operator-plan-refused');
});

test('what is not there is said in the language of its address, else of the browser', async () => {
  const page = await browser.page({ javaScript: false, language: 'da' });
  for (const [path, language] of [
    ['/pl/incidents/I-999', 'pl'], ['/nl/nothing', 'nl'], ['/nothing', 'da'], ['/nothing/', 'da'],
    ['/incidents/I-999', 'da'], ['/incidents/nothing', 'da'], ['/DE/', 'da'], ['/fr/incidents/I-1', 'da'],
  ]) {
    const answer = await page.goto(scenes.incident.page + path);
    assert.equal(answer.status(), 404, path);
    assert.equal(await page.locator('html').getAttribute('lang'), language, path);
  }
  await page.goto(`${scenes.incident.page}/de`);
  assert.equal(page.url(), `${scenes.incident.page}/de/`);
});

test('what operators know does not leave the house', async () => {
  for (const scene of Object.keys(scenes)) {
    const { page } = await headline(scene);
    const text = await page.content();
    for (const secret of ['4711', 'last_login_at', 'payslips', 'payroll-export', 'backend', 'disk is full', 'connection refused']) {
      assert.ok(!text.includes(secret), `${scene} shows ${secret}`);
    }
  }
});

test('a page is under 30 KB in all, in every language', async () => {
  for (const scene of Object.keys(scenes)) {
    for (const language of LANGUAGES) {
      const page = await browser.page({ language });
      const bytes = await bytesToLoad(page, scenes[scene].page);
      assert.ok(bytes > 1000 && bytes < 30_000, `${scene} ${language}: ${bytes} bytes`);
      await page.context().close();
    }
  }
});

test('nothing scrolls sideways on a phone, and every picture of it is kept', async () => {
  for (const scene of Object.keys(scenes)) {
    for (const language of LANGUAGES) {
      // Colours move nothing: the dark pages are for people to look at.
      for (const colorScheme of process.env.SCREENSHOTS ? ['light', 'dark'] : ['light']) {
        for (const phone of [false, true]) {
          const { page } = await headline(scene, { colorScheme, phone, language });
          const name = `page-${scene}-${language}-${colorScheme}${phone ? '-phone' : ''}`;
          assert.equal(await scrollsSideways(page), false, name);
          await screenshot(page, name);
          await page.context().close();
        }
      }
    }
  }
});

test('an incident has a page of its own', async () => {
  for (const language of LANGUAGES) {
    for (const phone of [false, true]) {
      const path = `/${language}/incidents/I-1`;
      const { page, text } = await headline('incident', { path, phone });
      assert.match(text, /Login/);
      // Read in a year, it still says when it was.
      const year = String(new Date().getUTCFullYear());
      assert.match(await page.locator('.span').innerText(), new RegExp(year));
      assert.deepEqual(await scrollsSideways(page), false, path);
      await screenshot(page, `incident-${language}${phone ? '-phone' : ''}`);
      await page.context().close();
    }
  }
});

test('customers subscribe and change it without script, in every language, and nobody is shut out', async () => {
  for (const language of LANGUAGES) {
    for (const phone of [false, true]) {
      const colorScheme = phone ? 'dark' : 'light';
      const page = await browser.page({ javaScript: false, phone, colorScheme });
      const front = scenes.incident.page;
      await page.goto(`${front}/${language}/`);
      await page.locator('footer a[href$="/subscribe"]').click();
      assert.equal(await page.locator('html').getAttribute('lang'), language);
      assert.deepEqual(await scrollsSideways(page), false, language);
      await screenshot(page, `subscribe-${language}${phone ? '-phone' : ''}`);
      const typed = page.locator('input[type=email]');
      await typed.fill(`new-${language}-${phone}@example.com`);
      await typed.press('Enter');
      await page.getByRole('status').waitFor();
      assert.ok(Buffer.byteLength(await page.content()) < 30_000);
      await page.goto(`${front}/${language}/subscription/${link}`);
      await screenshot(page, `subscription-${language}${phone ? '-phone' : ''}`);
      await page.locator('input[type=checkbox]').first().uncheck();
      await page.locator('button[value=save]').click();
      await page.getByRole('status').waitFor();
      assert.equal(await page.locator('input[type=checkbox]').first().isChecked(), false);
      await page.locator('input[type=checkbox]').first().check();
      await page.locator('button[value=save]').click();
      await page.context().close();
      // axe needs script; the pages do not.
      const looked = await browser.page({ phone, colorScheme });
      for (const path of ['/subscribe', `/subscription/${link}`, '/subscription/0-0']) {
        await looked.goto(`${front}/${language}${path}`);
        assert.deepEqual(await barriers(looked), [], `${language} ${path} phone: ${phone}`);
      }
      await looked.context().close();
    }
  }
});

test('on paper the answer stays and the switch goes', async () => {
  const { page } = await headline('incident');
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('nav').isVisible(), false);
  assert.equal(await page.locator('h1').isVisible(), true);
});

test('the operator reads what was found, what was not done, and what to type', async () => {
  for (const scene of ['incident', 'proposal', 'resolved']) {
    for (const colorScheme of ['light', 'dark']) {
      for (const phone of [false, true]) {
        const page = await loggedIn(scene, { colorScheme, phone });
        for (const path of OPERATOR_PATHS) {
          const answer = await page.goto(scenes[scene].operator + path);
          assert.equal(answer.status(), 200, `${scene} ${path}`);
          assert.equal(await scrollsSideways(page), false, `${scene} ${path} phone: ${phone}`);
          const name = path === '/' ? 'overview' : path.slice(1).replaceAll('/', '-');
          await screenshot(page, `operator-${scene}-${name}-${colorScheme}${phone ? '-phone' : ''}`);
        }
      }
    }
  }
  const page = await loggedIn('incident');
  assert.match(await page.locator('main').innerText(), /Evenkeel would end the database session, but does not/);
  const proposal = await loggedIn('proposal');
  assert.match(await proposal.locator('main').innerText(), /evenkeel approve A-\d+/);
  await page.goto(`${scenes.incident.operator}/locks`);
  assert.match(await page.locator('main').innerText(), /pid 4711 .* holds what 9 wait for/);
});

test('the keyboard reaches every link, and shows where it is', async () => {
  const { page } = await headline('incident');
  await page.keyboard.press('Tab');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid');
  const named = await page.evaluate(() =>
    [...document.querySelectorAll('a')].every((link) => link.textContent.trim() !== ''),
  );
  assert.ok(named, 'every link has a name');
});

test('a status has its colour besides its word and shape', async () => {
  const { page } = await headline('incident');
  const [answer, plain] = await page.evaluate(() =>
    ['.answer', 'body'].map((of) => getComputedStyle(document.querySelector(of)).color),
  );
  assert.notEqual(answer, plain);
});

// WCAG 2.2, 1.4.3: the contrast of text against what is behind it.
test('text is readable in light and in dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const open = async (address) => {
      const page = await browser.page({ colorScheme });
      await page.goto(address);
      return [page];
    };
    const pages = [
      await open(scenes.incident.page),
      await open(`${scenes.incident.operator}/login`),
      ...OPERATOR_PATHS.map((path) => ['proposal', path]),
      ...OPERATOR_PATHS.map((path) => ['incident', path]),
    ];
    const inside = {
      proposal: await loggedIn('proposal', { colorScheme, javaScript: true }),
      incident: await loggedIn('incident', { colorScheme, javaScript: true }),
    };
    for (const [at, path] of pages) {
      const page = inside[at] ?? at;
      if (path) {
        await page.goto(scenes[at].operator + path);
      }
      const address = page.url();
      const poor = await page.evaluate(() => {
        const luminance = (color) => {
          const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => {
            const share = Number(part) / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const behind = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (!/rgba\(.*, 0\)/.test(color)) {
              return color;
            }
          }
          return 'rgb(255, 255, 255)';
        };
        const texts = [...document.querySelectorAll('body *')].filter((element) =>
          [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '') &&
          element.getClientRects().length > 0 && !element.closest('svg'),
        );
        return texts
          .map((element) => {
            const one = luminance(getComputedStyle(element).color);
            const other = luminance(behind(element));
            const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
            return { text: element.textContent.trim().slice(0, 40), ratio };
          })
          .filter(({ ratio }) => ratio < 4.5);
      });
      assert.deepEqual(poor, [], `${address} ${colorScheme}`);
    }
  }
});

test('no page shuts anybody out, as far as axe-core can tell', async () => {
  for (const phone of [false, true]) {
    const colorScheme = phone ? 'dark' : 'light';
    for (const scene of Object.keys(scenes)) {
      // The longest words, where there is least room for them; one page is built in every
      // language alike.
      for (const language of phone ? ['de'] : LANGUAGES) {
        const page = await browser.page({ colorScheme, phone });
        for (const path of ['/', '/incidents/I-1']) {
          await page.goto(`${scenes[scene].page}/${language}${path}`);
          assert.deepEqual(await barriers(page), [], `${scene} ${language} ${path} phone: ${phone}`);
        }
        await page.context().close();
      }
    }
    const outside = await browser.page({ colorScheme, phone });
    await outside.goto(`${scenes.incident.operator}/login`);
    assert.deepEqual(await barriers(outside), [], `login phone: ${phone}`);
    for (const scene of ['incident', 'proposal']) {
      const page = await loggedIn(scene, { colorScheme, phone, javaScript: true });
      for (const path of OPERATOR_PATHS) {
        await page.goto(scenes[scene].operator + path);
        assert.deepEqual(await barriers(page), [], `${scene} ${path} phone: ${phone}`);
      }
    }
  }
});

test('where rows stand one below the other, each cell says its column', async () => {
  const page = await loggedIn('incident', { phone: true });
  for (const path of OPERATOR_PATHS) {
    await page.goto(scenes.incident.operator + path);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('table:not(.calendar)')].flatMap((table) => {
        const columns = [...table.querySelectorAll('thead th')].map((head) => head.textContent.trim());
        return [...table.querySelectorAll('tbody tr')].flatMap((row) =>
          [...row.querySelectorAll(':scope > td')].filter((cell, position) => {
            const column = columns[position] ?? '';
            const shown = getComputedStyle(cell, '::before').content;
            const seen = getComputedStyle(cell).display !== 'none';
            return seen && column !== '' && shown !== `"${column}: "`;
          }).map((cell) => cell.outerHTML),
        );
      }),
    );
    assert.deepEqual(nameless, [], path);
  }
});

test('a forecast is a plot with its limit, its interval and when it runs out', async () => {
  for (const phone of [false, true]) {
    const page = await loggedIn('incident', { phone });
    await page.goto(`${scenes.incident.operator}/leaks`);
    const when = /about .*\d\d:\d\d UTC \(.*\d\d:\d\d ?– ?.*\d\d:\d\d\)/;
    assert.match(await page.locator('h1').innerText(), when);
    const card = page.locator('.card').first();
    assert.match(await card.innerText(), when);
    const plot = card.locator('svg.plot');
    assert.match(await plot.innerHTML(), /limit, 512 MiB/);
    const limit = await plot.locator('.threshold').boundingBox();
    const forecast = await plot.locator('polyline.line2').boundingBox();
    const interval = await plot.locator('polygon').boundingBox();
    const screen = await plot.boundingBox();
    assert.ok(Math.abs(forecast.y - limit.y) < 4, 'the forecast ends at the limit');
    assert.ok(interval.x + interval.width >= forecast.x + forecast.width, 'the interval reaches on');
    assert.ok(interval.x + interval.width <= screen.x + screen.width, 'within the plot');
  }
});

test('every button and field of the edge is reached with the keyboard', async () => {
  const page = await loggedIn('incident');
  for (const path of ['/pools', '/pools/web', '/tenants']) {
    await page.goto(scenes.incident.operator + path);
    const wanted = await page.evaluate(() => {
      // What is folded away is reached once it is unfolded.
      document.querySelectorAll('main details').forEach((one) => { one.open = true; });
      const all = [...document.querySelectorAll('main button, main input:not([type=hidden]), main select, main summary')];
      const seen = all.filter((one) => one.getClientRects().length > 0);
      seen.forEach((one, number) => { one.dataset.number = number; });
      return seen.length;
    });
    assert.ok(wanted > 3, path);
    const reached = new Set();
    for (let presses = 0; presses < wanted + 60 && reached.size < wanted; presses += 1) {
      await page.keyboard.press('Tab');
      const number = await page.evaluate(() => document.activeElement.dataset.number ?? null);
      if (number !== null) {
        reached.add(number);
      }
    }
    assert.equal(reached.size, wanted, path);
  }
});
