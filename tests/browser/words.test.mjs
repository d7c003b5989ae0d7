// Every sentence that is asked for is there, in both languages, and nothing is there that nobody asks for.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { keys, speak, t } from '../../web/words.js';

const web = new URL('../../web/', import.meta.url);
const files = readdirSync(web);
const read = (name) => readFileSync(new URL(name, web), 'utf8');
const sources = files.filter((name) => /\.(js|html)$/.test(name) && name !== 'words.js').map(read).join('\n');

test('words', () => {
  const literal = [...sources.matchAll(/\bt\('([\w-]+)'/g), ...sources.matchAll(/data-t(?:-[\w-]+)?="([\w-]+)"/g)].map((m) => m[1]);
  const known = new Set(keys().map(([key]) => key));
  for (const key of literal) assert.ok(known.has(key), key);
  for (const [key, words] of keys()) {
    assert.equal(words.length, 2, key);
    const holes = words.map((text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort().join());
    assert.equal(holes[0], holes[1], `${key}: both languages fill the same holes`);
    // Keys that are made of a value stand in the source as parts; all others stand there whole.
    const isThere = sources.includes(`'${key}'`) || sources.includes(`"${key}"`) || /^(theme|level|strength)-|-alt$/.test(key);
    assert.ok(isThere, `${key} is not used`);
  }
});

test('holes are filled with text as it is', () => {
  speak('en');
  assert.equal(t('forget', { name: '<b>$&{name}</b>' }), 'Remove <b>$&{name}</b>');
  assert.throws(() => t('no such words'));
});

test('the page is small, and holds no code or style inside its HTML', () => {
  const size = files.reduce((sum, name) => sum + statSync(new URL(name, web)).size, 0);
  assert.ok(size < 150 * 1024, `${size} bytes`);
  const html = read('index.html');
  assert.doesNotMatch(html, /<style|style=|\son\w+=|<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(sources, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/);
  assert.doesNotMatch(files.filter((f) => f.endsWith('.css')).map(read).join(), /url\((?!["']?data:)|@import/);
  assert.doesNotMatch(sources, /https?:\/\/(?!www\.w3\.org\/)/);
});
