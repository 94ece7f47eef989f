// A headless Chromium, and pages that notice everything a report must not do.
//
// In: a path of Chromium, or the folder of the npm package that brings one. Out: pages opened from file:// that keep what
// they complained of, what they asked the network for, and what was executed.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

// The package's Chromium needs libraries that a bare machine may not have; it brings them.
async function packaged(folder) {
  const home = path.join(folder, 'node_modules/@sparticuz/chromium');
  const { default: bundle, inflate } = await import(pathToFileURL(path.join(home, 'build/index.js')).href);
  const libraries = await inflate(path.join(home, 'bin/al2023.tar.br'));
  return { executablePath: await bundle.executablePath(), env: { ...process.env, LD_LIBRARY_PATH: path.join(libraries, 'lib') } };
}

// Each launch has a user data folder of its own, which playwright makes and removes.
export async function launch({ executable, folder }) {
  const what = executable ? { executablePath: executable } : await packaged(folder);
  return chromium.launch({ ...what, headless: true, args: FLAGS });
}

// Opens a report as a person would: from the disk. `guard.complaints()` is everything that should not have happened.
export async function open(browser, file, { hash = '', theme = 'light', size = { width: 1400, height: 900 }, scripts = true, before } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: size, javaScriptEnabled: scripts, acceptDownloads: true, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const seen = { errors: [], requests: [], dialogs: [] };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.errors.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => seen.errors.push(`exception: ${error.stack ?? error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    const isItself = request.isNavigationRequest() && url.startsWith('file:') && url.split('#')[0] === pathToFileURL(file).href;
    if (!isItself && !url.startsWith('data:') && !url.startsWith('blob:')) seen.requests.push(url);
  });
  page.on('dialog', async (dialog) => {
    seen.dialogs.push(dialog.message());
    await dialog.dismiss();
  });
  await context.addInitScript(() => {
    window.__violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
    });
  });
  if (before) await context.addInitScript(before);
  await page.goto(pathToFileURL(file).href + hash);
  if (scripts) await settled(page);
  const complaints = async () => {
    const inside = scripts ? await page.evaluate(() => ({ violations: window.__violations, pwned: window.__pwned })) : {};
    return {
      errors: seen.errors, requests: seen.requests, dialogs: seen.dialogs,
      violations: inside.violations ?? [], pwned: inside.pwned ?? null,
    };
  };
  return { page, complaints, close: () => context.close() };
}

export const NOTHING = { errors: [], requests: [], dialogs: [], violations: [], pwned: null };

// The table says on the root when it is there.
export async function settled(page) {
  await page.waitForFunction(() => document.documentElement.dataset.findings !== undefined || document.documentElement.dataset.failed !== undefined);
  const failed = await page.evaluate(() => document.documentElement.dataset.failed);
  if (failed !== undefined) throw new Error(`the table of findings failed: ${failed}`);
}

// Goes to an address within the page, and waits until it is shown.
export async function go(page, hash) {
  await page.evaluate((target) => {
    location.hash = target;
  }, hash);
  await page.waitForTimeout(0);
  await shownFor(page);
}

// Two frames: the router has run, and what it changed is drawn.
export async function shownFor(page) {
  await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
}

export const shown = (page) => page.evaluate(() => Number(document.documentElement.dataset.shown));
