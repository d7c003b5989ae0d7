// Everything that hands do on the page, one by one.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawn, faults, idle, launchBrowser, open, pasteText, serve, slider } from './harness.mjs';

const LORA = fileURLToPath(new URL('../../fixtures/embedded/overcooked.safetensors', import.meta.url));
const PICTURE = fileURLToPath(new URL('../../fixtures/readme/cooked.png', import.meta.url));
const TAG = '<lora:overcooked:1>';
const lbw = (...weights) => `<lora:overcooked:1:lbw=${weights.join(',')}>`;
const ones = () => Array(12).fill(1);
const except = (changes) => lbw(...ones().map((one, at) => changes[at] ?? one));

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([serve(), launchBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page with a prompt, and no drawing at every move. */
async function bench(prompt = TAG, options = {}) {
  const opened = await open(browser, server.url, options);
  await opened.page.evaluate(() => document.querySelector('#look-auto').checked && document.querySelector('#look-auto').click());
  await opened.page.fill('#prompt', prompt);
  await still(opened.page);
  return { ...opened, text: () => opened.page.inputValue('#prompt') };
}

/** Until nothing moves any more: what the server says of a prompt makes room for itself, and hands do not begin before. */
async function still(page) {
  await idle(page);
  const places = () => page.evaluate(() => JSON.stringify([...document.querySelectorAll('#prompt, .slot, .chip')].map((part) => {
    const { x, y, width, height } = part.getBoundingClientRect();
    return [x, y, width, height];
  })));
  for (let [before, same] = ['', 0]; same < 3;) {
    const now = await places();
    [before, same] = [now, now === before ? same + 1 : 0];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function until(is) {
  for (let round = 0; round < 2400 && !is(); round += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(is());
}

async function drag(page, locator, by, { from = 'center' } = {}) {
  const box = await locator.boundingBox();
  const x = box.x + box.width / 2;
  const y = from === 'cap' ? box.y + 9 + ((box.height - 18) * 0.5) / 1.5 : box.y + box.height / 2;
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let step = 1; step <= 5; step += 1) await page.mouse.move(x, y + (by * step) / 5);
  await page.mouse.up();
}

test('a slider is dragged, typed, doubled to 1, and undone', async () => {
  const { page, text, settle } = await bench();
  const track = await slider(page, 'OUT01').boundingBox();
  await drag(page, slider(page, 'OUT01'), (track.height - 18) / 3, { from: 'cap' });
  assert.equal(await text(), except({ 7: 0.5 }));
  await slider(page, 'OUT01').dblclick();
  assert.match(await text(), /lbw=1,1,1,1,1,1,1,1,1,1,1,1>/);
  await slider(page, 'IN05').focus();
  await page.keyboard.type('.35');
  await page.keyboard.press('Enter');
  assert.equal(await text(), except({ 2: 0.35 }));
  await page.keyboard.press('Shift+ArrowUp');
  assert.equal(await text(), except({ 2: 0.36 }));
  await page.keyboard.press('Control+z');
  assert.equal(await text(), except({ 2: 0.35 }));
  await page.keyboard.press('Control+Shift+z');
  assert.equal(await text(), except({ 2: 0.36 }));
  await page.keyboard.press('Home');
  assert.equal(await slider(page, 'IN05').getAttribute('aria-valuenow'), '0');
  await page.locator('.column[data-block="M00"] .value').click();
  await page.keyboard.type('-0.25');
  await page.keyboard.press('Enter');
  assert.equal(await slider(page, 'M00').getAttribute('aria-valuenow'), '-0.25');
  assert.equal(await slider(page, 'M00').getAttribute('aria-valuemin'), '-1', 'the scale reaches as far as the weights');
  await settle();
});

test('groups move together, blocks are muted and heard alone', async () => {
  const { page, text, settle } = await bench(except({ 6: 0.5 }));
  const grip = page.locator('.block-group').nth(4).locator('.grip');
  assert.equal(await grip.getAttribute('aria-label'), 'OUT00, OUT01, OUT02 together');
  const members = await page.locator('.block-group').nth(4).locator('.members').boundingBox();
  const track = await slider(page, 'OUT01').boundingBox();
  await drag(page, grip, (track.height - 18) / 3);
  const [a, b, c] = (await text()).match(/lbw=(.*)>/)[1].split(',').slice(6, 9).map(Number);
  assert.ok(a < 0.5 && b < 1 && b === c && Math.abs(b - a - 0.5) < 1e-9, `${[a, b, c]} ${members.height}`);
  await grip.dblclick();
  assert.match(await text(), /lbw=1,1,1,1,1,1,1,1,1,1,1,1>/);
  const column = (name) => page.locator(`.column[data-block="${name}"]`);
  await page.fill('#prompt', except({ 10: 0.7 }));
  await column('OUT04').locator('.mute').click();
  assert.equal(await text(), except({ 10: 0 }));
  assert.equal(await column('OUT04').locator('.mute').getAttribute('aria-pressed'), 'true');
  await column('OUT04').locator('.mute').click();
  assert.equal(await text(), except({ 10: 0.7 }));
  await slider(page, 'OUT04').focus();
  await page.keyboard.press('s');
  assert.equal(await text(), lbw(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.7, 0));
  assert.equal(await column('OUT04').locator('.solo').getAttribute('aria-pressed'), 'true');
  await page.keyboard.press('s');
  assert.equal(await text(), except({ 10: 0.7 }));
  await settle();
});

test('text and sliders are one thing, for several tags and lengths', async () => {
  const prompt = `a, <lora:overcooked:0.8: 1 :lbw=${Array(17).fill('1').join(', ')}>, (b:1.2) <lyco:house:1:lbw=XLOUT:step=2-9>`;
  const { page, text, settle } = await bench(prompt);
  assert.deepEqual(await page.locator('.tag-card').evaluateAll((all) => all.map((card) => card.querySelectorAll('.column').length)), [17, 12]);
  await slider(page, 'OUT11', 0).focus();
  await page.keyboard.press('PageDown');
  assert.equal(await text(), prompt.replace('1>', '0.75>'));
  await slider(page, 'BASE', 1).focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await text(), prompt.replace('1>', '0.75>').replace('XLOUT', '0.95,0,0,0,0,0,1,1,1,1,1,1'));
  await page.fill('#prompt', '<lora:overcooked:1:lbw=1,R,X-0.2,1,1,1,1,1,1,1,1,1>');
  assert.equal(await page.locator('.column[data-block="IN04"] .value').textContent(), 'R');
  await slider(page, 'OUT05').focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await text(), '<lora:overcooked:1:lbw=1,R,X-0.2,1,1,1,1,1,1,1,1,0.95>');
  await page.fill('#prompt', 'no tag');
  assert.equal(await page.locator('.tag-card').count(), 0);
  assert.ok(await page.locator('#no-tags').isVisible());
  await settle();
});

test('presets are put in, shown, kept and given away', async () => {
  const { page, text, settle } = await bench();
  const chip = (name) => page.locator('.chip', { hasText: name }).first();
  await chip('XLOUT1').hover();
  await page.locator('.ghost:not([hidden])').nth(11).waitFor({ state: 'attached' });
  assert.equal(await page.locator('.ghost:not([hidden])').count(), 12, 'its shape is laid over the sliders');
  await chip('XLOUT1').click();
  assert.equal(await text(), '<lora:overcooked:1:lbw=XLOUT1>');
  assert.equal(await chip('XLOUT1').getAttribute('aria-pressed'), 'true');
  await page.locator('.tag-card [aria-expanded]').click();
  await page.locator('.preset-form input').fill('a,b');
  await page.keyboard.press('Enter');
  assert.equal(await text(), '<lora:overcooked:1:lbw=XLOUT1>', 'a name that no tag can hold is refused');
  await page.locator('.preset-form input').fill('私の');
  await page.keyboard.press('Enter');
  assert.equal(await text(), '<lora:overcooked:1:lbw=私の>');
  await page.waitForFunction(() => document.querySelectorAll('#findings .error').length === 0);
  await page.locator('.tag-card [aria-expanded]').click();
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('.preset-form .quiet').click()]);
  assert.equal(readFileSync(await file.path(), 'utf8'), 'presets:\n  "私の": "1,0,0,0,0,0,1,1,1,0,0,0"\n');
  await page.locator('.tag-card header .quiet').nth(1).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), '<lora:overcooked:1:lbw=私の>');
  await settle();
});

test('names complete, findings are underlined where they are', async () => {
  const { page, text, settle } = await bench('');
  await page.locator('#prompt').focus();
  await page.keyboard.type('red <lora:cook');
  assert.equal(await page.locator('.completions:not([hidden]) li').first().textContent(), 'overcooked');
  await page.keyboard.press('Enter');
  assert.equal(await text(), 'red <lora:overcooked:1>');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.type(':lbw=XLMI');
  await page.keyboard.press('Tab');
  assert.equal(await text(), 'red <lora:overcooked:1:lbw=XLMID>');
  // Wide letters and letters outside the first plane: places are told in another unit than the browser's.
  await page.fill('#prompt', '🏠家 <lora:overcooked:1:lbw=XLUOT>');
  await page.waitForSelector('#findings .error');
  assert.equal(await page.locator('.marks .found.error').allTextContents().then((all) => all.join('')), 'XLUOT');
  assert.match(await page.locator('#findings .error').first().textContent(), /XLUOT.*XLOUT/s);
  await page.locator('#findings .error button').first().click();
  assert.equal(await page.locator('#prompt').evaluate((f) => f.value.slice(f.selectionStart, f.selectionEnd)), 'XLUOT');
  await page.click('#language');
  await page.waitForFunction(() => /プリセット/.test(document.querySelector('#findings .error')?.textContent ?? ''));
  assert.equal(await page.locator('html').getAttribute('lang'), 'ja');
  await settle();
});

test('a picture that is dropped gives its text and settings', async () => {
  const { page, text, settle, expect } = await bench('');
  expect(/status of 422/);
  await page.setInputFiles('#file', PICTURE);
  await page.waitForFunction(() => document.querySelector('#prompt').value !== '');
  assert.equal(await text(), 'yellow star, blue background, gradient <lora:overcooked:1>');
  assert.deepEqual(await page.$$eval('#field-sampler_name, #field-cfg_scale, #field-seed', (all) => all.map((f) => f.value)), ['Euler a', '4', '2']);
  await pasteText(page, 'a cat\nNegative prompt: dog\nSteps: 7, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5.5, Seed: 9, Size: 128x192, RNG: CPU');
  await page.waitForFunction(() => document.querySelector('#prompt').value === 'a cat');
  assert.equal(await page.inputValue('#negative'), 'dog');
  assert.equal(await page.inputValue('#field-height'), '192');
  assert.match(await page.locator('#rest-list').textContent(), /CPU/, 'what has no field here is shown, because it acts');
  await page.locator('#rest-list button').first().click();
  await page.setInputFiles('#file', { name: 'x.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await page.waitForSelector('.toast.error');
  await settle();
});

test('a slider that is let go draws anew, and what it asked for before is cancelled', async () => {
  const { page, settle } = await bench();
  await page.click('#look-auto');
  const [posted, sent] = [[], []];
  page.on('request', (request) => {
    if (request.method() === 'POST' && /\/jobs$/.test(request.url())) sent.push(JSON.parse(request.postData()).request.prompt);
  });
  page.on('response', async (response) => {
    if (response.request().method() === 'POST' && /\/jobs$/.test(response.url())) posted.push((await response.json()).id);
  });
  await page.click('#settings summary');
  await page.fill('#field-steps', '300');
  await page.locator('#field-steps').blur();
  // Few steps and all of them for how it is now, and what it is compared with: four jobs, and four anew for the second slider.
  for (const [name, count] of [['OUT04', 4], ['OUT05', 8]]) {
    await slider(page, name).focus();
    await page.keyboard.press('PageDown');
    await until(() => posted.length === count);
  }
  await page.waitForFunction(() => document.querySelectorAll('#queue li').length <= 4);
  const asked = async () => {
    const { jobs } = await (await page.request.get(`${server.url}lbw/v1/jobs`)).json();
    return jobs.filter((job) => posted.includes(job.id));
  };
  assert.match(sent[sent.length - 4], /0\.75,0\.75>$/, 'how it is now comes first');
  await page.click('#stop');
  await page.waitForFunction(() => document.querySelectorAll('#queue li').length === 0);
  for (const { status, request } of await asked()) {
    assert.ok(status === 'cancelled' || (status === 'done' && request.steps < 300), `${status}, ${request.steps} steps`);
  }
  await settle();
});

test('the gallery shows, compares, uses again and gives away', async () => {
  const { page, text, settle } = await bench('red circle, blue background');
  await page.click('#draw');
  await drawn(page);
  await page.fill('#prompt', 'green star, white background');
  await page.keyboard.press('Control+Enter');
  await drawn(page);
  await page.waitForFunction(() => document.querySelectorAll('#pictures li').length >= 2);
  await page.locator('#pictures input').nth(0).check();
  await page.locator('#pictures input').nth(1).check();
  await page.waitForSelector('#viewer[open]');
  assert.match(await page.locator('#viewer .infotext').textContent(), /− green star[^]*\+ red circle|− red circle[^]*\+ green star/);
  await page.keyboard.press('Escape');
  await page.locator('#pictures .thumb').nth(1).click();
  const infotext = await page.locator('#viewer .infotext').textContent();
  assert.match(infotext, /^red circle, blue background\nSteps: 20/);
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('#viewer a').click()]);
  assert.equal(readFileSync(await file.path()).subarray(1, 4).toString(), 'PNG');
  await page.locator('#viewer-body button').first().click();
  await page.waitForFunction(() => document.querySelector('#prompt').value === 'red circle, blue background');
  assert.equal(await text(), 'red circle, blue background');
  await settle();
});

test('a prompt file is checked line by line, drawn, and gone on with', async () => {
  const { page, shot, settle } = await bench('');
  const file = '--prompt "red circle" --steps 4 --seed 1\n--prompt "blue star <lora:overcooked:1:lbw=XLUOT>" --steps 4\n--prompt "green heart" --steps 4 --seed 2\n';
  await page.setInputFiles('#batch-file', { name: 'night.txt', mimeType: 'text/plain', buffer: Buffer.from(file) });
  await page.waitForSelector('#batch-findings .error');
  assert.match(await page.locator('#batch-findings .error').first().textContent(), /line 2.*XLUOT/s);
  assert.ok(await page.locator('#batch-start').isDisabled());
  await page.check('#batch-keep-going');
  await page.click('#batch-start');
  await page.waitForFunction(() => /2 of 2/.test(document.querySelector('#batch-count').textContent));
  await page.waitForFunction(() => document.querySelector('#batch-stop').hidden);
  await page.locator('#batch').scrollIntoViewIfNeeded();
  await shot('batch');
  // The same again finds its pictures.
  await page.reload();
  await idle(page);
  await page.waitForSelector('#batch-findings .error');
  await page.check('#batch-keep-going');
  await page.click('#batch-start');
  await page.waitForFunction(() => document.querySelector('#batch-stop').hidden && /2 of 2/.test(document.querySelector('#batch-count').textContent));
  await settle();
});

test('hostile prompts, names and infotexts are text', async () => {
  const evil = '<img src=x onerror=complain(1)>';
  const folder = mkdtempSync(join(tmpdir(), 'lbw-evil-'));
  mkdirSync(join(folder, 'loras'));
  const name = 'x"onmouseover=complain(2) <svg onload=complain(3)>';
  copyFileSync(LORA, join(folder, 'loras', `${name}.safetensors`));
  writeFileSync(join(folder, 'evil.txt'), `${'"><script>complain(4)</script>'}:1,1,1,1,1,1,1,1,1,1,1,1\n`);
  const other = await serve('--lora-dir', join(folder, 'loras'), '--presets', join(folder, 'evil.txt'));
  const { page, settle } = await open(browser, other.url);
  const markup = () => page.evaluate(() => document.querySelectorAll('script:not([src^="assets/"]), svg [onload], [onmouseover], [onerror], iframe, object, embed').length);
  assert.ok((await page.locator('#insert-lora option').allTextContents()).some((text) => text.includes('<svg')));
  await page.fill('#prompt', `${evil} <script>complain(5)</script> <lora:x"onmouseover=complain(6):1:lbw=<b>> ((`);
  await page.waitForSelector('#findings li');
  await pasteText(page, `${evil}\nNegative prompt: "><script>complain(7)</script>\nSteps: 4, Sampler: Euler a, Seed: 1, Size: 128x128, Evil: "<img src=x onerror=complain(8)>"`);
  await page.waitForFunction(() => document.querySelector('#field-steps').value === '4');
  await page.click('#draw');
  await drawn(page);
  await page.waitForSelector('#pictures .thumb');
  await page.locator('#pictures .thumb').first().click();
  assert.match(await page.locator('#viewer .infotext').textContent(), /^<img src=x onerror=complain\(1\)>/);
  await page.keyboard.press('Escape');
  await page.setInputFiles('#batch-file', { name: `${evil}.txt`, mimeType: 'text/plain', buffer: Buffer.from(`${evil} <lora:${evil}:1>\n`) });
  await page.waitForSelector('#batch-findings li');
  await page.locator('#no-tags, .tag-card').first().hover();
  assert.equal(await markup(), 0);
  await settle();
  await other.stop();
});

test('keys alone reach everything, and axe finds no serious fault in any state', async () => {
  const { page, settle } = await bench('((a <lora:overcooked:1:lbw=XLUOT>, <lora:house:1>');
  await page.waitForSelector('#findings .error');
  assert.deepEqual(await faults(page), []);
  await page.locator('.skip').focus();
  const seen = new Set();
  for (let press = 0; press < 180; press += 1) {
    await page.keyboard.press('Tab');
    seen.add(await page.evaluate(() => {
      const at = document.activeElement;
      return at.id || at.closest('[data-block]')?.dataset.block || at.closest('.chip') ? at.id || at.className.split(' ')[0] + (at.closest('[data-block]')?.dataset.block ?? '') : at.className;
    }));
  }
  for (const wanted of ['prompt', 'negative', 'language', 'theme', 'draw', 'slotOUT04', 'slotBASE', 'muteOUT04', 'grip', 'chip', 'analyze', 'batch-open']) assert.ok(seen.has(wanted), `${wanted} of ${[...seen]}`);
  await settle();
});

test('a server that goes away is said, and the page goes on when it is back', async () => {
  const own = await serve();
  const { page, settle, expect } = await open(browser, own.url);
  expect(/console: .*(ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|Failed to load|ERR_EMPTY)/);
  await own.end();
  await page.waitForSelector('#offline:not([hidden])');
  const back = await own.again();
  await page.waitForSelector('#offline', { state: 'hidden' });
  await page.fill('#prompt', 'red circle');
  await page.click('#draw');
  await drawn(page);
  await settle();
  await back.end();
});
