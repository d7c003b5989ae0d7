// Requests, without a browser.
import test from 'node:test';
import assert from 'node:assert/strict';

globalThis.addEventListener ??= () => {};
const { checking, drawing, spelledOut } = await import('../../web/request.js');
const { state } = await import('../../web/state.js');

test('presets of this browser are spelled out where pictures are drawn', () => {
  state.presets = [{ name: 'MILD', value: '1,0,1' }, { name: '私', value: '0,0,0' }];
  const prompt = '日本 <lora:a:1:lbw=MILD:step=1-2> MILD <lora:b:1:lbw=XLOUT>, <lyco:c:lbw=私>';
  const spelled = '日本 <lora:a:1:lbw=1,0,1:step=1-2> MILD <lora:b:1:lbw=XLOUT>, <lyco:c:lbw=0,0,0>';
  assert.equal(spelledOut(prompt), spelled);
  assert.equal(drawing(prompt, { steps: 4 }).prompt, spelled);
  assert.equal(drawing(prompt, { steps: 4 }).steps, 4);
  assert.equal(checking(prompt).prompt, prompt);
  assert.deepEqual(checking(prompt).alwayson_scripts['LoRA Block Weight'].args, ['MILD:1,0,1\n私:0,0,0']);
});

test('what only an infotext brought is asked for as well', () => {
  state.rest = { fields: { eta: 0.5, steps: 3 }, options: { randn_source: 'CPU' } };
  const sent = drawing('a');
  assert.deepEqual([sent.eta, sent.steps, sent.override_settings], [0.5, 20, { randn_source: 'CPU' }]);
  assert.ok(!('width' in sent), 'the model decides');
});
