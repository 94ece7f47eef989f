// What a person, a keyboard, a screen reader and an attacker find in the HTML report.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { NOTHING, go, launch, open, settled, shown, shownFor } from './browser.mjs';

const folder = process.env.PAGES;
const file = (name) => path.join(folder, `${name}.html`);
let browser;
let expected;

before(async () => {
  browser = await launch({ executable: process.env.CHROMIUM, folder: process.env.CHROMIUM_FOLDER });
  expected = JSON.parse(await readFile(path.join(folder, 'expected.json'), 'utf8'));
});
after(() => browser?.close());

// Opens a page, does something, and wants it to have behaved.
async function on(name, options, act) {
  const opened = await open(browser, file(name), options);
  try {
    await act(opened.page);
    assert.deepEqual(await opened.complaints(), NOTHING);
  } finally {
    await opened.close();
  }
}

const textOf = (page, selector) => page.locator(selector).innerText();

for (const name of ['typical', 'first', 'empty', 'dark', 'hostile', 'large']) {
  test(`${name}: opens without an error, a violation of its policy or a request`, async () => {
    await on(name, {}, async (page) => {
      assert.ok(await page.locator('#overview').isVisible());
      await go(page, '#findings');
      assert.ok(await page.locator('#findings').isVisible());
      assert.equal(await page.locator('#overview').isVisible(), false);
    });
  });
}

test('the overview needs no script', async () => {
  await on('typical', { scripts: false }, async (page) => {
    assert.match(await textOf(page, '#overview-verdict'), /NOT COMPLIANT/);
    assert.ok(await page.locator('#overview-coverage').isVisible());
    assert.match(await textOf(page, '#findings'), /needs JavaScript/);
  });
});

test('headings stand in order, and there is one of the first level', async () => {
  await on('typical', {}, async (page) => {
    const levels = await page.evaluate(() => [...document.querySelectorAll('h1, h2, h3, h4')]
      .filter((heading) => heading.checkVisibility()).map((heading) => Number(heading.tagName[1])));
    assert.equal(levels.filter((level) => level === 1).length, 1);
    levels.reduce((before, level) => {
      assert.ok(level <= before + 1, `h${level} after h${before}`);
      return level;
    }, 0);
  });
});

test('every number of the overview that leads to findings leads to as many', async () => {
  await on('typical', {}, async (page) => {
    const links = await page.evaluate(() => [...document.querySelectorAll('#overview a[href^="#findings?"]')]
      .map((link) => ({ hash: link.getAttribute('href'), text: link.textContent.replace(/[ ?,]|unknown/g, ''), panel: link.closest('section').id }))
      .filter(({ text }) => /^[0-9]+$/.test(text) && text.length < 12));
    assert.ok(links.length > 40, `${links.length} links`);
    for (const { hash, text, panel } of links) {
      await go(page, hash);
      assert.equal(await shown(page), Number(text), `${panel}: ${hash}`);
    }
  });
});

test('the table has what the report has', async () => {
  await on('typical', { hash: '#findings?result=*' }, async (page) => {
    assert.equal(await shown(page), expected.typical.all);
    await go(page, '#findings?result=NonCompliant&severity=CRITICAL');
    assert.equal(await shown(page), expected.typical.critical);
    assert.match(await textOf(page, '#summary'), /critical/i);
  });
});

test('filters stand in the address: a link opens them, the back button undoes them', async () => {
  await on('typical', { hash: '#findings?result=NonCompliant&severity=HIGH' }, async (page) => {
    const high = await shown(page);
    assert.equal(high, expected.typical.high);
    assert.ok(await page.locator('#filters input[type=checkbox]:checked').count() >= 2);
    const box = page.locator('#filters .facet', { hasText: 'Severity' }).first().locator('label', { hasText: 'Critical' }).locator('input');
    await box.check();
    await page.waitForFunction((before) => Number(document.documentElement.dataset.shown) > before, high);
    assert.match(await page.evaluate(() => location.hash), /severity=(CRITICAL(,|%2C)HIGH|HIGH(,|%2C)CRITICAL)/);
    await page.goBack();
    await page.waitForFunction((before) => Number(document.documentElement.dataset.shown) === before, high);
    await page.goForward();
    await page.waitForFunction((before) => Number(document.documentElement.dataset.shown) > before, high);
    await page.reload();
    await settled(page);
    assert.equal(await shown(page), expected.typical.high + expected.typical.critical);
    await go(page, '#overview');
    assert.ok(await page.locator('#overview').isVisible());
    await page.goBack();
    await page.waitForFunction(() => !document.getElementById('findings').hidden);
  });
});

test('the search finds by resource, and says what it left', async () => {
  await on('typical', { hash: '#findings?result=*' }, async (page) => {
    await page.locator('#search').fill(expected.typical.search);
    await page.waitForFunction((all) => Number(document.documentElement.dataset.shown) < all, expected.typical.all);
    assert.equal(await shown(page), expected.typical.found);
    await page.locator('#search').fill('no resource has this name');
    await page.waitForFunction(() => document.documentElement.dataset.shown === '0');
    assert.ok(await page.locator('#empty').isVisible());
  });
});

test('everything can be done with a keyboard', async () => {
  await on('typical', {}, async (page) => {
    await page.keyboard.press('Tab');
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(ring, 'none', 'what has the focus is seen to have it');
    await go(page, '#findings');
    await page.keyboard.press('/');
    await page.waitForFunction(() => document.activeElement.id === 'search');
    for (let tries = 0; await page.evaluate(() => document.activeElement.id) !== 'grid'; tries += 1) {
      assert.ok(tries < 300, 'Tab never reaches the findings');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const active = await page.locator('#grid').getAttribute('aria-activedescendant');
    assert.ok(active && await page.locator(`#${active}`).isVisible(), `${active}`);
    await page.keyboard.press('Enter');
    await page.locator('#detail').waitFor({ state: 'visible' });
    assert.ok(await page.evaluate(() => document.getElementById('detail').contains(document.activeElement)));
    assert.match(await page.evaluate(() => location.hash), /finding=/);
    await page.keyboard.press('Escape');
    await page.locator('#detail').waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.id), 'grid');
  });
});

test('the details of a finding can be linked, and say what to do', async () => {
  const { id, remediation, resource } = expected.typical.worst;
  await on('typical', { hash: `#findings?finding=${id}` }, async (page) => {
    await page.locator('#detail').waitFor({ state: 'visible' });
    const said = await textOf(page, '#detail');
    for (const part of [remediation, resource, id]) assert.ok(said.includes(part), `${part} in ${said}`);
  });
});

// RFC 4180, as far as our own writer goes.
function parsed(text) {
  const rows = [[]];
  let cell = '';
  let quoted = false;
  for (let place = 0; place < text.length; place += 1) {
    const sign = text[place];
    if (quoted && sign === '"' && text[place + 1] === '"') {
      cell += '"';
      place += 1;
    } else if (sign === '"') {
      quoted = !quoted;
    } else if (!quoted && (sign === ',' || sign === '\n')) {
      rows.at(-1).push(cell.replace(/\r$/, ''));
      cell = '';
      if (sign === '\n') rows.push([]);
    } else {
      cell += sign;
    }
  }
  return rows.slice(0, -1);
}

async function exported(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  const text = await readFile(await download.path(), 'utf8');
  return parsed(text.replace(/^\ufeff/, ''));
}

test('the export has the filtered findings', async () => {
  await on('typical', { hash: '#findings?result=NonCompliant&severity=CRITICAL' }, async (page) => {
    const [head, ...rows] = await exported(page);
    assert.equal(rows.length, expected.typical.critical);
    const severity = head.indexOf('severity');
    assert.ok(severity >= 0 && rows.every((row) => row[severity] === 'CRITICAL'), head.join());
    assert.ok(rows.every((row) => row.length === head.length));
  });
});

test('the export has the cells of findings.csv, and what is gone says why', async () => {
  await on('typical', { hash: '#findings?result=*' }, async (page) => {
    const [head, ...rows] = await exported(page);
    const [written, ...lines] = parsed(await readFile(path.join(folder, 'typical.csv'), 'utf8'));
    assert.deepEqual(head, [...written, 'gone']);
    const sorted = (all) => all.map((cells) => JSON.stringify(cells)).sort();
    const ofThisRun = rows.filter((cells) => cells.at(-1) === '').map((cells) => cells.slice(0, -1));
    assert.deepEqual(sorted(ofThisRun), sorted(lines));
    const compliance = head.indexOf('compliance');
    const gone = rows.filter((cells) => cells.at(-1) !== '');
    assert.ok(gone.length > 0 && gone.every((cells) => ['Gone', 'GoneNotSeen'].includes(cells[compliance])));
  });
});

test('an export that fails says so', async () => {
  await on('typical', { hash: '#findings' }, async (page) => {
    await page.evaluate(() => { document.getElementById('details-0').firstChild.data = '%'; });
    await page.locator('#export').click();
    await page.locator('#message', { hasText: 'The export failed' }).waitFor();
    assert.match(await textOf(page, '#message'), /findings\.csv/);
    assert.ok(await page.locator('#export').isEnabled());
  });
});

test('what was a violation when it was last seen is told from what was good', async () => {
  await on('typical', { hash: '#findings?change=NotSeen' }, async (page) => {
    assert.equal(await shown(page), expected.typical.allNotSeen);
    await go(page, '#findings?change=NotSeen&known=NonCompliant');
    assert.equal(await shown(page), expected.typical.notSeen);
    assert.equal(await page.evaluate(() => location.hash), '#findings?change=NotSeen&known=NonCompliant');
  });
});

test('only the group that somebody opens is opened, also where others have its name', async () => {
  await on('dark', { hash: '#findings?result=*&group=resource' }, async (page) => {
    const count = async () => Number(await page.locator('#grid').getAttribute('aria-rowcount'));
    const groups = page.locator('#grid .row.group');
    const names = await groups.locator('strong').allInnerTexts();
    assert.ok(names.filter((name) => name === names[0]).length > 1, names.join());
    const before = await count();
    const own = Number((await groups.first().innerText()).match(/(\d+) finding/)[1]);
    await groups.first().click();
    await shownFor(page);
    assert.equal(await count(), before + own);
    await go(page, '#findings?result=*&group=account');
    assert.equal(await page.locator('#grid [aria-expanded=true]').count(), 0, 'an account is no resource');
  });
});

test('no exported cell is a formula', async () => {
  await on('hostile', { hash: '#findings?result=*' }, async (page) => {
    const rows = await exported(page);
    assert.ok(rows.length > 10);
    const cells = rows.flat();
    assert.ok(cells.some((cell) => cell.startsWith("'=")), 'there is something to disarm');
    for (const cell of cells) assert.doesNotMatch(cell, /^[=+\-@\t\r]/);
  });
});

test('hostile names are shown as text, and nothing of them runs', async () => {
  await on('hostile', {}, async (page) => {
    const overview = await textOf(page, '#overview');
    assert.ok(overview.includes('<img src=x onerror='), 'the overview shows the name as it is');
    for (const group of ['', 'control', 'account', 'ou', 'owner', 'service', 'resource']) {
      await go(page, `#findings?result=*&group=${group}&columns=severity,control,resource,account,ou,owner,change`);
    }
    await go(page, '#findings?result=*');
    assert.ok((await textOf(page, '#grid')).includes('<img src=x onerror='), 'the table shows the name as it is');
    for (const summary of await page.locator('#filters summary').all()) await summary.click();
    for (const id of expected.hostile.findings) {
      await go(page, `#findings?finding=${id}`);
      await page.locator('#detail').waitFor({ state: 'visible' });
      await page.locator('#detail', { hasText: id }).waitFor();
    }
    for (const hash of expected.hostile.hashes) await go(page, hash);
    const links = await page.evaluate(() => [...document.querySelectorAll('a[href]')].map((link) => link.href));
    for (const link of links) assert.match(link, /^(file:|https:\/\/([a-z0-9-]+\.)*(console\.aws\.amazon\.com|amazonaws-us-gov\.com|amazonaws\.cn)\/)/);
    const foreign = await page.evaluate(() => document.querySelectorAll('img, iframe, object, embed, form, base, link:not([rel=icon]), [style*="url"], [onerror], [onload], [onmouseover]').length);
    assert.equal(foreign, 0, 'no element came out of a name');
    await page.pdf();
  });
});

test('the theme can be chosen, and follows the system otherwise', async () => {
  const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const grounds = {};
  for (const theme of ['light', 'dark']) {
    await on('typical', { theme }, async (page) => {
      grounds[theme] = await ground(page);
      for (const wanted of ['light', 'dark']) {
        await page.evaluate((name) => { document.documentElement.dataset.theme = name; }, wanted);
        grounds[`${theme}, ${wanted} chosen`] = await ground(page);
      }
    });
  }
  assert.notEqual(grounds.light, grounds.dark);
  for (const system of ['light', 'dark']) {
    for (const wanted of ['light', 'dark']) assert.equal(grounds[`${system}, ${wanted} chosen`], grounds[wanted]);
  }
  await on('typical', {}, async (page) => {
    await page.locator('#theme').click();
    await page.locator('#theme').click();
    assert.equal(await ground(page), grounds.dark);
  });
});

// Rules of WCAG 2.2 A and AA and good practice; only what is serious or critical fails.
async function axe(page) {
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 5).map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
  });
}

for (const theme of ['light', 'dark']) {
  for (const [place, name, hash] of [
    ['the overview', 'typical', '#overview'], ['the overview of a run that saw nothing', 'dark', '#overview'],
    ['the findings', 'typical', '#findings'], ['grouped findings', 'typical', '#findings?group=control'],
    ['the details', 'typical', 'details'],
  ]) {
    test(`axe has nothing serious against ${place}, ${theme}`, async () => {
      const source = await readFile('node_modules/axe-core/axe.min.js', 'utf8');
      const target = hash === 'details' ? `#findings?finding=${expected.typical.worst.id}` : hash;
      // axe brings its own script, which the page's policy rightly does not know: so this page's complaints are not asked.
      const { page, close } = await open(browser, file(name), { hash: target, theme, before: source });
      try {
        if (hash === 'details') await page.locator('#detail').waitFor({ state: 'visible' });
        if (hash === '#overview') {
          await page.evaluate(() => document.querySelectorAll('#overview details').forEach((one) => { one.open = true; }));
        }
        await shownFor(page);
        assert.deepEqual(await axe(page), []);
      } finally {
        await close();
      }
    });
  }
}

for (const width of [1400, 800, 390]) {
  test(`the overview is no wider than a window of ${width} pixels`, async () => {
    await on('typical', { size: { width, height: 900 } }, async (page) => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} pixels`);
    });
  });
}

test('paper has the overview and the first findings', async () => {
  await on('typical', {}, async (page) => {
    const pdf = await page.pdf({ format: 'A4', printBackground: true });
    assert.ok(pdf.length > 20_000, `${pdf.length} bytes`);
    await page.emulateMedia({ media: 'print' });
    assert.ok(await page.locator('#overview-verdict').isVisible());
    assert.equal(await page.locator('.tabs').isVisible(), false);
  });
});

const SLOW = 120_000;

test('200,000 findings: how long it takes is printed', { timeout: SLOW }, async () => {
  await on('large', {}, async (page) => {
    const numbers = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    assert.equal(Number(numbers.findings), expected.large.all);
    const lines = [`${expected.large.all} findings: ready after ${Math.round(numbers.readyMs)} ms`];
    for (const hash of [
      '#findings?result=*', '#findings?result=NonCompliant&severity=CRITICAL', `#findings?account=${expected.large.account}`,
      '#findings?result=*&q=pipeline', '#findings?result=*&group=control', '#findings?result=*&sort=-age',
    ]) {
      await go(page, hash);
      const { shown: rows, filterMs } = await page.evaluate(() => ({ ...document.documentElement.dataset }));
      lines.push(`  ${hash}: ${rows} shown after ${filterMs} ms`);
    }
    await go(page, '#findings?result=*&group=resource');
    const groups = Number(await page.locator('#grid').getAttribute('aria-rowcount')) - 1;
    assert.equal(groups, expected.large.resources, 'a resource that two chunks share is one group');
    await go(page, '#findings?result=*');
    await page.evaluate(() => { document.getElementById('grid').scrollTop = 1e9; });
    await shownFor(page);
    assert.ok(await page.evaluate(() => document.querySelectorAll('#grid .row').length) < 200, 'only what is in sight is drawn');
    assert.equal(await shown(page), expected.large.all);
    console.log(lines.join('\n'));
  });
});

// For the eye: pictures of the pages, where somebody asks for them.
test('pictures', { skip: process.env.PICTURES === undefined, timeout: SLOW }, async () => {
  for (const name of ['typical', 'dark', 'first', 'empty', 'hostile']) {
    for (const theme of ['light', 'dark']) {
      for (const width of [1400, 800]) {
        const { page, close } = await open(browser, file(name), { theme, size: { width, height: 1000 } });
        await page.screenshot({ path: path.join(process.env.PICTURES, `${name}-${theme}-${width}.png`), fullPage: true });
        if (width === 1400) {
          await go(page, '#findings');
          await page.screenshot({ path: path.join(process.env.PICTURES, `${name}-${theme}-findings.png`) });
        }
        await close();
      }
    }
    const { page, close } = await open(browser, file(name));
    await writeFile(path.join(process.env.PICTURES, `${name}.pdf`), await page.pdf({ format: 'A4', printBackground: true }));
    await close();
  }
});
