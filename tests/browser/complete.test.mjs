// Completion, without a browser.
import test from 'node:test';
import assert from 'node:assert/strict';
import { suggestions } from '../../web/complete.js';

const NAMES = {
  loras: [{ name: 'night' }, { name: 'overcooked' }, { name: 'cook' }],
  presets: [{ name: 'ALL', value: '1' }, { name: 'XLALL', value: '1' }, { name: 'XLOUT', value: '0' }],
  elements: [{ name: 'ATTNDEEPON' }],
  embeddings: [{ name: 'easynegative' }],
};
/** `|` stands for the caret. */
const at = (text) => suggestions(text.replace('|', ''), text.indexOf('|'), NAMES);
const texts = (text) => at(text).map((option) => option.text);
const taken = (text) => {
  const [{ start, end, insert }] = at(text);
  const plain = text.replace('|', '');
  return plain.slice(0, start) + insert + plain.slice(end);
};

test('names come where they belong', () => {
  assert.deepEqual(texts('a <lora:cook|'), ['cook', 'overcooked']);
  assert.deepEqual(texts('a <lora:x:1:lbw=all|'), ['ALL', 'XLALL']);
  assert.deepEqual(texts('a <lora:x:1:lbwe=|>'), ['ATTNDEEPON']);
  assert.deepEqual(texts('a, easy|'), ['easynegative']);
  assert.deepEqual(texts('a <|'), ['night', 'overcooked', 'cook']);
  for (const text of ['a|', 'a <lora:x:1:lbw=1,0|', '<lora:x:easy|', 'a <lora:x:1> b|', 'easynegative|', '<hyper|']) {
    assert.deepEqual(texts(text), [], text);
  }
});

test('what is taken replaces what was typed', () => {
  assert.equal(taken('a <lora:co|, b'), 'a <lora:cook:1>, b');
  assert.equal(taken('a <lora:co|:0.5>, b'), 'a <lora:cook:0.5>, b');
  assert.equal(taken('a <lo|'), 'a <lora:night:1>');
  assert.equal(taken('<lora:x:1:lbw=XLO|:step=1-2>'), '<lora:x:1:lbw=XLOUT:step=1-2>');
});
