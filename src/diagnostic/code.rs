//! Every code lbw can report, declared once.

use super::{Language, Severity};

/// A kind of finding, known by its id and shown as it. `E…` is an error, `W…` a warning, `N…` a note.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// `W0203`: stable across versions.
    pub id: &'static str,
    title: Words,
    explanation: Words,
}

/// The same words in both languages.
#[derive(Debug, Clone, Copy)]
struct Words {
    en: &'static str,
    ja: &'static str,
}

impl Words {
    fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Ja => self.ja,
        }
    }
}

impl Code {
    /// One line without a final stop.
    pub fn title(self, language: Language) -> &'static str {
        self.title.in_language(language)
    }

    /// What happens, why, and what to do, with an example.
    pub fn explanation(self, language: Language) -> &'static str {
        self.explanation.in_language(language)
    }

    /// What the letter of the id says.
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

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.id)
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Code) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl std::hash::Hash for Code {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Code) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Code) -> std::cmp::Ordering {
        self.id.cmp(other.id)
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, id: &&str) -> bool {
        self.id == *id
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// Each code with title and explanation in English, then both in Japanese.
macro_rules! codes {
    ($($id:ident $name:ident $title:literal $explanation:literal $title_ja:literal $explanation_ja:literal)*) => {
        $(#[doc = concat!("`", stringify!($id), "`: ", $title, ".")] pub const $name: Code = Code {
            id: stringify!($id),
            title: Words { en: $title, ja: $title_ja },
            explanation: Words { en: $explanation, ja: $explanation_ja },
        };)*
        /// All codes, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    E0101 BAD_EMPHASIS_NUMBER "an emphasis weight is not a number"
    "`(text:1.2)` multiplies the emphasis of the text by the number. Digits and dots that are no number, as in `(a:1.2.3)`, \
     stop webui with an exception, so lbw draws nothing.\n\nWrite `(a:1.2)`, or `(a:1.2.3\\)` if the text is meant."
    "強調の重みが数値ではありません"
    "`(text:1.2)` は text の強調にこの数値を掛けます。`(a:1.2.3)` のように数字と点だけで数値にならないものがあると、\
     webui は例外で止まります。lbw も描画しません。\n\n`(a:1.2)` と書いてください。文字として書きたいときは `(a:1.2.3\
     \\)` とします。"
    W0102 WEIGHTED_BREAK "BREAK inside a weighted group is read as a word"
    "`BREAK` starts a new chunk of 75 tokens only with the weight -1. Inside a group the weight of the group multiplies it, \
     as in `(a BREAK b:1.2)`, and the word \"break\" is drawn instead, with a negative weight.\n\nWrite `(a:1.2) BREAK (b:1.2)`."
    "重み付きの括弧の中の BREAK は単語として読まれます"
    "`BREAK` が 75 トークンの新しいチャンクを始めるのは、重みが -1 のときだけです。`(a BREAK b:1.2)` のように括弧の\
     中にあると括弧の重みが掛かり、「break」という単語が負の重みで描かれます。\n\n`(a:1.2) BREAK (b:1.2)` と書いてく\
     ださい。"
    W0103 STRAY_PIPE "a `|` outside `[…|…]` switches off all prompt editing"
    "A `|` that is not inside `[a|b]` cannot be read, and webui then uses the whole text literally: every `[from:to:N]` in it is \
     drawn as brackets and colons. It often comes from wildcard syntax such as `{a|b}`.\n\nRemove it, or write `\\|`."
    "`[…|…]` の外にある `|` は、プロンプト編集をすべて無効にします"
    "`[a|b]` の中にない `|` は読めないため、webui は文全体を文字どおりに使います。`[from:to:N]` もすべて括弧とコロン\
     のまま描かれます。`{a|b}` のようなワイルドカードの書き方が残っていることが多いです。\n\n消すか、`\\|` と書いて\
     ください。"
    W0104 STRAY_BACKSLASH "a backslash at the end of a line switches off all prompt editing"
    "A backslash escapes the character behind it. At the end of the text or of a line there is none, and webui then uses the \
     whole text literally, without prompt editing.\n\nRemove it."
    "行末のバックスラッシュは、プロンプト編集をすべて無効にします"
    "バックスラッシュは次の文字をエスケープします。文末や行末では次の文字がないため、webui は文全体をプロンプト編集\
     なしで文字どおりに使います。\n\n消してください。"
    W0105 AMBIGUOUS_EDIT "a bracket or colon touches an edit"
    "With a stray bracket or colon directly behind `[from:to:N]`, as in `[a:b:5]]`, webui sometimes edits and sometimes does \
     not: the answer changes from process to process. lbw always edits.\n\nPut a space between them, or write `\\]`."
    "編集の直後に括弧かコロンがあります"
    "`[a:b:5]]` のように `[from:to:N]` のすぐ後に余分な括弧やコロンがあると、webui は編集することもしないこともあり、\
     起動するたびに結果が変わります。lbw は必ず編集します。\n\n間に空白を入れるか、`\\]` と書いてください。"
    W0106 LARGE_PART_WEIGHT "a number at the end of the prompt is its weight"
    "A text that ends with a colon and a number, such as `ratio 16:9`, loses this suffix: it is the weight of the part, meant \
     for `a AND b :0.5`. The weight multiplies the CFG scale.\n\nWrite `16\\:9`, or put text behind the number."
    "プロンプトの末尾の数値は、その重みになります"
    "`ratio 16:9` のようにコロンと数値で終わる文は、その部分が取り除かれます。`a AND b :0.5` のための、部分プロンプ\
     トの重みだからです。この重みは CFG スケールに掛かります。\n\n`16\\:9` と書くか、数値の後ろに文字を置いてくださ\
     い。"
    N0107 COMPOSITION "AND splits the prompt into parts that are drawn together"
    "The word `AND` in capitals composes: each part is a prompt of its own and their effects are added.\n\nWrite `and` if the \
     word is meant."
    "AND はプロンプトを分け、まとめて描きます"
    "大文字の `AND` は合成です。分けられたそれぞれが一つのプロンプトになり、その効果が足し合わされます。\n\n単語とし\
     て使うなら `and` と書いてください。"
    W0108 TAG_IN_EDIT "a tag inside an edit is always loaded"
    "Tags are cut out before prompt editing is read, so `[<lora:a:1>:<lora:b:1>:0.5]` loads both LoRAs for all steps.\n\nUse \
     `step=` inside the tag: `<lora:a:1:step=0-10>`."
    "編集の中のタグは常に読み込まれます"
    "タグはプロンプト編集より先に取り出されるので、`[<lora:a:1>:<lora:b:1>:0.5]` は全ステップで両方の LoRA を読み込\
     みます。\n\nタグの中で `step=` を使ってください: `<lora:a:1:step=0-10>`"
    N0109 HALF_STEPS "this sampler counts whole-number steps twice"
    "Heun, DPM2, DPM++ SDE, DPM++ 2S a and Restart call the model twice per step, and webui counts calls: `[a:b:10]` switches \
     after step 5. Fractions keep their meaning.\n\nWrite a fraction: `[a:b:0.5]`."
    "このサンプラーでは整数のステップが二重に数えられます"
    "Heun、DPM2、DPM++ SDE、DPM++ 2S a、Restart は 1 ステップにモデルを 2 回呼び、webui は呼び出しの回数を数えます。\
     `[a:b:10]` はステップ 5 の後で切り替わります。小数の意味は変わりません。\n\n小数で書いてください: `[a:b:0.5]`"
    E0110 STEP_OVERFLOW "a step number is too large"
    "The N of `[from:to:N]` is a step, or with a dot a fraction of all steps. A number as large as in `[a:b:1e400]` stops \
     webui with an exception.\n\nWrite `[a:b:10]` or `[a:b:0.5]`."
    "ステップ数が大きすぎます"
    "`[from:to:N]` の N はステップ、点があれば全ステップに対する割合です。`[a:b:1e400]` のような大きな数では webui が\
     例外で止まります。\n\n`[a:b:10]` か `[a:b:0.5]` と書いてください。"
    E0111 TOO_LARGE "a text is larger than lbw accepts"
    "Prompts may have up to 256 KiB, preset files up to 4 MiB, and the texts of all steps together up to 4 MiB."
    "文が大きすぎます"
    "プロンプトは 256 KiB まで、プリセットファイルは 4 MiB まで、全ステップの文は合わせて 4 MiB までです。"
    E0112 TOO_DEEP "brackets are nested too deep"
    "So many brackets lie around so many pieces of text that their weights cannot be computed in reasonable time."
    "括弧の入れ子が深すぎます"
    "括弧と文の断片が多すぎて、重みを現実的な時間で計算できません。"
    W0113 EDIT_NEVER_SWITCHES "an edit shows only one of its texts"
    "`[from:to:N]` switches after step N; a number without a dot counts steps, one with a dot is a fraction of all steps, so \
     `[a:b:30]` of 20 steps never leaves `a`, and `[a:b:1.0]` neither."
    "編集の片方しか描かれません"
    "`[from:to:N]` はステップ N の後で切り替わります。点のない数値はステップ、点のある数値は全ステップに対する割合で\
     す。20 ステップでは `[a:b:30]` は `a` のままで、`[a:b:1.0]` も同じです。"
    W0120 WILDCARD "wildcards are not expanded"
    "`__name__` and `{a|b}` belong to the extension Dynamic Prompts and its kin, which put one of several texts in their place. \
     webui alone, and lbw, draw them as they stand.\n\nWrite one of the texts, or `[a|b]` to take turns from step to step."
    "ワイルドカードは展開されません"
    "`__name__` や `{a|b}` は Dynamic Prompts などの拡張機能の書き方で、いくつかの文から一つを選んで置き換えます。webui だけで\
     は、そして lbw でも、書かれた文字のまま描かれます。\n\nどれか一つを書くか、ステップごとに切り替えるなら `[a|b]` と書いてくだ\
     さい。"
    N0121 CURLY_BRACES "curly braces have no meaning here"
    "In NovelAI `{text}` emphasizes; here the braces are drawn as signs.\n\nWrite `(text:1.05)`."
    "波括弧に意味はありません"
    "NovelAI では `{text}` が強調ですが、ここでは波括弧は文字として描かれます。\n\n`(text:1.05)` と書いてください。"
    W0122 EXTENSION_KEYWORD "a word belongs to an extension that lbw does not have"
    "`ADDCOMM`, `ADDBASE`, `ADDCOL`, `ADDROW` and `ADDP` divide the picture in Regional Prompter; `COUPLE(…)`, `MASK(…)` and \
     `AREA(…)` do so in ComfyUI's prompt nodes. Without them the words are drawn, and all texts act on the whole picture.\n\nRemove \
     them, or compose with `AND`."
    "lbw にない拡張機能の言葉です"
    "`ADDCOMM`、`ADDBASE`、`ADDCOL`、`ADDROW`、`ADDP` は Regional Prompter で、`COUPLE(…)`、`MASK(…)`、`AREA(…)` は \
     ComfyUI のプロンプト用ノードで、画像を分ける言葉です。それらがないと単語として描かれ、文はすべて画像全体に効きます。\n\n消す\
     か、`AND` で合成してください。"
    N0123 COMMENT "a `#` begins a comment"
    "Since 1.8 webui cuts `#` and everything up to the end of the line out of a prompt, also in the middle of a line: of `mutual#kiss, \
     twintails` only `mutual` is drawn.\n\nLeave out the `#` if the text is meant."
    "`#` からはコメントです"
    "webui は 1.8 から、`#` から行末までをプロンプトから取り除きます。行の途中でも同じで、`mutual#kiss, twintails` では `mutual` \
     だけが描かれます。\n\n文字のつもりなら `#` を消してください。"
    W0124 UNBALANCED_BRACKET "a bracket has no partner"
    "A `(` or `[` that is not closed acts to the end of the text: everything behind it is emphasized by 1.1, or weakened by it. A `)` \
     or `]` that nothing opened is drawn as a sign, and a weight before it as a number. webui's counter turns red.\n\nAdd the other \
     one, or write `\\(` or `\\)` if the sign is meant."
    "括弧の相手がありません"
    "閉じていない `(` や `[` は文の終わりまで効き、後ろがすべて 1.1 倍に強調されるか、弱められます。開いていない `)` や `]` は文字\
     として描かれ、その前の重みも数字として描かれます。webui ではカウンターが赤くなります。\n\nもう一方を書くか、文字のつもりなら \
     `\\(` や `\\)` と書いてください。"
    W0125 FULL_WIDTH "a full-width sign has no meaning"
    "Emphasis, edits and tags are written with the signs `(`, `)`, `[`, `]`, `:`, `,`, `<` and `>` of ASCII. The full-width \
     ones of Japanese and Chinese keyboards are drawn as text.\n\nWrite `(red hair:1.2)` with half-width signs."
    "全角の記号に意味はありません"
    "強調、プロンプト編集、タグは半角の `(`、`)`、`[`、`]`、`:`、`,`、`<`、`>` で書きます。全角の記号は文字として描かれます。\n\n\
     `(red hair:1.2)` のように半角で書いてください。"
    W0126 NO_WEIGHT "this is no weight"
    "`(text:1.2)` is a weight, with a point. In `(text:1,2)` the number is drawn as text, and the text is emphasized by 1.1."
    "重みになっていません"
    "重みは `(text:1.2)` のように点で書きます。`(text:1,2)` では数字が文字として描かれ、強調は 1.1 倍です。"
    W0127 OPTION_IN_PROMPT "an option stands inside a prompt"
    "`--steps 20` sets something on a command line or in a prompt file. Inside a prompt, and in quotes with it, it is drawn as \
     words.\n\nClose the quotes before it."
    "オプションがプロンプトの中にあります"
    "`--steps 20` が設定になるのは、コマンドラインやプロンプトファイルの行です。プロンプトの引用符の中では単語として描かれます。\n\n\
     その前で引用符を閉じてください。"
    W0128 EMPTY_PROMPT "the prompt is empty"
    "Nothing is said of what is to be seen, so the picture shows whatever the model likes. Perhaps a column or key has another name, \
     or all of the text was a comment."
    "プロンプトが空です"
    "描きたいものが何も書かれていないので、モデルまかせの絵になります。列やキーの名前が違うか、文全体がコメントだったのかもしれません。"

    E0201 UNKNOWN_PRESET "there is no such preset"
    "The text behind `lbw=` is neither the name of a preset nor a vector. The extension silently uses 1 everywhere; lbw draws \
     nothing. Names are case sensitive and spaces count.\n\n`lbw preset list` shows all names."
    "そのプリセットはありません"
    "`lbw=` の後の文字がプリセットの名前でもベクトルでもありません。拡張機能は何も言わずにすべて 1 にしますが、lbw は\
     描画しません。名前は大文字と小文字、空白まで区別されます。\n\n`lbw preset list` で名前の一覧が出ます。"
    E0202 BAD_VECTOR_LENGTH "a weight vector has the wrong number of entries"
    "A vector has 12 (SDXL), 17 (SD1), 20 (SDXL, all blocks), 26 (SD1, all blocks) or 61 (Flux) numbers. With any other count \
     the extension silently uses 1 everywhere; lbw draws nothing."
    "重みベクトルの個数が違います"
    "ベクトルの数値は 12 個 (SDXL)、17 個 (SD1)、20 個 (SDXL の全ブロック)、26 個 (SD1 の全ブロック)、61 個 (Flux) の\
     どれかです。ほかの個数では拡張機能は何も言わずにすべて 1 にしますが、lbw は描画しません。"
    W0203 FOREIGN_VECTOR "a weight vector is made for another model family"
    "Vectors of 12 and 20 numbers name SDXL's blocks, 17 and 26 those of SD1 and SD2, 61 those of Flux. Another vector is \
     accepted, but blocks it does not name get 0 and its other numbers have no block.\n\nFor SDXL use 12 numbers: \
     BASE,IN04,IN05,IN07,IN08,M00,OUT00,OUT01,OUT02,OUT03,OUT04,OUT05."
    "ほかのモデル系列のための重みベクトルです"
    "12 個と 20 個は SDXL、17 個と 26 個は SD1 と SD2、61 個は Flux のブロックを表します。ほかの系列のものも受け付け\
     られますが、名前のないブロックは 0 になり、残りの数値には対応するブロックがありません。\n\nSDXL では 12 個を書\
     いてください: BASE,IN04,IN05,IN07,IN08,M00,OUT00,OUT01,OUT02,OUT03,OUT04,OUT05"
    E0204 BAD_VECTOR_ENTRY "an entry of a weight vector cannot be read"
    "An entry is a number, `R` (random from 0 to 1), `U` (random from -0.5 to 1.5), `X` (the base given with `x=`), `X+d` or \
     `X-d`, in capitals. Anything else stops the extension for the whole prompt."
    "重みベクトルの項目が読めません"
    "項目は、数値、`R` (0 から 1 の乱数)、`U` (-0.5 から 1.5 の乱数)、`X` (`x=` で与える基準)、`X+d`、`X-d` のどれか\
     で、文字は大文字です。それ以外があると、拡張機能はプロンプト全体で止まります。"
    E0205 POSITIONAL_VECTOR "block weights must be written `lbw=`"
    "`<lora:name:1:OUTD>` was understood by old versions of the extension. Today the third item is the UNet strength, a number; \
     text there makes webui drop every LoRA of the prompt.\n\nWrite `<lora:name:1:lbw=OUTD>`."
    "階層別の重みは `lbw=` を付けて書きます"
    "`<lora:name:1:OUTD>` は拡張機能の古い版の書き方です。いまの 3 番目の項目は UNet の強さという数値で、文字がある\
     と webui はプロンプトの LoRA をすべて捨てます。\n\n`<lora:name:1:lbw=OUTD>` と書いてください。"
    W0206 X_BASE "webui reads the base of `X` differently here"
    "The extension honours `x=` only in tags of four items or more, and fails if the fourth item is another named one. lbw \
     honours `x=` wherever it stands, and uses 1 without it."
    "`X` の基準が webui とは違います"
    "拡張機能が `x=` を見るのは項目が 4 つ以上のタグだけで、4 番目が別の名前付き項目だと失敗します。lbw はどこにあっ\
     ても `x=` を使い、なければ 1 とします。"
    E0207 BAD_NUMBER "a strength is not a number"
    "One bad number in a LoRA tag makes webui drop every LoRA of the prompt; lbw draws nothing.\n\nA tag is \
     `<lora:name:TE:UNET:DYN:lbw=…>`; `te=`, `unet=` and `dyn=` may be used by name. Decimals are written with a point."
    "強さが数値ではありません"
    "LoRA タグに読めない数値が一つでもあると、webui はプロンプトの LoRA をすべて捨てます。lbw は描画しません。\n\nタ\
     グの形は `<lora:name:TE:UNET:DYN:lbw=…>` で、`te=`、`unet=`、`dyn=` と名前でも書けます。小数点は「.」です。"
    W0208 UNET_ALONE "`unet=` alone sets the text encoder too"
    "Without block weights `<lora:a:unet=0.5>` leaves the text encoder at 1. As soon as any tag of the prompt uses `lbw=`, \
     `lbwe=`, `start=`, `stop=` or `step=`, a strength given alone is used for both.\n\nGive both: `te=1:unet=0.5`."
    "`unet=` だけを書くとテキストエンコーダーにも掛かります"
    "階層別の重みがなければ、`<lora:a:unet=0.5>` のテキストエンコーダーは 1 のままです。プロンプトのどれかのタグが `lbw=`、\
     `lbwe=`、`start=`、`stop=`、`step=` を使うと、片方だけ書いた強さは両方に使われます。\n\n両方を書いてください: `te=1:unet=0.5`"
    W0209 LORA_TWICE "a LoRA is named more than once"
    "The same file is loaded once and applied as often as it is named. Without block weights every time with the strengths of \
     the last tag; with block weights every time with the strengths and weights of the first."
    "同じ LoRA が何度も書かれています"
    "ファイルは一度だけ読み込まれ、書かれた回数だけ掛かります。階層別の重みがなければ毎回最後のタグの強さ、あれば毎\
     回最初のタグの強さと重みになります。"
    W0210 WINDOW "a step window does not do what it says"
    "`start=` and `stop=` count steps of the pass. A start beyond the last step never comes; a stop before its start is \
     forgotten, so the LoRA stays on to the end; 0 and 1 are the first step."
    "ステップの範囲が書いたとおりに働きません"
    "`start=` と `stop=` はそのパスのステップを数えます。最後のステップより後の開始には達しません。開始より前の終了\
     は忘れられ、LoRA は最後まで効きます。0 と 1 はどちらも最初のステップです。"
    E0211 BAD_WINDOW "a step window is not a whole number of steps"
    "`start=5`, `stop=10` and `step=5-10` take whole numbers. Fractions stop the extension for the whole prompt."
    "ステップの範囲が整数ではありません"
    "`start=5`、`stop=10`、`step=5-10` は整数で書きます。小数があると、拡張機能はプロンプト全体で止まります。"
    N0212 WINDOW_AND_TEXT_ENCODER "a step window does not change the text encoder"
    "The prompt is encoded once before sampling, with the full text encoder strength, whatever `start=` and `stop=` say.\n\nUse \
     `te=0:unet=1` if the LoRA should act on the UNet alone."
    "ステップの範囲はテキストエンコーダーを変えません"
    "プロンプトはサンプリングの前に一度だけ、テキストエンコーダーの強さのままエンコードされます。`start=` や `stop=` は\
     関係しません。\n\nUNet だけに効かせるなら `te=0:unet=1` を使ってください。"
    N0213 START_ZERO "`start=0` means something else on Forge"
    "Here and in webui `start=0` is on from the first step. On Forge it counts as no start at all."
    "`start=0` は Forge では別の意味です"
    "ここと webui では `start=0` は最初のステップから有効です。Forge では開始の指定なしと同じです。"
    N0214 ZERO_VECTOR "a vector of zeros is not the same as strength 0"
    "Modules outside the blocks (time embedding, output convolution, embeddings) keep ratio 1, and for DoRA ratio 0 still \
     rescales the weights.\n\nUse strength 0, or `te=0:unet=0`, to switch a LoRA off."
    "すべて 0 のベクトルは強さ 0 と同じではありません"
    "ブロックの外のモジュール (time embedding、出力の畳み込み、embedding) の倍率は 1 のままで、DoRA では倍率 0 でも\
     重みが縮尺し直されます。\n\nLoRA を切るなら強さ 0、または `te=0:unet=0` にしてください。"
    W0215 NAME_WITH_EQUALS "a LoRA name with `=` is read as a named argument"
    "webui takes `a=b` as an argument called `a` and the next item as the name; block weights are then applied to nothing. If \
     the name contains `te=`, `x=` or the like, it even sets that value.\n\nRename the file."
    "`=` を含む LoRA 名は名前付き引数として読まれます"
    "webui は `a=b` を引数 `a` と読み、次の項目を名前にするので、階層別の重みは何にも掛かりません。名前に `te=` や `x=` な\
     どが含まれると、その値まで変わります。\n\nファイル名を変えてください。"
    W0216 UNKNOWN_KIND "a tag of this kind is removed and has no effect"
    "`<lora:…>` and `<lyco:…>` load LoRAs; the kind is case sensitive. webui cuts every `<kind:…>` out of the prompt."
    "この種類のタグは取り除かれ、効果がありません"
    "LoRA を読み込むのは `<lora:…>` と `<lyco:…>` で、種類は大文字と小文字を区別します。webui は `<種類:…>` の形をす\
     べてプロンプトから取り除きます。"
    E0217 UNKNOWN_ELEMENTS "there is no such element preset"
    "The name behind `lbwe=` is unknown. The extension ignores it silently; lbw draws nothing.\n\n`lbw preset list` shows all."
    "そのエレメントプリセットはありません"
    "`lbwe=` の後の名前がありません。拡張機能は黙って無視しますが、lbw は描画しません。\n\n`lbw preset list` で一覧\
     が出ます。"
    E0218 UNKNOWN_LORA "there is no such LoRA"
    "webui goes on without a LoRA it does not find; lbw draws nothing. Names are file names without ending, or the name stored \
     in the file."
    "その LoRA はありません"
    "webui は見つからない LoRA を飛ばして続けますが、lbw は描画しません。名前は拡張子を除いたファイル名、またはファ\
     イルに記録された名前です。"
    W0219 UNMATCHED_KEYS "a LoRA has tensors that fit nothing in the model"
    "Tensors whose name or shape fits no module are left out. Many of them mean that the file is for another model family."
    "LoRA にモデルと合わないテンソルがあります"
    "名前や形がどのモジュールにも合わないテンソルは使われません。多いときは、ほかのモデル系列のファイルです。"
    W0220 NONLINEAR_KIND "block weights are not proportional for this LoRA"
    "LoKr files with factored w1 stop the extension; for GLoRA only one of two products is scaled; DoRA renormalises after the \
     block weight, so 0 is not off."
    "この LoRA では階層別の重みが比例しません"
    "w1 が分解された LoKr では拡張機能が止まり、GLoRA では二つの積の片方だけに掛かり、DoRA では重みの後で正規化され\
     るので 0 でも切れません。"
    W0221 HIJACKED_ARGUMENT "an argument is found inside another text"
    "The extension looks for the first item that contains `te=`, `x=`, `lbw=` and so on anywhere, so `note=5` is read as \
     `te=` with the value `no5`."
    "引数がほかの文字の中に見つかりました"
    "拡張機能は `te=`、`x=`、`lbw=` などを含む最初の項目を場所にかかわらず使うので、`note=5` は値 `no5` の `te=` と\
     読まれます。"
    W0222 IGNORED_STEP "`step=` without a range is ignored"
    "`step=5-10` is on from step 5 to 10. Without a `-` the extension ignores it.\n\nWrite `start=5` or `stop=5`."
    "範囲のない `step=` は無視されます"
    "`step=5-10` はステップ 5 から 10 まで有効です。`-` がないと拡張機能は無視します。\n\n`start=5` か `stop=5` と書\
     いてください。"
    E0223 UNET_VECTOR_ON_FLUX "a UNet weight vector is used with a Flux model"
    "A vector of 12, 17, 20 or 26 numbers has no entry for most Flux blocks, and the extension stops with an exception.\n\nUse a \
     vector of 61 numbers."
    "Flux のモデルに UNet の重みベクトルが使われています"
    "12、17、20、26 個のベクトルには Flux のほとんどのブロックの項目がなく、拡張機能は例外で止まります。\n\n61 個の\
     ベクトルを使ってください。"
    E0224 NAMELESS_TAG "a LoRA tag has no name"
    "Every item of the tag is a named argument, so webui finds no name and drops every LoRA of the prompt.\n\nWrite \
     `<lora:name:0.8>`."
    "LoRA タグに名前がありません"
    "タグの項目がすべて名前付き引数なので、webui は名前を見つけられず、プロンプトの LoRA をすべて捨てます。\n\n`<lora:name:0.8>` と\
     書いてください。"
    E0225 NOT_FINITE "a strength or weight is infinite or not a number"
    "Python, and so webui, reads `inf` and `nan` as numbers. An image cannot be drawn with them."
    "強さか重みが無限大か、数ではありません"
    "Python は、したがって webui も、`inf` と `nan` を数値として読みます。これでは画像を描けません。"
    W0226 FOREIGN_NOTATION "an item of the tag belongs to another tool"
    "SD.Next has `in=`, `mid=` and `out=`, the LoRA Block Weight extension `lbwe=`, `start=`, `stop=` and `step=`. Other tools do not \
     know them and say nothing.\n\nChoose whose tags these are with `--lbw-dialect webui`, `sdnext`, `inspire` or `kohya`; `lbw plan \
     --compare` shows what differs."
    "タグの項目がほかのツールのものです"
    "SD.Next には `in=`、`mid=`、`out=` が、LoRA Block Weight 拡張には `lbwe=`、`start=`、`stop=`、`step=` がありま\
     す。ほかのツールはこれらを知らず、何も言いません。\n\nどのツールのタグかを `--lbw-dialect webui`、`sdnext`、\
     `inspire`、`kohya` で選んでください。`lbw plan --compare` で違いが見られます。"
    E0227 DIALECT_VECTOR "block weights cannot be read in this dialect"
    "Tools write block weights differently: webui `1,0,R,X-0.2,…`, Inspire also `%in1-4=0.5,default=1`, kohya's script `[1,0,0.5]`, \
     SD.Next plain numbers. Lengths differ too.\n\nChoose the tool with `--lbw-dialect webui`, `sdnext`, `inspire` or `kohya`."
    "この方言では階層別の重みが読めません"
    "階層別の重みの書き方はツールごとに違います。webui は `1,0,R,X-0.2,…`、Inspire は `%in1-4=0.5,default=1` も、\
     kohya のスクリプトは `[1,0,0.5]`、SD.Next は数値だけです。個数も違います。\n\n`--lbw-dialect webui`、`sdnext`、\
     `inspire`、`kohya` でツールを選んでください。"
    W0228 DIALECT_IGNORES "the tool that is followed ignores a part of the tag"
    "SD.Next reads one number without a name, which is the strength of text encoder and UNet alike. kohya's script finds UNet blocks \
     only with a vector of the family's own length.\n\nIn SD.Next write `unet=0.5` or `dyn=8`; for kohya's script write 12 or 20 \
     numbers for SDXL, 17 or 26 for SD1."
    "選んだツールはタグの一部を無視します"
    "SD.Next が読む名前なしの数値は一つで、テキストエンコーダーと UNet の両方の強さです。kohya のスクリプトは、その\
     系列の個数のベクトルでしか UNet のブロックを見つけません。\n\nSD.Next では `unet=0.5` や `dyn=8` と、kohya のス\
     クリプトでは SDXL なら 12 個か 20 個、SD1 なら 17 個か 26 個を書いてください。"
    W0229 LEFT_OUT_PARTS "tensors of a LoRA have no effect beside others"
    "A module of a LoRA holds parts of two kinds, parts that no kind has, or a bias where the layer has none. The first kind that \
     webui knows is taken, and the rest left out."
    "LoRA のテンソルの一部に効果がありません"
    "一つのモジュールに二つの種類の部分、どの種類にもない部分、またはバイアスのない層へのバイアスがあります。webui の順で最初の種類だけを使い、\
     残りは使いません。"
    W0240 UNREAD_ARGUMENT "an argument of the tag is read by nobody"
    "webui's loader reads `te=`, `unet=` and `dyn=`, the LoRA Block Weight extension `lbw=`, `lbwe=`, `x=`, `start=`, `stop=` and \
     `step=`, in lower case and without spaces. Any other name, and a fifth number, changes nothing, and nothing is said.\n\nWrite \
     `<lora:name:1:lbw=XLOUT>`."
    "タグの引数がどこにも読まれません"
    "webui が読むのは `te=`、`unet=`、`dyn=`、LoRA Block Weight 拡張が読むのは `lbw=`、`lbwe=`、`x=`、`start=`、`stop=`、\
     `step=` で、小文字で空白なしです。ほかの名前や五つ目の数値は何も変えず、何も言われません。\n\n`<lora:name:1:lbw=XLOUT>` のように\
     書いてください。"
    W0241 UNCLOSED_TAG "a tag is not closed"
    "A tag ends at its `>`. Without one it is drawn as words; if another tag follows, it reaches to that one's end and swallows \
     it.\n\nWrite `<lora:name:0.8>`."
    "タグが閉じていません"
    "タグは `>` で終わります。なければ単語として描かれ、後ろに別のタグがあると、そのタグの終わりまでを飲み込みます。\n\n\
     `<lora:name:0.8>` と書いてください。"
    W0242 NO_TAG "this looks like a tag and is none"
    "A tag is `<lora:name:0.8>`: an ASCII `<`, the kind without spaces, an ASCII `:`, and a `>`. With full-width signs, a space \
     before the kind, or without a `:`, it is drawn as words and no LoRA is loaded."
    "タグのようですが、タグではありません"
    "タグは `<lora:name:0.8>` の形です。半角の `<`、空白なしの種類、半角の `:`、最後に `>` を書きます。全角の記号や種類の前の空白が\
     あったり、`:` がなかったりすると単語として描かれ、LoRA は読み込まれません。"

    E0301 UNKNOWN_BLOCK "there is no such block"
    "UNet blocks are BASE, IN00-IN11, M00 and OUT00-OUT11; Flux has CLIP, T5, IN, D00-D18, S00-S37 and OUT. A range with an \
     unknown block stops the extension while it scales."
    "そのブロックはありません"
    "UNet のブロックは BASE、IN00-IN11、M00、OUT00-OUT11、Flux は CLIP、T5、IN、D00-D18、S00-S37、OUT です。知らない\
     ブロックを含む範囲があると、拡張機能は重みを掛ける途中で止まります。"
    W0302 STRAY_SPACE "a space in an element rule makes it match everything"
    "Words are separated by single spaces; a leading, trailing or double space is an empty word, which occurs everywhere. In \
     `IN04:attn:0.3, OUT03:attn:0.7` the second rule applies to every block.\n\nWrite no space around commas and colons."
    "エレメントの規則の空白が、すべてに一致させています"
    "単語は一つの空白で区切られます。前後の空白や二重の空白は空の単語になり、空の単語はどこにでも含まれます。\
     `IN04:attn:0.3, OUT03:attn:0.7` の 2 番目の規則はすべてのブロックに掛かります。\n\nコンマとコロンの前後に空白を\
     入れないでください。"
    W0303 BAD_RULE "an element rule is ignored"
    "A rule has exactly three fields, `blocks:elements:ratio`; rules with more or fewer colons are skipped."
    "エレメントの規則が無視されます"
    "規則は `blocks:elements:ratio` のちょうど 3 項目です。コロンの数が違う規則は飛ばされます。"
    E0304 BAD_RATIO "the ratio of an element rule is not a number"
    "A rule that matches a module with such a ratio stops the extension while it scales."
    "エレメントの規則の倍率が数値ではありません"
    "このような倍率の規則がモジュールに一致すると、拡張機能は重みを掛ける途中で止まります。"
    W0340 WORD_MATCHES_NOTHING "a word of an element rule matches nothing"
    "A rule applies to a module if one of its words occurs in the module's name or in that of its block, in the same case: `M00`, not \
     `MID`; `attn1`, not `ATTN1`. A word that occurs nowhere leaves the rule without effect, silently."
    "エレメントの規則の単語がどれにも一致しません"
    "規則は、単語がモジュールの名前かそのブロックの名前に、大文字小文字まで同じで含まれるときに効きます。`MID` ではなく `M00`、\
     `ATTN1` ではなく `attn1` です。どこにも含まれない単語の規則は、何も言われずに効果がありません。"

    E0401 BAD_YAML "a preset file is not valid YAML"
    "A preset file is a map with `layout:`, `presets:` and `elements:`.\n\n    layout: sdxl-12\n    presets:\n      MINE: \
     {BASE: 1, OUT00-OUT02: 0.5}"
    "プリセットファイルが正しい YAML ではありません"
    "プリセットファイルは `layout:`、`presets:`、`elements:` を持つマップです。\n\n    layout: sdxl-12\n    presets:\n      MINE: {BASE: 1, OUT00-OUT02: 0.5}"
    E0402 BAD_PRESET "a preset cannot be read"
    "A preset is a vector text (`1,0,0.5,…`), a map of blocks (`{BASE: 1, OUT00-OUT02: 1}`), or a change of another preset \
     (`{of: XLALL, OUT01: 0.8}`)."
    "プリセットが読めません"
    "プリセットは、ベクトル (`1,0,0.5,…`)、ブロックのマップ (`{BASE: 1, OUT00-OUT02: 1}`)、ほかのプリセットの変更 (`{of: XLALL, OUT01: 0.8}`) の\
     どれかです。"
    W0403 IGNORED_LINE "a preset line is ignored"
    "In lbwpresets.txt a line counts if it has a colon, no `#` anywhere, and 11, 16, 19, 25 or 60 commas in all, name included. \
     Everything else is silently a comment."
    "プリセットの行が無視されます"
    "lbwpresets.txt では、コロンがあり、どこにも `#` がなく、名前も含めてコンマが 11、16、19、25、60 個の行だけが有\
     効です。ほかはすべて黙ってコメントとして扱われます。"
    W0404 COMMA_IN_NAME "a comma in a preset's name counts as one of its commas"
    "The extension counts the commas of the whole line, so a name with a comma passes with a vector that is too short and fails \
     when it is used."
    "プリセット名のコンマも個数に数えられます"
    "拡張機能は行全体のコンマを数えるので、名前にコンマがあると、短すぎるベクトルが通ってしまい、使うときに失敗しま\
     す。"
    W0405 PRESET_REDEFINED "a preset is defined twice in one file"
    "The later definition counts, at the place of the first. This is so in webui too, where nothing is said about it."
    "プリセットが一つのファイルで二度定義されています"
    "後の定義が、最初の定義の位置で有効になります。webui でも同じですが、何も表示されません。"

    W0501 TAG_IN_NEGATIVE "a tag in the negative prompt is text"
    "Only the prompt is searched for tags. In the negative prompt a tag loads nothing and its letters are encoded as words."
    "ネガティブプロンプトのタグは文字として扱われます"
    "タグが探されるのはプロンプトだけです。ネガティブプロンプトのタグは何も読み込まず、その文字が単語としてエンコー\
     ドされます。"

    W0503 UNUSABLE_EMBEDDING "an embedding named in the prompt cannot be used"
    "The name of a textual-inversion embedding stands for its vectors. lbw reads .safetensors files, pickles (.pt, .bin; their tensors \
     alone, nothing in them is run) and pictures that carry one. Embeddings of other families of models are passed over, as in webui, \
     and so is what is damaged or holds numbers that are none. The name is then read as words.\n\nUse an embedding made for the \
     model's family, get the file again, or remove the name."
    "プロンプトにある embedding が使えません"
    "Textual Inversion の embedding の名前は、そのベクトルの代わりです。lbw は .safetensors と、pickle (.pt、.bin。テンソルだけを読み、中のものは実行\
     しません) と、embedding の入った画像を読みます。ほかの系列のモデルのものは webui と同じく飛ばされ、壊れたものや数でない値のあるものも使いま\
     せん。名前は単語として読まれます。\n\nモデルの系列に合うものを使うか、ファイルを取り直すか、名前を消してください。"

    N0502 MORE_FINDINGS "there is more to say than is shown"
    "Of one text 200 findings are shown, errors first. The others are counted, so that a broken paste does not fill the \
     screen."
    "表示しきれない指摘があります"
    "一つの文につき 200 件までを、エラーから順に表示します。壊れた貼り付けで画面が埋まらないように、残りは件数だけを\
     示します。"

    N0601 EATEN_AS_INFOTEXT "a line was read as generation parameters"
    "The last line of a text counts as parameters when it holds three or more `key: value` pairs, as in `time: 12:30, where: \
     here, who: me`.\n\nPut another line behind it, or use fewer colons."
    "行が生成パラメーターとして読まれました"
    "最後の行に `key: value` の組が三つ以上あると、`time: 12:30, where: here, who: me` のような文でもパラメーターと\
     して扱われます。\n\n後ろに別の行を置くか、コロンを減らしてください。"
    N0602 TORN_JSON "an unquoted value was torn apart at its commas"
    "Values with commas must be quoted. Lists such as `Civitai resources: [{…}]` and `Hashes: {…}` without quotes keep only \
     their first fragment."
    "引用符のない値がコンマで分断されました"
    "コンマを含む値には引用符が必要です。引用符のない `Civitai resources: [{…}]` や `Hashes: {…}` は最初の断片だけが\
     残ります。"
    W0603 RAW_PROMPT_LINE "a line with `--` could not be read as options"
    "A line of a prompt file that contains `--` is read like a command line; on any error the whole line becomes the prompt."
    "`--` のある行をオプションとして読めませんでした"
    "プロンプトファイルの `--` を含む行はコマンドラインのように読まれ、誤りがあると行全体がプロンプトになります。"
    W0604 UNKNOWN_SAMPLER "there is no such sampler"
    "webui silently falls back to its default when the name is unknown. The schedule is no longer part of the name: `DPM++ 2M \
     Karras` is sampler `DPM++ 2M` with schedule type `Karras`."
    "そのサンプラーはありません"
    "webui は知らない名前のとき黙って既定のサンプラーに戻ります。スケジュールは名前の一部ではなくなりました。`DPM++ 2M Karras` は、\
     サンプラー `DPM++ 2M` とスケジュールタイプ `Karras` です。"
    E0605 UNKNOWN_OPTION "there is no such setting"
    "A line of a prompt file, a column of a table, a key of JSON or a flag names a setting that nobody knows. Names of webui's \
     fields, of its API, of infotext and of lbw's flags are all understood; case, spaces, hyphens and underscores do not \
     count.\n\n`lbw txt2img --help` lists the settings."
    "その設定はありません"
    "プロンプトファイルの行、表の列、JSON のキー、フラグに、どこにもない設定の名前があります。webui の欄名、API の名前、\
     infotext の名前、lbw のフラグのどれでも読めます。大文字小文字、空白、ハイフン、下線は区別しません。\n\n一覧は `lbw \
     txt2img --help` で見られます。"
    E0606 BAD_VALUE "a setting has a value that it cannot have"
    "Numbers must be numbers and names must be known, wherever they are written. Nothing is guessed and nothing is drawn with \
     another value."
    "設定の値が正しくありません"
    "数値の欄には数値を、名前の欄には知られている名前を書いてください。推測した別の値で描画することはありません。"
    W0607 NOT_UNDERSTOOD "a field of a pasted text is not understood"
    "What another program wrote into an infotext and lbw does not know is left aside: the picture is drawn without it."
    "貼り付けた文の項目が読めません"
    "ほかのプログラムが infotext に書いた、lbw の知らない項目です。その項目なしで描画します。"
    W0608 NOT_DONE "something is asked for that lbw does not do"
    "The text or webui's configuration asks for a feature that lbw does not have. The picture is drawn without it and will \
     differ."
    "lbw にない機能が求められています"
    "lbw にない機能が文や webui の設定で求められています。それなしで描画するので、画像は違うものになります。"
    E0609 OUT_OF_LIMITS "a setting is too large, too small, or does not fit"
    "Sizes, steps and numbers have limits, so that no slip fills the memory or draws for days. Sizes are multiples of 8."
    "設定が大きすぎる、小さすぎる、または合いません"
    "打ち間違いでメモリーを使い切ったり何日も描き続けたりしないように、大きさ・ステップ数・数値には限度があります。大きさは \
     8 の倍数です。"
    W0610 WITHOUT_EFFECT "something was asked for that has no effect here"
    "A setting was given that nothing uses: a denoising strength without a second pass or a picture, for example."
    "指定したものに効果がありません"
    "使われない設定です。たとえば、第 2 パスも下敷きの画像もないときのデノイズ強度などです。"
    E0611 NO_UPSCALER "there is no such upscaler"
    "A picture is to be enlarged by an upscaler that is not there, or is a kind of network that lbw does not run. Another one \
     would give another picture, so nothing is drawn.\n\nUpscalers are found by webui's names in `models/ESRGAN`, \
     `models/RealESRGAN` and ComfyUI's `models/upscale_models` of `--webui-dir`, and in `--upscaler-dir`. Choose another one with \
     `--hires-upscaler`, or leave the second pass out with `--no-hires`."
    "そのアップスケーラーはありません"
    "指定されたアップスケーラーがないか、lbw では動かない種類のネットワークです。別のものを使うと別の画像になるので描画しませ\
     ん。\n\nアップスケーラーは、`--webui-dir` の `models/ESRGAN`、`models/RealESRGAN`、ComfyUI の `models/upscale_models` と、\
     `--upscaler-dir` から webui の名前で探します。`--hires-upscaler` でほかのものを選ぶか、`--no-hires` で第 2 パスを省いてくださ\
     い。"
    E0612 BAD_INFOTEXT "a pasted text cannot be read as a whole"
    "webui stops at such a text, too: a weight such as `(text:1.2.3)`, or a size that is none."
    "貼り付けた文が読めません"
    "`(text:1.2.3)` のような重みや、大きさになっていない大きさがあると、webui もここで止まります。"
    E0613 BAD_LINE "a line of a prompt file cannot be read"
    "The line is not in the form that the file is written in. webui would draw all of it as a prompt; lbw does so only with \
     `--webui-quirks`."
    "プロンプトファイルの行が読めません"
    "ファイルの書式に合わない行です。webui は行全体をプロンプトとして描きますが、lbw がそうするのは `--webui-quirks` を付けた\
     ときだけです。"
    W0614 LINE_AS_WEBUI "a line is read as webui reads it, which may surprise"
    "In webui's prompt files `#` begins no comment line: such a line draws the empty prompt."
    "行は webui と同じく読まれます"
    "webui のプロンプトファイルでは `#` で始まる行はコメントではなく、空のプロンプトとして描かれます。"
    E0615 NO_STYLE "there is no such style"
    "Styles are looked for in webui's `styles.csv` and in the files of `--styles-file`."
    "そのスタイルはありません"
    "スタイルは webui の `styles.csv` と `--styles-file` のファイルから探します。"
    E0617 OPTION_NOT_DONE "an option asks for something that lbw does not do"
    "A prompt file, table or JSON switches on a feature that lbw does not have. Without it the picture would be another one, so \
     nothing is drawn."
    "lbw にない機能のオプションです"
    "プロンプトファイル、表、JSON が lbw にない機能を使おうとしています。それなしでは別の画像になるので描画しません。"
    W0618 UNUSUAL_VALUE "a value is far from all that people use"
    "lbw draws with it as webui does, but a decimal point or a digit of it may be wrong."
    "ふつう使われる値から大きく外れています"
    "このまま描きますが、小数点や桁が間違っているかもしれません。"
    E0616 USAGE "the command cannot do what was asked"
    "The words of the command contradict each other, or the command needs something else."
    "コマンドの指定が正しくありません"
    "指定が矛盾しているか、足りません。"
    N0640 MENDED_INFOTEXT "a text was read as it was meant, and not as webui reads it"
    "webui reads parameters from the last line alone. Where they are broken over several lines, where another line follows (such as \
     `Time taken: …`), or where all stands in one line, it takes them for a prompt; so it does with signs of full width, and with any \
     heading but `Negative prompt:`. lbw reads them as they were meant."
    "webui とは異なり、本来の意味で読みました"
    "webui がパラメーターとして読むのは最後の行だけです。何行にも分かれているとき、`Time taken: …` のような行が続くとき、全体が一行\
     になっているときは、プロンプトとして扱います。全角の記号や `Negative prompt:` 以外の見出しも同じです。lbw は本来の意味で読みます。"
    W0641 RESOURCES "a picture was made with LoRAs that are not in its prompt"
    "Civitai's generator and other programs keep LoRAs beside the prompt. Without them the picture is another one.\n\nAdd \
     `<lora:NAME:WEIGHT>` for each, with the name of its file."
    "プロンプトにない LoRA で作られた画像です"
    "Civitai のジェネレーターなどは LoRA をプロンプトの外に持っています。それなしでは別の画像になります。\n\nファイルの名前で \
     `<lora:NAME:WEIGHT>` をそれぞれ加えてください。"
    N0642 CONVERTED "another program's settings were read"
    "What NovelAI, ComfyUI, SwarmUI, Fooocus, InvokeAI or Draw Things wrote into a picture is read as prompt and settings. The same words \
     need not give the same picture there and here: noise, weights of texts and models differ."
    "ほかのプログラムの設定を読みました"
    "NovelAI、ComfyUI、SwarmUI、Fooocus、InvokeAI、Draw Things が画像に書いたものを、プロンプトと設定として読みます。ノイズ、重みの\
     扱い、モデルが違うので、同じ言葉でも同じ画像になるとは限りません。"
    E0643 NOT_CONVERTED "another program's file says nothing that can be drawn"
    "A workflow with several samplers, or without one, is a program rather than a prompt; the message says what it holds.\n\nWrite the \
     prompt and the settings yourself."
    "ほかのプログラムのファイルから描くものを読み取れません"
    "サンプラーがいくつもある、または一つもないワークフローは、プロンプトではなくプログラムです。何が入っているかはメッセージに示さ\
     れます。\n\nプロンプトと設定を自分で書いてください。"
    W0644 SEVERAL_INFOTEXTS "several infotexts were pasted as one"
    "webui, and lbw, take the last line of parameters; the infotexts before it become a part of the prompt.\n\nPaste one, or put all \
     of them into a file for `lbw batch`."
    "いくつもの infotext が一つとして貼り付けられています"
    "webui も lbw も最後のパラメーターの行だけを読み、その前の infotext はプロンプトの一部になります。\n\n一つだけ貼り付けるか、すべて\
     をファイルに入れて `lbw batch` に渡してください。"

    E0701 NO_FILE "a file or folder is not there, or cannot be read"
    "The system's own words say why: absent, not permitted, a folder where a file should be, or damaged."
    "ファイルまたはフォルダーがないか、読めません"
    "理由はシステムの言葉で示されています。"
    E0702 NO_MODEL "there is no such checkpoint"
    "`--model` takes a file, or the name of a checkpoint in webui's or ComfyUI's folder of models."
    "そのチェックポイントはありません"
    "`--model` にはファイル、または webui や ComfyUI のモデルフォルダーにあるチェックポイントの名前を書きます。"
    E0703 WHICH_MODEL "it is not said which checkpoint is meant"
    "The folder has several and none is chosen. A guess would be a silent choice."
    "どのチェックポイントか決まっていません"
    "フォルダーに複数あり、どれも選ばれていません。黙って選ぶことはしません。"
    E0704 NO_VAE "there is no such VAE"
    "`--vae` takes a file, the name of one in webui's `models/VAE`, or `none` for the checkpoint's own."
    "その VAE はありません"
    "`--vae` にはファイル、webui の `models/VAE` にあるものの名前、またはチェックポイント自身の VAE を表す `none` を書きます。"
    E0705 UNUSABLE_FILE "a file is not what it should be"
    "The file is damaged, is of another kind, or belongs to another model family; the message says what it is."
    "ファイルが使えません"
    "ファイルが壊れているか、別の種類か、別のモデル系列のものです。何であるかはメッセージに示されます。"
    E0706 NOT_WRITTEN "a file could not be written"
    "What is finished is not lost: files are whole or absent. The same command goes on when the reason is gone."
    "ファイルを書けませんでした"
    "できあがったものは失われません。ファイルは完全な形か、存在しないかのどちらかです。原因を取り除いて同じコマンドを実行すれ\
     ば続きから始まります。"
    E0707 WOULD_OVERWRITE "a file of somebody else would be written over"
    "lbw writes over nothing that it did not make itself. Choose another name or folder with `-o`."
    "ほかのファイルを上書きしてしまいます"
    "lbw は自分で作ったもの以外を上書きしません。"
    W0708 OTHER_FILE "a file is not the one that a pasted text was made with"
    "The infotext holds the hash of the checkpoint, VAE or LoRA that was used, and the file here has another."
    "貼り付けた文のファイルとは別のものです"
    "infotext に記録されたチェックポイント・VAE・LoRA のハッシュと、ここにあるファイルのハッシュが違います。"
    N0709 FROM_WEBUI "options of webui's config.json are in force"
    "What webui's own settings say changes pictures there, and here as well. `--no-webui-config` leaves the file unread."
    "webui の config.json の設定が効いています"
    "webui の設定は向こうの画像を変えるので、ここでも効きます。`--no-webui-config` で読まないようにできます。"
    W0710 WEBUI_OPTION "an option of webui's config.json cannot be taken"
    "The file or one of its values is not what webui writes; webui's default stands for it."
    "webui の config.json の設定を使えません"
    "ファイルまたは値が webui の書くものと違います。webui の既定値を使います。"
    N0711 UNUSED_TENSORS "a checkpoint has tensors that nothing uses"
    "Some tools leave tensors of training or of other models in a file. They change nothing."
    "チェックポイントに使われないテンソルがあります"
    "学習用や別のモデルのテンソルがファイルに残っていることがあります。画像には影響しません。"
    N0712 PREDICTION "what the checkpoint predicts was read from its marks"
    "A checkpoint made for v-prediction carries marks that webui 1.10 does not read. `--prediction` overrules them."
    "チェックポイントの予測方式をファイルの印から決めました"
    "v-prediction 用のチェックポイントには webui 1.10 が読まない印があります。`--prediction` が優先します。"
    W0713 LENIENT_KEYS "a LoRA has names of another tool"
    "webui would ignore these tensors; lbw loads them as their author meant. `--lora-keys webui` ignores them, too."
    "LoRA にほかのツールの名前が使われています"
    "webui はこれらのテンソルを無視しますが、lbw は作者の意図どおりに読み込みます。`--lora-keys webui` で無視できます。"
    N0714 OUTSIDE_BLOCKS "a LoRA has modules outside the blocks"
    "No block weight reaches them, as in the extension: they are applied with ratio 1."
    "LoRA にブロックの外のモジュールがあります"
    "拡張機能と同じく、階層別の重みは届かず、比率 1 で適用されます。"
    E0715 NO_DEVICE "there is no such device"
    "`--device` takes cpu, and where lbw was built for them cuda, cuda:N and metal: `benches/gpu/build.sh` builds it for NVIDIA's cards."
    "そのデバイスはありません"
    "`--device` には cpu を、対応してビルドした場合は cuda、cuda:N、metal を書けます。NVIDIA のカード用は `benches/gpu/build.sh` でビルドします。"
    E0716 BAD_PLAN "this is no plan that can be run"
    "A plan is what `lbw plan --json` prints, or what a picture of lbw's holds."
    "実行できる計画ではありません"
    "計画は `lbw plan --json` が出力するもの、または lbw の画像に入っているものです。"
    E0717 NO_PICTURE "the picture that is drawn over was not given"
    "A plan of img2img knows its picture by its pixels. Give the picture with `--init`."
    "下敷きの画像が指定されていません"
    "img2img の計画は画像を画素で覚えています。`--init` で画像を指定してください。"

    W0718 NO_GAIN "a type of number brings nothing here"
    "`--precision` says in which type of number networks compute: f32 is exact, f16 is what GPUs are fast in, bf16 is coarser than both. \
     `--weights` says how the CPU's own arithmetic, which is in f32, holds weights. The message says what has no use, or a price, here."
    "その数値の型はここでは役に立ちません"
    "`--precision` はネットワークを計算する数値の型です。f32 は正確で、f16 は GPU が得意とし、bf16 はどちらよりも粗くなります。`--weights` は \
     f32 で計算する CPU 独自の計算で重みをどう持つかです。何が無効か、何を失うかはメッセージに示されます。"

    E0719 NO_MEMORY "a picture takes more memory than it may"
    "`--memory 8g` (or `auto`: what is free) is the most that lbw may take. To stay below it lbw decodes pictures some rows at a time, \
     reads the text encoders' weights again for each prompt, and at last those of the UNet again at each step: in more time, the same \
     picture but for bytes that differ by 1. What does not fit even so is refused before the first step. `lbw plan` says what a picture takes."
    "画像が、使ってよいメモリーに収まりません"
    "`--memory 8g` (または空いている分を使う `auto`) は lbw が使ってよいメモリーの上限です。収めるために lbw は、画像を数行ずつ復号し、テキスト\
     エンコーダーの重みをプロンプトごとに読み直し、最後に UNet の重みをステップごとに読み直します。時間が長くなり、画像のバイトが 1 だけ違うことがあります。それでも収まらないものは\
     最初のステップの前に断ります。画像が使う量は `lbw plan` に示されます。"

    E0720 BAD_CONFIG "the user's configuration cannot be used"
    "`config.toml` in the folder `lbw` of the system's folder for configurations (on Linux `~/.config/lbw/config.toml`), or the file \
     that `LBW_CONFIG` names, holds what is always meant:\n\n```toml\nwebui-dir = \"~/stable-diffusion-webui\"\nlora-dir = \
     [\"~/loras\"]\npresets = [\"mine.yaml\"]\nlang = \"ja\"\n\n[settings]\nsampler = \"Euler a\"\nsteps = 28\n```\n\nOther keys are quiet, \
     embeddings-dir, upscaler-dir, styles-file, element-presets, device, memory and precision, as the flags are called. Paths that \
     are relative lie beside the file. `LBW_CONFIG=` (empty) leaves it unread."
    "ユーザーの設定ファイルを使えません"
    "システムの設定用フォルダーにある `lbw/config.toml` (Linux では `~/.config/lbw/config.toml`)、または `LBW_CONFIG` が指すファイルには、\
     いつも使う指定を書けます:\n\n```toml\nwebui-dir = \"~/stable-diffusion-webui\"\nlora-dir = [\"~/loras\"]\npresets = \
     [\"mine.yaml\"]\nlang = \"ja\"\n\n[settings]\nsampler = \"Euler a\"\nsteps = 28\n```\n\nほかのキーは、フラグと同じ名前の quiet、\
     embeddings-dir、upscaler-dir、styles-file、element-presets、device、memory、precision です。相対パスはこのファイルのあるフォルダーから\
     数えます。`LBW_CONFIG=` (空) で読まないようにできます。"
    N0721 FROM_CONFIG "settings of the user's configuration are in force"
    "What stands under `[settings]` in the user's configuration holds where neither the text nor a flag says anything. `LBW_CONFIG=` \
     (empty) leaves the file unread."
    "ユーザーの設定ファイルの設定が効いています"
    "設定ファイルの `[settings]` は、文にもフラグにも指定がないときに使われます。`LBW_CONFIG=` (空) で読まないようにできます。"
    N0722 CHOSEN_BY_HASH "a pasted hash chose between files of one name"
    "Several LoRA files have the name that the prompt says, and the infotext's `Lora hashes` tell which of them was meant."
    "貼り付けたハッシュで同名のファイルから選びました"
    "プロンプトの名前の LoRA が複数あり、infotext の `Lora hashes` がどれであるかを示していました。"
    N0723 SAVES_MEMORY "memory is saved"
    "`--memory` says how much lbw may take. What is done to stay below it changes a byte of a picture by 1 at most: the VAE decodes some rows at a time, the text \
     encoders' weights are read again for each prompt, and some of the UNet's at each step. A smaller picture, fewer LoRAs or `--weights f16` \
     (whose pictures differ a little) take less."
    "メモリーを節約します"
    "`--memory` は lbw が使ってよいメモリーの量です。収めるためにすることで画像のバイトが変わっても 1 までです。VAE は数行ずつ復号し、テキストエンコーダーの重みはプロンプトごとに、\
     UNet の重みの一部はステップごとに読み直します。小さい画像、少ない LoRA、`--weights f16` (画像が少し変わります) なら使う量が減ります。"
    N0801 SEED "the seed that is drawn with"
    "With this seed and the same settings, the same picture comes again: give it as `--seed`."
    "使うシード"
    "このシードで同じ画像がもう一度描けます。"
    E0802 PICTURE_FAILED "a picture was not drawn"
    "The message says why. The others go on, and the exit code tells that some failed."
    "画像を描けませんでした"
    "ほかの画像は続けます。"
    E0803 SOME_FAILED "not everything was drawn"
    "What failed was told where it happened. The exit code is 1, and the same command tries again."
    "描けなかったものがあります"
    "失敗は起きたところで報告済みです。終了コードは 1 です。"
    E0804 INTERRUPTED "the work was interrupted"
    "What is finished stays, whole. The same command goes on where it was stopped."
    "中断されました"
    "できあがったものは残っています。同じコマンドで続きから始まります。"
    N0805 PLANNED "what will be drawn"
    "Everything was read and checked before the first picture: lines, names, files and sizes."
    "これから描くもの"
    "最初の画像の前に、すべてを読んで確かめました。"
    N0806 DONE "what was drawn"
    "The folder, how many of its pictures are there, and how many of them were there already."
    "描いたもの"
    "フォルダーと、すでにあった枚数です。"
    E0807 OTHER_FOLDER "the folder holds something else"
    "A folder goes on with the same work only. Choose another one with `-o`."
    "フォルダーに別のものが入っています"
    "フォルダーは同じ作業の続きにだけ使われます。`-o` で別のフォルダーを指定してください。"
    E0808 FOLDER_IN_USE "another lbw draws into the folder"
    "`--claim` lets several workers share the work: each picture is drawn by one of them."
    "別の lbw がこのフォルダーに描いています"
    "`--claim` を付けると複数で分担できます。"
    E0809 STUDY "the plot or analysis cannot be made so"
    "The axes, ranges or prompts do not fit each other, or one of them cannot be read; the message says which."
    "この指定ではプロットや分析ができません"
    "軸・範囲・プロンプトの組み合わせが合いません。"
    W0810 FONT "a label cannot be written as it is"
    "No font that was found has all its letters. `--font` names another font file."
    "ラベルの文字を書けません"
    "すべての文字を持つフォントがありません。"
    N0812 NO_TEXT "an image says nothing about itself"
    "It has neither infotext nor a plan in it; many sites remove them from pictures."
    "画像に情報がありません"
    "infotext も計画も入っていません。多くのサイトは取り除いてしまいます。"
    W0813 LEFT_OUT "something has no place in this format"
    "The message says what has no place, and which file would hold it."
    "この書式には入らないものがあります"
    "何が入らないか、どのファイルなら入るかはメッセージに示されます。"
    E0814 CANNOT_BAKE "a file cannot hold what the tag says"
    "A LoRA file has no steps, no ranks to cut to and no conditions: only weights."
    "タグの内容をファイルに書けません"
    "LoRA のファイルにはステップも、切り詰めるランクも、条件もありません。あるのは重みだけです。"
    W0815 INEXACT "the other program's form is not exact"
    "What the other program's form cannot say keeps its whole strength there."
    "ほかのプログラムの書式では正確に表せません"
    "表せない部分は向こうでは全強度のままです。"
    N0816 MEASURED "what was measured"
    "A number of this machine and this minute; machines that are shared are noisy."
    "測った値"
    "このマシンの、いまの値です。"
    E0817 SLIP "a word on the command line was hardly meant as a prompt"
    "Whatever is no flag is a prompt to lbw, and would be drawn: a word close to a command, the name of a file, words without \
     quotes, flags with long dashes or slashes. Say what is meant; `--prompt WORD` draws any word as it is."
    "コマンドラインの言葉がプロンプトのつもりではなさそうです"
    "lbw はフラグでないものをすべてプロンプトとして描きます。コマンドに近い言葉、ファイルの名前、引用符のない言葉、長いダッシュやスラッシュの\
     フラグなどです。どれのつもりかを書いてください。`--prompt 言葉` なら、どんな言葉もそのまま描きます。"
    N0831 SET_APART "a part of a LoRA is treated apart"
    "Not everything in a LoRA file belongs to a block or can be measured or cut: modules outside the blocks, packed embeddings, \
     kinds of networks without a rank. The message says what was done with them."
    "LoRA の一部は別に扱われます"
    "LoRA のファイルには、ブロックの外のモジュール、まとめて入れられた埋め込み、ランクのない種類など、ブロックに属さないものや、\
     測ったり切り詰めたりできないものがあります。どう扱ったかはメッセージに示されます。"
    W1301 REFEREE_SHIFTED "a program gives weights to other blocks"
    "A program that counts the blocks a LoRA has, instead of knowing them by name, gives the entries of a vector to the wrong ones \
     as soon as the LoRA lacks a block.\n\n`lbw lora split` makes a file for each block; their strengths are block weights in any \
     program."
    "重みがほかのブロックに使われます"
    "ブロックを名前ではなく数で見分けるプログラムでは、LoRA に欠けたブロックがあると、ベクトルの項目がずれます。\n\n`lbw lora \
     split` はブロックごとのファイルを作ります。その強さは、どのプログラムでも階層別の重みになります。"
    W1302 REFEREE_WRONG_LORA "a program gives weights to another LoRA"
    "Where a LoRA has no text encoder, or lacks a module, the extension in Forge and reForge counts the LoRAs that are left and gives \
     the weights of one to another.\n\nWrite such LoRAs behind those that are whole, or split them (`lbw lora split`)."
    "重みがほかの LoRA に使われます"
    "テキストエンコーダーやモジュールの欠けた LoRA があると、Forge や reForge での拡張機能は残りを順番で数え、ある LoRA の重みを別の \
     LoRA に使います。\n\nそのような LoRA は、そろっている LoRA の後ろに書くか、分割してください (`lbw lora split`)。"
    W1303 REFEREE_DROPPED "a program leaves a part of a LoRA out"
    "Its loader does not know the kind or the names of these modules, or the extension does not put them back. Nothing is said about \
     it there."
    "LoRA の一部が使われません"
    "読み込めない種類や名前のモジュールか、拡張機能が戻さないモジュールです。向こうでは何も表示されません。"
    W1304 REFEREE_STRENGTH "a program applies another strength"
    "SuperMerger takes a vector of numbers instead of the strength, not times it, and without `same to Strength` multiplies both factors \
     of a LoRA, so that the weight counts twice."
    "強さが違います"
    "SuperMerger では、数値のベクトルがあると強さは掛けられません。また `same to Strength` なしでは LoRA の二つの因子の両方に掛けるので、\
     重みが二重に効きます。"
    W1305 REFEREE_IGNORED "a program ignores a part of the tag"
    "The program does not know this notation; it says nothing about it."
    "タグの一部が無視されます"
    "その書き方を知らないプログラムです。向こうでは何も表示されません。"
    W1306 REFEREE_TIME "a program applies a LoRA at other times"
    "In webui a LoRA that starts late acts on the text encoders from the beginning, since texts are encoded before the first step. In \
     Forge it does not act on them at all."
    "効く時期が違います"
    "webui では、途中から効く LoRA もテキストエンコーダーには最初から効きます (文は最初のステップの前にエンコードされるため)。Forge ではまっ\
     たく効きません。"
    N1307 REFEREE_VERSION "another version of the program does something else"
    "Programs and extensions changed their rules. The referee names the version it speaks of."
    "ほかの版では違います"
    "プログラムや拡張機能の規則は版によって変わりました。どの版の話かは表に示されます。"
    W1308 NEEDS_LORACTL "a strength over time is another extension's"
    "`<lora:name:0@0,1@0.5>` is the notation of sd-webui-loractl: strength@place, straight lines in between. Places from 0 to 1 are \
     shares of the pass, larger ones steps; `hr=`, `hrte=` and `hrunet=` are for the second pass. lbw reads it; webui without the \
     extension fails on it."
    "時間で変わる強さは別の拡張機能のものです"
    "`<lora:name:0@0,1@0.5>` は sd-webui-loractl の書き方で、「強さ@位置」を直線で結びます。0〜1 の位置はパスに対する割合、それより大きい\
     位置はステップです。`hr=`、`hrte=`、`hrunet=` は第 2 パス用です。lbw では読めますが、この拡張機能のない webui は失敗します。"
    N1309 OWN_NOTATION "weights over time are lbw's own"
    "`lbw=XLALL@0,XLOUT@0.5` gives presets or vectors with their places; in between every block goes in a straight line. No other \
     program reads it."
    "時間で変わる重みは lbw だけのものです"
    "`lbw=XLALL@0,XLOUT@0.5` のように、プリセットやベクトルに位置を付けて書きます。その間は各ブロックが直線で変わります。ほかのプロ\
     グラムでは読めません。"
    N1310 TEXT_ENCODERS_LEVEL "a strength over time does not change the text encoders"
    "Texts are encoded once, before the first step, with the strength of the beginning."
    "時間で変わる強さはテキストエンコーダーでは変わりません"
    "文は最初のステップの前に一度だけ、最初の強さでエンコードされます。"
    W1311 LEVEL "a strength over time does not change"
    "There is one point alone, all points have the same value, or all steps lie before the first point or behind the last one."
    "変わらない「時間で変わる強さ」です"
    "点が一つしかないか、どの点も同じ値か、全ステップが最初の点より前または最後の点より後です。"
    N1312 SDNEXT_LEVEL "SD.Next applies the first value of a strength over time"
    "Since a change of its callbacks in July 2025 SD.Next still reads `0.5@0.3`, and no longer follows it."
    "SD.Next は時間で変わる強さの最初の値だけを使います"
    "2025 年 7 月のコールバックの変更以来、SD.Next は `0.5@0.3` を読みますが、変化はさせません。"
    E1313 BAD_FRAMES "weights over time cannot be read"
    "Each preset or vector needs its place behind it: `lbw=XLALL@0,XLOUT@0.5`."
    "時間で変わる重みが読めません"
    "プリセットやベクトルの後ろに位置が必要です: `lbw=XLALL@0,XLOUT@0.5`。"

    N1001 QUANTISED "the weights of a checkpoint are quantised"
    "A GGUF file holds rounded weights to be smaller: pictures differ from those of the original model, more with fewer bits."
    "チェックポイントの重みが量子化されています"
    "GGUF ファイルは小さくするために重みを丸めています。元のモデルとは画像が変わり、ビット数が少ないほど違いが大きくなります。"

    N1314 HOST "another host draws"
    "With `--via URL` the picture is made by the program that answers there. Its name and version stand in the manifest, and its \
     pictures never have the ids of lbw's own: they are other pictures."
    "ほかのホストが描きます"
    "`--via URL` では、そこで応答するプログラムが画像を作ります。名前と版はマニフェストに書かれ、画像の ID は lbw 自身のものとは別です (別の画像な\
     ので)。"
    E1315 NOT_A_HOST "nothing that can draw answers there"
    "`--via` needs the address of webui (started with --api), Forge, SD.Next, stable-diffusion.cpp's server, ComfyUI, or `lbw serve`, as \
     a browser shows it: `http://127.0.0.1:7860`."
    "そこでは描けるものが応答していません"
    "`--via` には webui (--api 付きで起動)、Forge、SD.Next、stable-diffusion.cpp のサーバー、ComfyUI、`lbw serve` のいずれかの、ブラウザーで\
     見るアドレス (`http://127.0.0.1:7860` など) を書いてください。"
    E1316 HOST_AWAY "a host does not answer"
    "The program of the host may not run, its address may be another one, or a firewall stands in between."
    "ホストが応答しません"
    "ホストのプログラムが動いていないか、アドレスが違うか、間にファイアウォールがあります。"
    E1317 HOST_CANNOT "a host cannot draw this"
    "Everything that a host lacks is said before the first picture: nothing is drawn in another way than was asked for."
    "このホストでは描けません"
    "ホストに足りないものは、最初の画像の前にすべて示されます。頼まれたのと違う描き方はしません。"
    E1318 HOSTS_DIFFER "hosts would draw different pictures"
    "Hosts that share the work have to be of one program, version and checkpoint."
    "ホストによって画像が違ってしまいます"
    "分担するホストは、プログラム・版・チェックポイントが同じでなければなりません。"
    W1319 HOST_RETRIED "a host failed, and the picture is tried again"
    "Whoever is free draws the picture next. A host that went away is asked again after a while; nothing that is finished is lost."
    "ホストが失敗し、画像をもう一度試します"
    "空いているホストが次にその画像を描きます。応答のなくなったホストにも、しばらくしてまた頼みます。できあがったものは失われません。"
    E1320 HOST_WRONG "a host does not draw the picture"
    "It was tried several times. The message says what the host answered."
    "ホストが画像を描きません"
    "何度か試しました。ホストの応答はメッセージに示されます。"
    E1101 MASK_MISFIT "a mask does not fit"
    "A mask is a picture of the size of the one that it masks: what is white in it is painted anew. Without a picture, of another \
     size, or with a way of resizing that it cannot follow, nothing is drawn."
    "マスクが合いません"
    "マスクは元の画像と同じ大きさの画像で、白い部分が描き直されます。元の画像がない、大きさが違う、合わせられないリサイズ方法である、の\
     いずれかの場合は描画しません。"
    W1102 BLANK_MASK "a mask masks nothing"
    "Of the whole picture nothing would be painted anew; where only the masked part is to be drawn, webui draws over the whole \
     picture instead, and so does lbw. `--mask-invert` paints anew what is not masked."
    "マスクされた部分がありません"
    "画像全体の場合は何も描き直されません。マスクした部分だけを描く場合、webui は代わりに画像全体に描き、lbw もそうします。\
     `--mask-invert` はマスクされていない部分を描き直します。"
    N1103 DECODED_IN_BANDS "a large picture is decoded band by band"
    "The last layers of the VAE take gigabytes for a picture of this size. They are computed some rows at a time, which gives the \
     same picture in less memory and takes longer."
    "大きな画像を帯に分けて復号します"
    "この大きさの画像では VAE の最後の層が何ギガバイトも使います。数行ずつ計算するので、同じ画像が少ないメモリーで得られますが、時間は長く\
     かかります。"

    E1201 NO_SCRIPT "there is no such script"
    "Of webui's scripts lbw has LoRA Block Weight. Others that are switched on would change the picture, so it is not drawn without \
     them; an always-on script whose arguments are all empty or false is off and does no harm."
    "そのスクリプトはありません"
    "webui のスクリプトのうち lbw にあるのは LoRA Block Weight だけです。ほかのスクリプトが有効だと別の画像になるので描画しません。\
     引数がすべて空か false の常時有効スクリプトは、切ってあるものとして無視します。"
    W1202 STYLE_LEFT_OUT "a style that there is not was left out"
    "webui leaves out styles that it does not know without a word. `GET /sdapi/v1/prompt-styles` lists those there are."
    "ないスタイルは省かれました"
    "webui は知らないスタイルを黙って省きます。あるものは `GET /sdapi/v1/prompt-styles` で分かります。"
    W1203 SIDE_ROUNDED "the sides of the picture were rounded down"
    "The latent has one value for eight pixels, so webui draws a picture of 517x515 as one of 512x512. Ask for multiples of 8."
    "画像の辺が切り捨てられました"
    "潜在画像は 8 画素に一つの値なので、webui は 517x515 の画像を 512x512 で描きます。8 の倍数を指定してください。"
    E1204 NEEDS_AUTH "the server would be open to everybody"
    "Beyond this machine anybody who reaches the port could draw, see the prompts and fill the disk. Give credentials with \
     `--api-auth USER:PASS`, or say `--insecure-no-auth` where something else guards the port."
    "サーバーが誰にでも開かれてしまいます"
    "このマシンの外からポートに届く人は誰でも描画でき、プロンプトを見られます。`--api-auth 利用者:パスワード` を付けるか、\
     ほかのものがポートを守っているなら `--insecure-no-auth` を付けてください。"
    E1205 CANNOT_LISTEN "the address cannot be listened on"
    "Another program may have the port: `--port 0` takes any free one, `--port N` another."
    "このアドレスでは待ち受けできません"
    "ほかのプログラムがそのポートを使っているかもしれません。`--port 0` は空いているものを、`--port N` は N を使います。"
    W1206 NO_BROWSER "the page could not be opened in a browser"
    "The server runs. Its address is on standard output: open it in any browser of this machine."
    "ページをブラウザーで開けませんでした"
    "サーバーは動いています。アドレスは標準出力にあります。このマシンのブラウザーで開いてください。"

    E1401 PRESET_EXISTS "there is a preset of this name already"
    "A preset is never overwritten by a suggestion. Choose another name, or take the old one out of its file first."
    "この名前のプリセットはすでにあります"
    "提案が既存のプリセットを上書きすることはありません。別の名前にするか、古いものをファイルから消してください。"
    W1402 NOT_SAVED "there is no vector to save"
    "Nothing was suggested, so there is no preset to write. The report says why."
    "保存するベクトルがありません"
    "提案がなかったので、書くプリセットがありません。理由はレポートにあります。"
    N1403 PRESET_SAVED "a suggestion was saved as a preset"
    "It goes into the last preset file that is read (`--presets`, or the extension's lbwpresets.txt of `--webui-dir`); where there is \
     none, into `presets.yaml` in the folder of the report."
    "提案をプリセットとして保存しました"
    "保存先は、読み込むプリセットファイルのうち最後のもの (`--presets`、または `--webui-dir` の拡張機能の lbwpresets.txt) です。\
     それがなければ、レポートのフォルダーの `presets.yaml` です。"
    E1404 GOAL "this is nothing that can be tuned for"
    "`--keep` takes character, composition, style, motif, colors, lines; `--toward` takes base-colors, base-lines, base-style, \
     base-composition or a picture; `--away` takes pictures. Several are separated by commas, and `=` gives one its weight: \
     `--toward base-colors=2,base-lines`."
    "この目標では調整できません"
    "`--keep` には character、composition、style、motif、colors、lines を、`--toward` には base-colors、base-lines、base-style、\
     base-composition か画像を、`--away` には画像を書きます。コンマで区切って並べ、`=` で重みを付けます: `--toward base-colors=2,base-lines`。"
    E1405 BOUND "a block cannot be held so"
    "`--fix M00=1` keeps the weight of a block, `--fix OUT05=0.5..1.2` says what it may be. Without a word a block may be anything from \
     0 to 1."
    "ブロックの重みをこうは決められません"
    "`--fix M00=1` は重みを固定し、`--fix OUT05=0.5..1.2` は範囲を決めます。指定のないブロックは 0 から 1 までです。"
}
