// How long one waits: medians, printed. node tests/browser/bench.mjs
import { launchBrowser, open, serve, slider } from './harness.mjs';

const ROUNDS = 15;
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
const timed = async (work) => {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
};
const rounds = async (work) => {
  await work();
  const all = [];
  for (let round = 0; round < ROUNDS; round += 1) all.push(await timed(work));
  return `${median(all).toFixed(1)} ms`;
};

const server = await serve();
const text = 'masterpiece, (best quality:1.2), yellow star, blue background, [thick outline|striped], <lora:overcooked:1:1:lbw=1,0.6,1,1,1,1,1,1,1,1,0.6,1> <lora:house:0.5:lbw=XLOUT>';
console.log(`first byte of /: ${await rounds(async () => (await fetch(server.url)).body.cancel())}`);
const body = JSON.stringify({ prompt: text, steps: 20 });
console.log(`/lbw/v1/check: ${await rounds(async () => (await fetch(`${server.url}lbw/v1/check`, { method: 'POST', body })).text())}`);

const browser = await launchBrowser();
const { page } = await open(browser, server.url);
await page.fill('#prompt', 'yellow star, blue background <lora:overcooked:1>');
await page.click('#draw');
await page.waitForFunction(() => document.querySelector('.side[data-side="now"] .thumb:not([hidden])') && !document.querySelector('.side.working'));
const waits = [];
for (let round = 0; round < ROUNDS; round += 1) {
  await slider(page, 'OUT04').focus();
  // The page waits a moment after the last key before it takes a slider for let go; a pointer lets go at once.
  const box = await slider(page, 'OUT04').boundingBox();
  // Far from the cap, which is taken where it is, and at weights that are new.
  await page.mouse.move(box.x + box.width / 2, box.y + box.height * ((round % 2 ? 0.4 : 0.7) + 0.03 * Math.floor(round / 2)));
  await page.mouse.down();
  await page.evaluate(() => {
    const picture = document.querySelector('.side[data-side="now"] img');
    const old = picture.src;
    globalThis.shown = new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error('the picture did not change')), 30_000);
      addEventListener('pointerup', () => {
        const begin = performance.now();
        const look = () => (picture.src !== old && picture.complete ? resolve(performance.now() - begin) : requestAnimationFrame(look));
        look();
      }, { once: true, capture: true });
    });
  });
  await page.mouse.up();
  waits.push(await page.evaluate(() => globalThis.shown));
  await page.waitForFunction(() => !document.querySelector('.side.working'), null, { timeout: 60_000 });
}
console.log(`slider released to preview visible: ${median(waits).toFixed(0)} ms (of ${waits.map((w) => w.toFixed(0)).join(', ')})`);
await browser.close();
await server.stop();
