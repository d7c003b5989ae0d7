//! Every code lbw can report, declared once.

use super::Severity;

/// A kind of finding. `E…` is an error, `W…` a warning, `N…` a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `W0203`: stable across versions.
    pub id: &'static str,
    /// One line without a final stop.
    pub title: &'static str,
    /// What happens, why, and what to do, with an example.
    pub explanation: &'static str,
}

impl Code {
    pub fn severity(self) -> Severity {
        match self.id.as_bytes().first() {
            Some(b'E') => Severity::Error,
            Some(b'W') => Severity::Warning,
            _ => Severity::Note,
        }
    }

    /// The code called `id`, whatever the case.
    pub fn find(id: &str) -> Option<Code> {
        ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
    }
}

macro_rules! codes {
    ($($id:ident $name:ident $title:literal $explanation:literal)*) => {
        $(#[doc = $title] pub const $name: Code = Code { id: stringify!($id), title: $title, explanation: $explanation };)*
        /// All codes, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    E0101 BAD_EMPHASIS_NUMBER "an emphasis weight is not a number"
    "`(text:1.2)` multiplies the emphasis of the text by the number. Digits and dots that are no number, as in `(a:1.2.3)`, \
     stop webui with an exception, so lbw draws nothing.\n\nWrite `(a:1.2)`, or `(a:1.2.3\\)` if the text is meant."
    W0102 WEIGHTED_BREAK "BREAK inside a weighted group is read as a word"
    "`BREAK` starts a new chunk of 75 tokens only with the weight -1. Inside a group the weight of the group multiplies it, \
     as in `(a BREAK b:1.2)`, and the word \"break\" is drawn instead, with a negative weight.\n\nWrite `(a:1.2) BREAK (b:1.2)`."
    W0103 STRAY_PIPE "a `|` outside `[…|…]` switches off all prompt editing"
    "A `|` that is not inside `[a|b]` cannot be read, and webui then uses the whole text literally: every `[from:to:N]` in it is \
     drawn as brackets and colons. It often comes from wildcard syntax such as `{a|b}`.\n\nRemove it, or write `\\|`."
    W0104 STRAY_BACKSLASH "a backslash at the end of a line switches off all prompt editing"
    "A backslash escapes the character behind it. At the end of the text or of a line there is none, and webui then uses the \
     whole text literally, without prompt editing.\n\nRemove it."
    W0105 AMBIGUOUS_EDIT "a bracket or colon touches an edit"
    "With a stray bracket or colon directly behind `[from:to:N]`, as in `[a:b:5]]`, webui sometimes edits and sometimes does \
     not: the answer changes from process to process. lbw always edits.\n\nPut a space between them, or write `\\]`."
    W0106 LARGE_PART_WEIGHT "a number at the end of the prompt is its weight"
    "A text that ends with a colon and a number, such as `ratio 16:9`, loses this suffix: it is the weight of the part, meant \
     for `a AND b :0.5`. The weight multiplies the CFG scale.\n\nWrite `16\\:9`, or put text behind the number."
    N0107 COMPOSITION "AND splits the prompt into parts that are drawn together"
    "The word `AND` in capitals composes: each part is a prompt of its own and their effects are added.\n\nWrite `and` if the \
     word is meant."
    W0108 TAG_IN_EDIT "a tag inside an edit is always loaded"
    "Tags are cut out before prompt editing is read, so `[<lora:a:1>:<lora:b:1>:0.5]` loads both LoRAs for all steps.\n\nUse \
     `step=` inside the tag: `<lora:a:1:step=0-10>`."
    N0109 HALF_STEPS "this sampler counts whole-number steps twice"
    "Heun, DPM2, DPM++ SDE, DPM++ 2S a and Restart call the model twice per step, and webui counts calls: `[a:b:10]` switches \
     after step 5. Fractions keep their meaning.\n\nWrite a fraction: `[a:b:0.5]`."
    E0110 STEP_OVERFLOW "a step number is too large"
    "The N of `[from:to:N]` is a step, or with a dot a fraction of all steps. A number as large as in `[a:b:1e400]` stops \
     webui with an exception.\n\nWrite `[a:b:10]` or `[a:b:0.5]`."
    E0111 TOO_LARGE "a text is larger than lbw accepts"
    "Prompts may have up to 4 MiB, preset files up to 4 MiB, and the texts of all steps together up to 64 MiB."
    E0112 TOO_DEEP "brackets are nested too deep"
    "So many brackets lie around so many pieces of text that their weights cannot be computed in reasonable time."
    W0113 EDIT_NEVER_SWITCHES "an edit shows only one of its texts"
    "`[from:to:N]` switches after step N; a number without a dot counts steps, one with a dot is a fraction of all steps, so \
     `[a:b:30]` of 20 steps never leaves `a`, and `[a:b:1.0]` neither."

    E0201 UNKNOWN_PRESET "there is no such preset"
    "The text behind `lbw=` is neither the name of a preset nor a vector. The extension silently uses 1 everywhere; lbw draws \
     nothing. Names are case sensitive and spaces count.\n\n`lbw preset list` shows all names."
    E0202 BAD_VECTOR_LENGTH "a weight vector has the wrong number of entries"
    "A vector has 12 (SDXL), 17 (SD1), 20 (SDXL, all blocks), 26 (SD1, all blocks) or 61 (Flux) numbers. With any other count \
     the extension silently uses 1 everywhere; lbw draws nothing."
    W0203 FOREIGN_VECTOR "a weight vector is made for another model family"
    "Vectors of 12 and 20 numbers name SDXL's blocks, 17 and 26 those of SD1 and SD2, 61 those of Flux. Another vector is \
     accepted, but blocks it does not name get 0 and its other numbers have no block.\n\nFor SDXL use 12 numbers: \
     BASE,IN04,IN05,IN07,IN08,M00,OUT00,OUT01,OUT02,OUT03,OUT04,OUT05."
    E0204 BAD_VECTOR_ENTRY "an entry of a weight vector cannot be read"
    "An entry is a number, `R` (random from 0 to 1), `U` (random from -0.5 to 1.5), `X` (the base given with `x=`), `X+d` or \
     `X-d`, in capitals. Anything else stops the extension for the whole prompt."
    E0205 POSITIONAL_VECTOR "block weights must be written `lbw=`"
    "`<lora:name:1:OUTD>` was understood by old versions of the extension. Today the third item is the UNet strength, a number; \
     text there makes webui drop every LoRA of the prompt.\n\nWrite `<lora:name:1:lbw=OUTD>`."
    W0206 X_BASE "webui reads the base of `X` differently here"
    "The extension honours `x=` only in tags of four items or more, and fails if the fourth item is another named one. lbw \
     honours `x=` wherever it stands, and uses 1 without it."
    E0207 BAD_NUMBER "a strength is not a number"
    "One bad number in a LoRA tag makes webui drop every LoRA of the prompt; lbw draws nothing.\n\nA tag is \
     `<lora:name:TE:UNET:DYN:lbw=…>`; `te=`, `unet=` and `dyn=` may be used by name. Decimals are written with a point."
    W0208 UNET_ALONE "`unet=` alone sets the text encoder too"
    "Without block weights `<lora:a:unet=0.5>` leaves the text encoder at 1. As soon as any tag of the prompt uses `lbw=`, \
     `lbwe=`, `start=`, `stop=` or `step=`, a strength given alone is used for both.\n\nGive both: `te=1:unet=0.5`."
    W0209 LORA_TWICE "a LoRA is named more than once"
    "The same file is loaded once and applied as often as it is named. Without block weights every time with the strengths of \
     the last tag; with block weights every time with the strengths and weights of the first."
    W0210 WINDOW "a step window does not do what it says"
    "`start=` and `stop=` count steps of the pass. A start beyond the last step never comes; a stop before its start is \
     forgotten, so the LoRA stays on to the end; 0 and 1 are the first step."
    E0211 BAD_WINDOW "a step window is not a whole number of steps"
    "`start=5`, `stop=10` and `step=5-10` take whole numbers. Fractions stop the extension for the whole prompt."
    N0212 WINDOW_AND_TEXT_ENCODER "a step window does not change the text encoder"
    "The prompt is encoded once before sampling, with the full text encoder strength, whatever `start=` and `stop=` say.\n\nUse \
     `te=0` if the LoRA should act on the UNet alone."
    N0213 START_ZERO "`start=0` means something else on Forge"
    "Here and in webui `start=0` is on from the first step. On Forge it counts as no start at all."
    N0214 ZERO_VECTOR "a vector of zeros is not the same as strength 0"
    "Modules outside the blocks (time embedding, output convolution, embeddings) keep ratio 1, and for DoRA ratio 0 still \
     rescales the weights.\n\nUse strength 0, or `te=0:unet=0`, to switch a LoRA off."
    W0215 NAME_WITH_EQUALS "a LoRA name with `=` is read as a named argument"
    "webui takes `a=b` as an argument called `a` and the next item as the name; block weights are then applied to nothing. If \
     the name contains `te=`, `x=` or the like, it even sets that value.\n\nRename the file."
    W0216 UNKNOWN_KIND "a tag of this kind is removed and has no effect"
    "`<lora:…>` and `<lyco:…>` load LoRAs; the kind is case sensitive. webui cuts every `<kind:…>` out of the prompt."
    E0217 UNKNOWN_ELEMENTS "there is no such element preset"
    "The name behind `lbwe=` is unknown. The extension ignores it silently; lbw draws nothing.\n\n`lbw preset list` shows all."
    E0218 UNKNOWN_LORA "there is no such LoRA"
    "webui goes on without a LoRA it does not find; lbw draws nothing. Names are file names without ending, or the name stored \
     in the file."
    W0219 UNMATCHED_KEYS "a LoRA has tensors that fit nothing in the model"
    "Tensors whose name or shape fits no module are left out. Many of them mean that the file is for another model family."
    W0220 NONLINEAR_KIND "block weights are not proportional for this LoRA"
    "LoKr files with factored w1 stop the extension; for GLoRA only one of two products is scaled; DoRA renormalises after the \
     block weight, so 0 is not off."
    W0221 HIJACKED_ARGUMENT "an argument is found inside another text"
    "The extension looks for the first item that contains `te=`, `x=`, `lbw=` and so on anywhere, so `note=5` is read as \
     `te=` with the value `no5`."
    W0222 IGNORED_STEP "`step=` without a range is ignored"
    "`step=5-10` is on from step 5 to 10. Without a `-` the extension ignores it.\n\nWrite `start=5` or `stop=5`."
    E0223 UNET_VECTOR_ON_FLUX "a UNet weight vector is used with a Flux model"
    "A vector of 12, 17, 20 or 26 numbers has no entry for most Flux blocks, and the extension stops with an exception.\n\nUse a \
     vector of 61 numbers."
    E0224 NAMELESS_TAG "a LoRA tag has no name"
    "Every item of the tag is a named argument, so webui finds no name and drops every LoRA of the prompt.\n\nWrite \
     `<lora:name:0.8>`."
    E0225 NOT_FINITE "a strength or weight is infinite or not a number"
    "Python, and so webui, reads `inf` and `nan` as numbers. An image cannot be drawn with them."
    W0226 FOREIGN_NOTATION "an item of the tag belongs to another tool"
    "SD.Next has `in=`, `mid=` and `out=`, the LoRA Block Weight extension `lbwe=`, `start=`, `stop=` and `step=`. Other tools do not \
     know them and say nothing.\n\nChoose whose tags these are with `--lbw-dialect webui`, `sdnext`, `inspire` or `kohya`; `lbw plan \
     --compare` shows what differs."
    E0227 DIALECT_VECTOR "block weights cannot be read in this dialect"
    "Tools write block weights differently: webui `1,0,R,X-0.2,…`, Inspire also `%in1-4=0.5,default=1`, kohya's script `[1,0,0.5]`, \
     SD.Next plain numbers. Lengths differ too.\n\nChoose the tool with `--lbw-dialect webui`, `sdnext`, `inspire` or `kohya`."
    W0228 DIALECT_IGNORES "the tool that is followed ignores a part of the tag"
    "SD.Next reads one number without a name, which is the strength of text encoder and UNet alike. kohya's script finds UNet blocks \
     only with a vector of the family's own length.\n\nIn SD.Next write `unet=0.5` or `dyn=8`; for kohya's script write 12 or 20 \
     numbers for SDXL, 17 or 26 for SD1."

    E0301 UNKNOWN_BLOCK "there is no such block"
    "UNet blocks are BASE, IN00-IN11, M00 and OUT00-OUT11; Flux has CLIP, T5, IN, D00-D18, S00-S37 and OUT. A range with an \
     unknown block stops the extension while it scales."
    W0302 STRAY_SPACE "a space in an element rule makes it match everything"
    "Words are separated by single spaces; a leading, trailing or double space is an empty word, which occurs everywhere. In \
     `IN04:attn:0.3, OUT03:attn:0.7` the second rule applies to every block.\n\nWrite no space around commas and colons."
    W0303 BAD_RULE "an element rule is ignored"
    "A rule has exactly three fields, `blocks:elements:ratio`; rules with more or fewer colons are skipped."
    E0304 BAD_RATIO "the ratio of an element rule is not a number"
    "A rule that matches a module with such a ratio stops the extension while it scales."

    E0401 BAD_YAML "a preset file is not valid YAML"
    "A preset file is a map with `layout:`, `presets:` and `elements:`.\n\n    layout: sdxl-12\n    presets:\n      MINE: \
     {BASE: 1, OUT00-OUT02: 0.5}"
    E0402 BAD_PRESET "a preset cannot be read"
    "A preset is a vector text (`1,0,0.5,…`), a map of blocks (`{BASE: 1, OUT00-OUT02: 1}`), or a change of another preset \
     (`{of: XLALL, OUT01: 0.8}`)."
    W0403 IGNORED_LINE "a preset line is ignored"
    "In lbwpresets.txt a line counts if it has a colon, no `#` anywhere, and 11, 16, 19, 25 or 60 commas in all, name included. \
     Everything else is silently a comment."
    W0404 COMMA_IN_NAME "a comma in a preset's name counts as one of its commas"
    "The extension counts the commas of the whole line, so a name with a comma passes with a vector that is too short and fails \
     when it is used."
    W0405 PRESET_REDEFINED "a preset is defined twice in one file"
    "The later definition counts, at the place of the first. This is so in webui too, where nothing is said about it."

    W0501 TAG_IN_NEGATIVE "a tag in the negative prompt is text"
    "Only the prompt is searched for tags. In the negative prompt a tag loads nothing and its letters are encoded as words."

    W0503 UNUSABLE_EMBEDDING "an embedding named in the prompt cannot be used"
    "The name of a textual-inversion embedding stands for its vectors. lbw reads .safetensors files with the tensors `clip_l` and \
     `clip_g`, which is what SDXL embeddings are. Embeddings of other families are passed over, as in webui, and pickle files \
     (.pt, .bin) are never opened, because opening one can run any program. The name is then read as words.\n\nConvert a pickle \
     file of a source that you trust to .safetensors, or remove the name."

    N0502 MORE_FINDINGS "there is more to say than is shown"
    "Of one text 200 findings are shown, errors first. The others are counted, so that a broken paste does not fill the \
     screen."

    N0601 EATEN_AS_INFOTEXT "a line was read as generation parameters"
    "The last line of a text counts as parameters when it holds three or more `key: value` pairs, as in `time: 12:30, where: \
     here, who: me`.\n\nPut another line behind it, or use fewer colons."
    N0602 TORN_JSON "an unquoted value was torn apart at its commas"
    "Values with commas must be quoted. Lists such as `Civitai resources: [{…}]` and `Hashes: {…}` without quotes keep only \
     their first fragment."
    W0603 RAW_PROMPT_LINE "a line with `--` could not be read as options"
    "A line of a prompt file that contains `--` is read like a command line; on any error the whole line becomes the prompt."
    W0604 UNKNOWN_SAMPLER "there is no such sampler"
    "webui silently falls back to its default when the name is unknown. The schedule is no longer part of the name: `DPM++ 2M \
     Karras` is sampler `DPM++ 2M` with schedule type `Karras`."
}
