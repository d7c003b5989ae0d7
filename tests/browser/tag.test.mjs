// The tag editor, without a browser: node --test tests/browser/
import test from 'node:test';
import assert from 'node:assert/strict';
import { applied, changed, entries, isVector, number, reading, tags, wholeTag, withWeights, withoutTag, written } from '../../web/tag.js';
import { LAYOUTS, groups, lengthOf, parts } from '../../web/blocks.js';

const ONES = Array(12).fill('1').join(',');
const PRESETS = new Map([['XLOUT', { value: '1,0,0,0,0,0,1,1,1,1,1,1' }], ['MIDD', { value: '1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0' }]]);
const preset = (name) => PRESETS.get(name);
const only = (text) => tags(text)[0];

test('tags are found as webui finds them', () => {
  for (const text of ['<lora>', '<lora:>', '< lora:a>', '<lora:a', '<>', 'a > b', '<:a>', '# <lora:a:1>', '<hypernet:a:1>', '<LORA:a:1>']) {
    assert.deepEqual(tags(text), [], text);
  }
  const [first, second] = tags('日本 🏠 <lora:a b:0.8:lbw=XLOUT>, <lyco:ü:1>');
  assert.deepEqual([first.name, first.weights.text, second.kind, second.name], ['a b', 'XLOUT', 'lyco', 'ü']);
  assert.equal(tags('<lora:te=1:a:1>')[0].name, 'a');
  assert.equal(tags('a # <lora:x:1>\n<lora:y:1>')[0].name, 'y');
  assert.equal(tags('<lora:'.repeat(1 << 15)).length, 0);
});

test('weights stand where the extension looks for them', () => {
  const weights = (text) => only(text).weights?.text ?? null;
  assert.equal(weights('<lora:a:1:1:lbw=A:start=3>'), 'A');
  assert.equal(weights('<lora:a:lbw=A:1>'), 'A');
  assert.equal(weights(`<lora:a:1:${ONES}>`), ONES);
  assert.equal(weights('<lora:a:1:1>'), null);
  assert.equal(weights('<lora:a:1:w=A>'), 'A');
  assert.equal(weights('<lora:a:1>'), null);
  assert.equal(weights('<lora:a:1:lbwe=ATTNDEEPON>'), null);
});

test('a change leaves every other byte alone', () => {
  const text = 'a (b:1.2), <lora:x:0.8:1:lbw= 1, 0.50 ,R,X-0.2,1,1,1,1,1,1,1,1 :step=2-9> # <lora:y:1>\nc';
  const tag = only(text);
  const vector = changed(tag.weights.text, new Map([[3, 0.25], [0, 1]]));
  assert.equal(applied(text, withWeights(tag, vector)), text.replace('X-0.2', '0.25'));
  assert.equal(changed('1,1', new Map([[1, -0.0001]])), '1,0');
  assert.equal(changed(' 1 ,1.0,1', new Map([[1, 1], [2, 0.3]])), ' 1 ,1.0,0.3');
});

test('a tag without weights gets them before its end', () => {
  assert.equal(applied('<lora:x>', withWeights(only('<lora:x>'), ONES)), `<lora:x:lbw=${ONES}>`);
  const text = 'a <lora:x:1:0.5:start=3> b';
  assert.equal(applied(text, withWeights(only(text), 'XLOUT')), 'a <lora:x:1:0.5:start=3:lbw=XLOUT> b');
  const positional = `<lora:x:1:${ONES}>`;
  assert.equal(applied(positional, withWeights(only(positional), 'XLOUT')), '<lora:x:1:XLOUT>');
});

test('base and full are the text without the tag, and without its weights', () => {
  const text = 'a, <lora:x:0.8:1:lbw=XLOUT:stop=4>, b';
  assert.equal(withoutTag(text, only(text)), 'a, , b');
  assert.equal(wholeTag(text, only(text)), '<lora:x:0.8:1:stop=4>');
  assert.equal(wholeTag('<lora:x>', only('<lora:x>')), '<lora:x>');
});

test('what a tag means', () => {
  const of = (text, length = 12) => reading(only(text), preset, length);
  assert.deepEqual(of('<lora:x:1>', 17), { preset: null, vector: Array(17).fill('1').join(','), unknown: false });
  assert.equal(of('<lora:x:1:lbw=MIDD>').vector.split(',').length, 17);
  assert.equal(of('<lora:x:1:lbw=XLOUT>').preset, 'XLOUT');
  assert.equal(of('<lora:x:1:lbw=XLUOT>').unknown, true);
  assert.equal(of('<lora:x:1:lbw= XLOUT>').unknown, true);
  assert.equal(of('<lora:x:1:lbw=1,2,3>').unknown, true);
});

test('entries and numbers', () => {
  assert.deepEqual(entries(' 1 ,, x').map((e) => [e.start, e.end, e.text]), [[1, 2, '1'], [4, 4, ''], [6, 7, 'x']]);
  assert.deepEqual(['1', '-.5', '+1.', '1e-1', 'R', 'X+1', '', '1,', '0x1', 'Infinity'].map(number),
    [1, -0.5, 1, 0.1, null, null, null, null, null, null]);
  assert.deepEqual([1, 0.3000000000000004, -0, 0.12345, -1.5].map(written), ['1', '0.3', '0', '0.123', '-1.5']);
  assert.deepEqual([12, 17, 20, 26].map((n) => isVector(Array(n).fill('1').join(','))), [true, true, true, true]);
  assert.equal(isVector('1,1'), false);
});

test('layouts have a name and one group for every entry', () => {
  for (const [length, names] of Object.entries(LAYOUTS)) {
    assert.equal(names.length, Number(length));
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(groups(Number(length)).flatMap((g) => g.entries), names.map((_, at) => at));
  }
  const named = groups(12).map((g) => g.entries.map((at) => LAYOUTS[12][at]).join(' '));
  assert.deepEqual(named, ['BASE', 'IN04 IN05', 'IN07 IN08', 'M00', 'OUT00 OUT01 OUT02', 'OUT03 OUT04 OUT05']);
  assert.deepEqual([lengthOf('sdxl'), lengthOf('sd1')], [12, 17]);
  assert.deepEqual([parts('OUT04'), parts('BASE')], [{ half: 'OUT', number: '04' }, { half: 'BASE', number: '' }]);
});

test('any text survives an edit of every tag', () => {
  // Random texts from the characters that matter: an edit may change nothing but the weights it was asked to.
  let state = 7;
  const random = (below) => (state = (state * 1103515245 + 12345) % 2147483648) % below;
  const words = ['<lora:', '<lyco:', 'x', ':', '>', 'lbw=', ONES, 'XLOUT', ',', '=', '#', '\n', ' ', '1', '日', '🏠', 'w=', 'R'];
  let edited = 0;
  for (let round = 0; round < 4000; round += 1) {
    const text = Array.from({ length: 3 + random(12) }, () => words[random(words.length)]).join('');
    for (const [at, tag] of tags(text).entries()) {
      assert.equal(text.slice(tag.start, tag.end), tag.text);
      const edit = withWeights(tag, 'XLOUT');
      const after = applied(text, edit);
      assert.equal(after.slice(0, edit.start), text.slice(0, edit.start));
      assert.equal(after.slice(edit.start + 'XLOUT'.length + (edit.text.length - 5)), text.slice(edit.end));
      if (tags(after)[at]?.weights?.text === 'XLOUT') edited += 1;
    }
  }
  assert.ok(edited > 100, `only ${edited}`);
});
