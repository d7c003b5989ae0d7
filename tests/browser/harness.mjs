// A server of our own, a real browser, and a page that may not complain.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../../', import.meta.url));
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const BINARY = process.env.LBW_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug', 'lbw');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

/** So long, in milliseconds, is waited for anything. */
const PATIENCE = 120_000;

/** Where screenshots are kept. */
export const SHOTS = process.env.LBW_SHOTS ?? join(root, 'target', 'browser');
mkdirSync(SHOTS, { recursive: true });

/** To find tests that count on haste: how many times slower the page computes, and by how many milliseconds, at most, each answer is late. */
const SLOW = Number(process.env.LBW_SLOW ?? 1);
const LATE = Number(process.env.LBW_LATE ?? 0);

// What a failed test leaves running would keep this process, and whoever waits for it, for ever.
const ends = new Set();
after(() => Promise.all([...ends].map((end) => end())));

/** Starts `lbw serve` on a free port, in a folder of its own. */
export async function serve(...flags) {
  const folder = mkdtempSync(join(tmpdir(), 'lbw-browser-'));
  const server = await launch(folder, ['--port', '0', ...flags]);
  return {
    ...server, folder,
    async stop() {
      await server.end();
      rmSync(folder, { recursive: true, force: true });
    },
    /** The same again, where it was. */
    again: () => launch(folder, ['--port', new URL(server.url).port, ...flags]),
  };
}

async function launch(folder, flags) {
  const child = spawn(BINARY, ['serve', ...flags], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const url = await new Promise((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(String(data).trim()));
    child.once('exit', (code) => reject(new Error(`lbw serve ended with ${code}: ${said}`)));
  });
  const end = () => new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once('exit', resolve);
    child.kill('SIGTERM');
    return undefined;
  }).then(() => ends.delete(end));
  ends.add(end);
  return { url, end };
}

/** One browser for all tests. */
export async function launchBrowser() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  ends.add(() => browser.close());
  return browser;
}

/**
 * A page that remembers every complaint: errors, words on the console, violations of the policy, hosts that are not ours.
 * `settle()` fails if there was one.
 */
export async function open(browser, url, { width = 1280, height = 900, language = 'en', dark = false, mobile = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, locale: language === 'ja' ? 'ja-JP' : 'en-US', colorScheme: dark ? 'dark' : 'light', hasTouch: mobile, isMobile: mobile,
    acceptDownloads: true, permissions: ['clipboard-read', 'clipboard-write'], serviceWorkers: 'block',
  });
  const page = await context.newPage();
  // Nothing is told by time: a machine may have much else to do.
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  const expected = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.stack ?? error.message}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(`console: ${message.text()} ${message.location().url}`));
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (!['data:', 'blob:'].includes(to.protocol) && to.origin !== new URL(url).origin) complaints.push(`request: ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await context.exposeFunction('complain', (text) => complaints.push(text));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => globalThis.complain(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ''}`));
  });
  if (LATE) await page.route('**/*', (route) => setTimeout(() => route.continue().catch(() => {}), Math.random() * LATE));
  if (SLOW > 1) await (await context.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOW });
  // A page that cannot begin never gets there.
  const broken = new Promise((resolve, reject) => page.once('pageerror', reject));
  broken.catch(() => {});
  await page.goto(url);
  await Promise.race([idle(page), broken]);
  return {
    page,
    /** A complaint that this test brings about itself. */
    expect: (pattern) => expected.push(pattern),
    shot: (name, options = {}) => page.screenshot({ path: join(SHOTS, `${name}.png`), ...options }),
    async settle() {
      const left = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
      await context.close();
      assert.deepEqual(left, []);
    },
  };
}

/** Until the page has what it asked its server for: the lists, the pictures, and what is wrong with the prompt. */
export const idle = (page) => page.waitForFunction(() => document.body.ariaBusy === 'false' && document.querySelector('#findings').ariaBusy === 'false');

/** Serious faults of the page as axe-core sees them, in words. */
export async function faults(page) {
  // The policy of the page forbids scripts of others; axe is put in past it, by the debugger.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: `${readFileSync(AXE, 'utf8')};0` });
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')} — ${node.failureSummary}`));
}

/** Pastes a text into the prompt as the clipboard does. */
export const pasteText = (page, text) => page.locator('#prompt').evaluate((field, given) => {
  field.focus();
  field.select();
  const data = new DataTransfer();
  data.setData('text/plain', given);
  const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
  // Untrusted events have no default action: an ordinary text is typed in here instead.
  if (field.dispatchEvent(event)) document.execCommand('insertText', false, given);
}, text);

/** The slider of a block. */
export const slider = (page, name, card = 0) => page.locator('.tag-card').nth(card).locator(`.column[data-block="${name}"] .slot`);

/** Waits until the pictures are those of the text and the settings. */
export const drawn = (page) => page.waitForFunction(() => !document.querySelector('.side.working, .side.old:not([hidden])'));

/** The mean colour difference, of 255, between two of the three pictures. */
export const distance = (page, a, b) => page.evaluate(async ([first, second]) => {
  const pixels = async (side) => {
    const picture = document.querySelector(`.side[data-side="${side}"] img`);
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  };
  const [p, q] = await Promise.all([pixels(first), pixels(second)]);
  let sum = 0;
  for (let at = 0; at < p.length; at += 1) if (at % 4 !== 3) sum += Math.abs(p[at] - q[at]);
  return sum / (p.length * 0.75);
}, [a, b]);
