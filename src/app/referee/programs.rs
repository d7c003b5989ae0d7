//! The programs whose rules are known, with the version that each rule was read from.

use super::{Program, forge, readers};

/// All of them; the first one is the one the others are held against.
pub const PROGRAMS: [Program; 9] = [
    Program {
        id: "webui",
        name: "webui",
        version: "1.10 with LoRA Block Weight b403cb7 (2025-06-19)",
        source: "hako-mikan/sd-webui-lora-block-weight, scripts/lora_block_weight.py: loradealer, lbw, ratiodealer",
        rule: readers::webui,
    },
    Program {
        id: "forge",
        name: "Forge",
        version: "dfdcbab (2025-06-26) with LoRA Block Weight b403cb7 (2025-06-19), unchanged in 04b986c (2026-09)",
        source: "the same file: lbwf; lllyasviel/stable-diffusion-webui-forge, backend/patcher/base.py: add_patches, \
                 extensions-builtin/sd_forge_lora/networks.py",
        rule: forge::forge,
    },
    Program {
        id: "reforge",
        name: "reForge",
        version: "up to 2025-07, and Forge Classic, with LoRA Block Weight b403cb7 (2025-06-19)",
        source: "the same file: lbwrf; later reForge stops it with an error (Panchovix/stable-diffusion-webui-reForge, issue 379)",
        rule: forge::reforge,
    },
    Program {
        id: "neo",
        name: "Forge Neo",
        version: "19cc879 with LoRA Block Weight 04b986c (2026-09)",
        source: "the same file: lbwn, hook_add_patches; Haoming02/sd-webui-forge-classic, \
                 extensions-builtin/sd_forge_lora/networks.py",
        rule: forge::neo,
    },
    Program {
        id: "sdnext",
        name: "SD.Next",
        version: "13ff396 (2026); releases up to 058a7f0 (2026-07-23) ignore `lbw=`",
        source: "vladmandic/sdnext, modules/lora: extra_networks_lora.py, network.py, lora_blocks.py",
        rule: readers::sdnext,
    },
    Program {
        id: "inspire",
        name: "Inspire",
        version: "1.21, 1aef2c5 (2025-09-08)",
        source: "ltdrdata/ComfyUI-Inspire-Pack, inspire/lora_block_weight.py: LoraLoaderBlockWeight.load_lbw",
        rule: readers::inspire,
    },
    Program {
        id: "kohya",
        name: "kohya's script",
        version: "48d368f (2026-02-16)",
        source: "kohya-ss/sd-scripts, networks/svd_merge_lora.py: format_lbws, get_lbw_block_index, merge_lora_models",
        rule: readers::kohya,
    },
    Program {
        id: "sdcpp",
        name: "stable-diffusion.cpp",
        version: "97d2990 (2026-08-19)",
        source: "leejet/stable-diffusion.cpp, examples/common/common.cpp: extract_and_remove_lora; src/model/adapter/lora.hpp",
        rule: readers::sdcpp,
    },
    Program {
        id: "supermerger",
        name: "SuperMerger",
        version: "0b1c491 (2025-11-28), merging LoRAs without a new dimension",
        source: "hako-mikan/sd-webui-supermerger, scripts/mergers/pluslora.py: lmerge, merge_lora_models, blockfromkey",
        rule: readers::supermerger,
    },
];
