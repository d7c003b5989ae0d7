// What there is by name: models, LoRAs, presets, samplers, … as the server has them.

import { get } from './api.js';
import { on, set, state } from './state.js';

const EMPTY = { loras: [], presets: [], elements: [], embeddings: [], samplers: [], schedulers: [], upscalers: [], models: [], vaes: [] };
let known = EMPTY;
let plan = null;
let modules = null;

/** Everything that completes, and everything that is chosen from. */
export const names = () => ({ ...known, presets: presets() });

/** The server's presets, and over them those that were kept in this browser. */
export function presets() {
  const own = new Set(state.presets.map((preset) => preset.name));
  return [...state.presets.map((preset) => ({ ...preset, own: true })), ...known.presets.filter((preset) => !own.has(preset.name))];
}

/** The family of the model that the last plan was made for. */
export const family = () => plan?.family ?? 'sdxl';

/** How many modules a LoRA has in a block; null where that is not known. */
export function modulesOf(lora, block) {
  const counts = modules?.[lora];
  return counts ? (counts[block] ?? 0) : null;
}

/** Remembers what the last check said of the plan. */
export function planned(answer) {
  const known = () => JSON.stringify([family(), modules]);
  const before = known();
  plan = answer.plan ?? plan;
  modules = answer.modules ?? modules;
  if (known() !== before) set({ modules: {} });
}

/** Asks the server for all lists. One that cannot be had stays empty. */
export async function refresh() {
  const list = (path, of) => get(path).then(of).catch(() => []);
  const [loras, told, embeddings, samplers, schedulers, latent, upscalers, models, vaes] = await Promise.all([
    list('sdapi/v1/loras', (all) => all.map((lora) => ({ name: lora.name, note: lora.alias === lora.name ? '' : lora.alias }))),
    get('lbw/v1/presets').catch(() => ({ weights: [], elements: [] })),
    list('sdapi/v1/embeddings', (all) => Object.keys(all.loaded).map((name) => ({ name }))),
    list('sdapi/v1/samplers', (all) => all.map((sampler) => sampler.name)),
    list('sdapi/v1/schedulers', (all) => all.map((scheduler) => scheduler.label)),
    list('sdapi/v1/latent-upscale-modes', (all) => all.map((mode) => mode.name)),
    list('sdapi/v1/upscalers', (all) => all.map((upscaler) => upscaler.name).filter((name) => name !== 'None')),
    list('sdapi/v1/sd-models', (all) => all.map((model) => model.title)),
    list('sdapi/v1/sd-vae', (all) => all.map((vae) => vae.model_name)),
  ]);
  known = { loras, presets: told.weights, elements: told.elements, embeddings, samplers, schedulers,
    upscalers: [...new Set([...latent, ...upscalers])], models, vaes };
  set({ names: {} });
}

/** Hears whenever the lists have changed. */
export const onNames = (heard) => on('names', heard);
