//! What people really paste and type, row by row: what every reader makes of it. Prompts alone, and the same as a line of a prompt
//! file, are said the same about.

use std::path::Path;
use std::sync::OnceLock;

use lbw::app::batch::{Batch, Wish};
use lbw::app::{Caller, Places, Session, words};
use lbw::diagnostic::{Diagnostic, Language, Severity};
use lbw::plan::{Patch, Plan};

/// The built-in model, its LoRAs `house`, `night`, `overcooked`, and nothing else.
fn session() -> &'static Session {
    static SESSION: OnceLock<Session> = OnceLock::new();
    SESSION.get_or_init(|| session_with(Caller::default()))
}

fn session_with(caller: Caller) -> Session {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    Session::open(&Places { cache, ..Places::default() }, caller).unwrap()
}

/// What words are planned as, and everything that is said about them.
fn of_words(text: &str) -> (Vec<Plan>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let asked = words(text, &mut found).and_then(|entry| session().ask(entry, &mut found));
    match asked {
        Ok(asked) => {
            let (plans, said) = session().plan(&asked);
            found.extend(said);
            (plans, found)
        }
        Err(error) => {
            found.extend(error.findings);
            (Vec::new(), found)
        }
    }
}

/// What a file of this name is planned as.
fn of_file(name: &str, bytes: impl AsRef<[u8]>) -> (Vec<Plan>, Vec<Diagnostic>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    of_path(&path)
}

fn of_path(path: &Path) -> (Vec<Plan>, Vec<Diagnostic>) {
    let wish = Wish { inputs: vec![path.to_owned()], ..Wish::default() };
    match Batch::prepare(session(), &wish) {
        Ok(batch) => {
            let found = batch.findings();
            (batch.plans(0).collect::<Result<_, _>>().unwrap(), found)
        }
        Err(error) => (Vec::new(), error.findings),
    }
}

/// Code, what is pointed at, and a word of the advice (or of the message, where there is none to give).
type Said<'a> = (&'a str, &'a str, &'a str);

fn summary(found: &[Diagnostic]) -> Vec<String> {
    let one = |d: &Diagnostic| {
        format!(
            "{} at `{}`: {} {:?}",
            d.code,
            d.pointed_at().unwrap_or_default(),
            &*d.message,
            d.help.first().map(|h| h.to_string())
        )
    };
    found.iter().map(one).collect()
}

#[track_caller]
fn assert_said(text: &str, found: &[Diagnostic], expected: &[Said]) {
    for (code, place, word) in expected {
        let said = found.iter().find(|d| d.code == *code && d.pointed_at().unwrap_or_default() == *place);
        let said = said.unwrap_or_else(|| panic!("{text}: no {code} at `{place}` in {:#?}", summary(found)));
        let words: Vec<&str> = said.help.iter().chain(&said.notes).chain([&said.message]).map(|t| &**t).collect();
        assert!(words.iter().any(|w| w.contains(word)), "{text}: no `{word}` in {words:?}");
        speaks_japanese(said);
    }
    let codes: Vec<_> = found.iter().map(|d| d.code.id).collect();
    let mut others: Vec<_> = codes.iter().filter(|code| !expected.iter().any(|(e, ..)| e == *code)).collect();
    others.sort();
    assert!(others.is_empty(), "{text}: {others:?} in {:#?}", summary(found));
}

#[track_caller]
fn speaks_japanese(said: &Diagnostic) {
    let is_japanese = |c: char| ('\u{3040}'..='\u{30ff}').contains(&c) || ('\u{4e00}'..='\u{9fff}').contains(&c);
    for text in [&said.message].into_iter().chain(&said.help).chain(&said.notes) {
        assert!(text.in_language(Language::Ja).chars().any(is_japanese), "{text:?}");
    }
}

/// A prompt is said this about, alone and as a line of a prompt file.
#[track_caller]
fn prompt(text: &str, expected: &[Said]) {
    let (plans, found) = of_words(text);
    assert_said(text, &found, expected);
    let is_wrong = found.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(plans.is_empty(), is_wrong, "{text}");
    if !text.contains("--") && !text.contains('\n') && !text.is_empty() {
        let (plans, found) = of_file("prompts.txt", format!("{text}\n"));
        let own: Vec<_> = found.into_iter().filter(|d| d.code != "W0614" && d.code != "E0613").collect();
        assert_said(text, &own, expected);
        assert_eq!(plans.is_empty(), is_wrong, "{text}");
    }
}

const TWELVE: &str = "1,1,1,1,1,1,1,1,1,1,1,1";

#[test]
fn names_in_tags_that_nobody_reads() {
    prompt("a <lora:house:1:LBW=XLOUT>", &[("W0240", "LBW=XLOUT", "did you mean `lbw=XLOUT`?")]);
    prompt("a <lora:house:1:lwb=XLOUT>", &[("W0240", "lwb=XLOUT", "did you mean `lbw=XLOUT`?")]);
    prompt("a <lora:house:1:lbw =XLOUT>", &[("W0240", "lbw =XLOUT", "did you mean `lbw=XLOUT`?")]);
    prompt("a <lora:house:1:Lbwe=ATTNDEEPON>", &[("W0240", "Lbwe=ATTNDEEPON", "`lbwe=ATTNDEEPON`")]);
    prompt("a <lora:house:1:Stop=10>", &[("W0240", "Stop=10", "did you mean `stop=10`?")]);
    prompt("a <lora:house:1:end=10>", &[("W0240", "end=10", "did you mean `stop=10`?")]);
    prompt("a <lora:night:begin=10>", &[("W0240", "begin=10", "did you mean `start=10`?")]);
    prompt("a <lora:house:1:weight=0.5>", &[("W0240", "weight=0.5", "behind the LoRA's name")]);
    prompt("a <lora:house:Strength=0.5>", &[("W0240", "Strength=0.5", "`0.5` behind")]);
    prompt("a <lora:house:1: te=0.5>", &[("W0240", " te=0.5", "`te=0.5`")]);
    prompt("a <lyco:house:1:colour=red>", &[("W0240", "colour=red", "there are te=")]);
    prompt("a <lora:house:1:1:8:0.5>", &[("W0240", "0.5", "<lora:name:TE:UNET:DYN:lbw=…>")]);
    prompt("a <lora:house:te=1:te=0.5>", &[("W0240", "te=0.5", "keep one")]);
    for fine in ["<lora:house:te=0.5:unet=1>", "<lora:house:1:lbw=XLOUT>", "<lora:house:1:1:8>", "<lora:house>"] {
        prompt(&format!("a {fine}"), &[]);
    }
}

#[test]
fn names_in_the_place_of_numbers() {
    prompt("a <lora:house:0.6:PALETTE>", &[("E0207", "PALETTE", "lbw=PALETTE")]);
    prompt("a <lora:house:MY_FACE>", &[("E0207", "MY_FACE", "--presets")]);
    prompt("a <lora:house:1:lbw=XYZ>", &[("E0201", "XYZ", "`lbw xyz`")]);
    prompt("a <lora:night:1:1:lbw=ZYX>", &[("E0201", "ZYX", "`lbw analyze`")]);
}

#[test]
fn tags_that_are_not_closed() {
    prompt("x <lora:house:1", &[("W0241", "<lora:house:1", "write `<lora:house:1>`"), ("W0106", ":1", "")]);
    prompt("x <lora:house:1, y", &[("W0241", "<lora:house:1", "`<lora:house:1>`")]);
    prompt("x <lyco:house:1 y", &[("W0241", "<lyco:house:1", "not closed")]);
    let vector = format!("x <lora:house:1:1:lbw={TWELVE}");
    prompt(&vector, &[("W0241", vector.strip_prefix("x ").unwrap(), TWELVE)]);
    let swallowed = [("W0241", "<lora:house:1, y ", "`>`"), ("E0207", "1, y <lora", "is a `>` missing")];
    prompt("x <lora:house:1, y <lora:night:1>", &swallowed);
    let found = of_words("x <lora:house <lora:night:1>").1;
    assert!(found.iter().any(|d| d.code == "W0241"), "{found:#?}");
}

#[test]
fn tags_that_are_none() {
    prompt("x ＜lora：house：1＞", &[("W0242", "＜lora：house：1＞", "write `<lora:house:1>`")]);
    prompt("x <lora：house：1>", &[("W0242", "<lora：house：1>", "write `<lora:house:1>`")]);
    prompt("x < lora:house:1>", &[("W0242", "< lora:house:1>", "write `<lora:house:1>`")]);
    prompt("x <lora house:1>", &[("W0242", "<lora house:1>", "write `<lora:house:1>`")]);
    prompt(
        "x <lora :night:0.5:lbw=XLOUT>",
        &[("W0242", "<lora :night:0.5:lbw=XLOUT>", "`<lora:night:0.5:lbw=XLOUT>`")],
    );
    prompt("x 〈lora:house:１〉", &[("W0242", "〈lora:house:１〉", "`<lora:house:1>`")]);
    prompt("x &lt;lora:house:1&gt;, y", &[("W0242", "&lt;lora:house:1&gt;", "`<lora:house:1>`")]);
    prompt("x lora:house:0.8, y", &[("W0242", "lora:house:0.8", "`<lora:house:0.8>`")]);
    prompt("x <lora>", &[("W0242", "<lora>", "<lora:NAME:1>")]);
    prompt("x <lora;house;1>", &[("W0242", "<lora;house;1>", "`<lora:house:1>`")]);
    for [open, close] in [["(", ")"], ["[", "]"]] {
        prompt(&format!("x, {open}lora:house:0.8{close}"), &[("W0242", "lora:house:0.8", "`<lora:house:0.8>`")]);
    }
    prompt("x <lora:house：0.8>", &[("E0218", "house：0.8", "half-width")]);
    prompt("x <lora:house:0．8>", &[("E0207", "0．8", "`0.8`")]);
}

#[test]
fn vectors_with_other_separators() {
    for separator in ["，", "、", " ", ".", ";", ", ", "　"] {
        let vector = TWELVE.replace(',', separator);
        if separator == ", " {
            // Spaces around numbers do not count.
            prompt(&format!("a <lora:house:1:lbw={vector}>"), &[]);
            continue;
        }
        prompt(&format!("a <lora:house:1:lbw={vector}>"), &[("E0201", &vector, &format!("write `{TWELVE}`"))]);
    }
    let mixed = "0.5、1.0、0，0 0 0 0 1 1 1 1 1";
    prompt(&format!("a <lora:house:1:lbw={mixed}>"), &[("E0201", mixed, "write `0.5,1.0,0,0,0,0,0,1,1,1,1,1`")]);
}

#[test]
fn loras_and_parts() {
    let text = "a AND b [<lora:house:0.7:lbw=XLMID>] AND c [<lora:night:0.8>]";
    prompt(text, &[("N0107", "AND", "LoRAs act on all parts")]);
    prompt("a AND b", &[("N0107", "AND", "`and`")]);
}

#[test]
fn wildcards_and_braces() {
    prompt("a __color__ cat", &[("W0120", "__color__", "wildcards are not expanded")]);
    prompt("a __animals/cat-*__, __b__", &[("W0120", "__animals/cat-*__", "1 more")]);
    prompt("{red|blue} hair", &[("W0120", "{red|blue}", "`[red|blue]`")]);
    prompt("{2$$a|b|c}, d", &[("W0120", "{2$$a|b|c}", "`[a|b|c]`")]);
    prompt(
        "{0.5::red|2::blue} hair, ${x=y}",
        &[("W0120", "${x=y}", "text"), ("W0120", "{0.5::red|2::blue}", "one of them")],
    );
    prompt("{red|blue} [cat:dog:0.5]", &[("W0120", "{red|blue}", ""), ("W0103", "|", "`\\|`")]);
    prompt("(red|blue) hair", &[("W0103", "|", "`[a|b]`")]);
    prompt("{{masterpiece}}, cat", &[("N0121", "{{masterpiece}}", "`(masterpiece:1.1)`")]);
}

#[test]
fn words_of_extensions() {
    prompt("2girls ADDCOMM sunset ADDBASE red ADDCOL blue", &[("W0122", "ADDCOMM", "2 more")]);
    prompt("sky ADDROW sea", &[("W0122", "ADDROW", "`AND`")]);
    prompt("cat COUPLE(0 0.5) dog", &[("W0122", "COUPLE(", "does not have")]);
}

#[test]
fn comments_in_the_middle() {
    prompt("mutual#kiss, twintails", &[("N0123", "#kiss, twintails", "a comment from here")]);
    prompt(
        "#ff0000 dress, blue eyes",
        &[("N0123", "#ff0000 dress, blue eyes", ""), ("W0128", "#ff0000 dress, blue eyes", "")],
    );
    prompt("woman, full body ### face, limbs", &[("N0123", "### face, limbs", "leave out")]);
    assert_eq!(of_words("# a note of mine\na cat\n## another").1, []);
}

#[test]
fn brackets_without_a_partner() {
    prompt("(masterpiece, best quality, 1girl", &[("W0124", "(", "add `)`")]);
    prompt("red hair), smile", &[("W0124", ")", "add `(`")]);
    prompt("red hair:1.2), smile", &[("W0124", ")", "drawn as text")]);
    prompt("red ((circle)", &[("W0124", "(", "weighs everything behind it")]);
    prompt("(((a), [b", &[("W0124", "(", "2 more brackets")]);
    prompt("a cat], b", &[("W0124", "]", "`\\]`")]);
    // Mouths are meant as they are.
    for fine in [":), smile", "smile ;)", "a \\(b\\)", "[a:b:0.5]", "((a)), [b]"] {
        prompt(fine, &[]);
    }
    let (_, found) = of_words("cat\nNegative prompt: (bad, worse\nSteps: 3, Sampler: Euler, Seed: 1, Size: 64x64");
    assert_said("negative", &found, &[("W0124", "(", "add `)`")]);
    assert_eq!(found[0].source.as_ref().unwrap().name.as_ref(), "negative prompt");
}

#[test]
fn full_width_signs() {
    prompt("（赤い髪：1.2）, cat", &[("W0125", "（赤い髪：1.2）", "`(赤い髪:1.2)`")]);
    prompt("(赤い髪：1.2), cat", &[("W0125", "(赤い髪：1.2)", "`(赤い髪:1.2)`")]);
    prompt("(red hair：１．２)", &[("W0125", "(red hair：１．２)", "`(red hair:1.2)`")]);
    prompt("赤い髪，青い目", &[("W0125", "，", "`,`")]);
    prompt("［cat：dog：0.5］", &[("W0125", "［cat：dog：0.5］", "`[cat:dog:0.5]`")]);
    prompt("[cat：dog：0.5]", &[("W0125", "[cat：dog：0.5]", "`[cat:dog:0.5]`")]);
    prompt("[cat｜dog]", &[("W0125", "[cat｜dog]", "`[cat|dog]`")]);
    for fine in ["赤い髪、青い目。笑顔", "「看板」に『文字』", "少女:笑顔", "１人の少女"] {
        prompt(fine, &[]);
    }
}

#[test]
fn weights_that_are_none() {
    prompt("(red hair:1,2), cat", &[("W0126", "(red hair:1,2)", "`(red hair:1.2)`")]);
    prompt("(red hair:1. 2), cat", &[("W0126", "(red hair:1. 2)", "`(red hair:1.2)`")]);
    prompt("a [cat:1.2]", &[("W0113", "1.2", "`(text:1.2)`")]);
    prompt("a [cat:dog:1.0]", &[("W0113", "1.0", "below 1")]);
}

#[test]
fn options_inside_a_prompt() {
    prompt("red circle --neg blue", &[("W0127", "--neg", "`--negative-prompt`")]);
    prompt("red circle —steps 20", &[("W0127", "—steps", "`--steps`")]);
    prompt("red circle --ar 16x9 --v 5", &[("W0127", "--ar", "1 more")]);
    for fine in ["a cat — alone in the rain", "a cat —alone", "x-ray -- a study"] {
        prompt(fine, &[]);
    }
}

#[test]
fn nothing_to_draw() {
    prompt("", &[("W0128", "", "empty")]);
    assert_said("spaces", &of_words("  \n ").1, &[("W0128", "  \n ", "empty")]);
}

/// The findings about a preset file.
fn preset_file(name: &str, text: &str) -> Vec<Diagnostic> {
    let (file, mut found) = match name {
        "elempresets.txt" => lbw::preset::webui::elements(name, text),
        _ => lbw::preset::webui::weights(name, text),
    };
    found.extend(lbw::plan::check::preset_file(&file));
    found
}

#[test]
fn presets_with_full_width_signs() {
    let says = |line: &str, meant: &str| {
        let found = preset_file("lbwpresets.txt", line);
        assert_said(line, &found, &[("W0403", line, meant)]);
    };
    says("FACE：1,0,0,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "FACE:1,0,0,1,1,1,1,1,1,1,1,1,1,1,1,1,1");
    says("FW:1，0，0，1，0，0，1，0，0，1，0，0", "FW:1,0,0,1,0,0,1,0,0,1,0,0");
    says("JA：1、0、0、1、0、0、1、0、0、1、0、0", "JA:1,0,0,1,0,0,1,0,0,1,0,0");
    says("EQ=1,0,0,1,0,0,1,0,0,1,0,0", "EQ:1,0,0,1,0,0,1,0,0,1,0,0");
    says("SP: 1 0 0 1 0 0 1 0 0 1 0 0", "SP:1,0,0,1,0,0,1,0,0,1,0,0");
    says("NC 1,0,0,1,0,0,1,0,0,1,0,0", "NC:1,0,0,1,0,0,1,0,0,1,0,0");
    says("1,0,0,1,0,0,1,0,0,1,0,0", "NAME:1,0,0,1,0,0,1,0,0,1,0,0");
    says(":1,0,0,1,0,0,1,0,0,1,0,0", "name before");
    assert_eq!(preset_file("lbwpresets.txt", "# mine：1,0,0\nnotes of mine\n\n"), []);
    let found = preset_file("elempresets.txt", "ATT：M00：attn：0.5");
    assert_said("elements", &found, &[("W0403", "ATT：M00：attn：0.5", "ATT:M00:attn:0.5")]);
}

#[test]
fn element_words_that_match_nothing() {
    let says = |rules: &str, word: &str, help: &str| {
        let found = preset_file("elempresets.txt", &format!("ATT:{rules}"));
        assert_said(rules, &found, &[("W0340", word, help)]);
    };
    says("MID:attn:0.5", "MID", "the block is called M00");
    says("IN4 M00:attn:0.5", "IN4", "the block is called IN04");
    says("in04:attn:0.5", "in04", "the block is called IN04");
    says("NOT Mid:attn:0.5", "Mid", "the block is called M00");
    says("M00:ATTN:0.5", "ATTN", "write `attn`");
    says("IN04:to_k To_Q:0.5", "To_Q", "write `to_q`");
    let found = preset_file("elempresets.txt", "ATT:MID-OUT05:attn:0.5");
    assert_said("range", &found, &[("E0301", "MID", "the block is called M00")]);
    for fine in ["M00:attn:1", "IN:attn1 ff:1", "::1", "NOT BASE:proj_in:0", "input_blocks_4:to_out:1", "NOT:NOT:1"] {
        assert_eq!(preset_file("elempresets.txt", &format!("ATT:{fine}")), [], "{fine}");
    }
}

fn caller(pairs: &[(&str, &str)]) -> Caller {
    let mut patch = Patch::default();
    pairs.iter().for_each(|(name, value)| patch.read(name, value).unwrap());
    Caller { patch, ..Caller::default() }
}

/// What infotext says in every row below, but for the row's own.
const REST: &str = "CFG scale: 4, Seed: 3, Size: 128x128";

/// A pasted text and the same text in a file are planned alike and said the same about; gives the plans and the findings.
#[track_caller]
fn pasted(text: &str, expected: &[Said]) -> Vec<Plan> {
    let (plans, found) = of_words(text);
    assert_said(text, &found, expected);
    let (of_file, found) = of_file("pasted.txt", format!("{text}\n"));
    assert_said(text, &found, expected);
    let plain = |plans: &[Plan]| plans.iter().map(lbw::app::json).collect::<Vec<_>>();
    assert_eq!(plain(&plans), plain(&of_file), "{text}");
    plans
}

#[track_caller]
fn one(plans: &[Plan]) -> &Plan {
    assert_eq!(plans.len(), 1);
    &plans[0]
}

#[test]
fn upscalers_are_never_replaced() {
    for upscaler in ["R-ESRGAN 4x+ Anime6B", "4x-UltraSharp", "NoSuchUpscaler"] {
        let text = format!(
            "a red house\nSteps: 5, Sampler: Euler a, {REST}, Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: {upscaler}"
        );
        for (plans, found) in [of_words(&text), of_file("p.txt", format!("{text}\n")), of_file("p.png", png(&text))] {
            let used: Vec<_> =
                plans.iter().flat_map(|plan| &plan.later).map(|pass| format!("{:?}", pass.start)).collect();
            assert!(used.iter().all(|start| start.contains(upscaler)), "{upscaler}: {used:?}");
            assert!(!plans.is_empty() || found.iter().any(|d| d.code == "E0611"), "{upscaler}: {:?}", summary(&found));
        }
    }
}

/// A small PNG with this infotext.
fn png(parameters: &str) -> Vec<u8> {
    lbw::image_io::encode_png(&image::RgbImage::new(8, 8), parameters, None).unwrap()
}

#[test]
fn a_schedule_type_that_there_is_not_leaves_the_sampler() {
    for schedule in ["Turbo", "Align Your Steps 32", "linear_quadratic"] {
        let plans = pasted(
            &format!("a\nSteps: 5, Sampler: Euler, Schedule type: {schedule}, {REST}"),
            &[("W0607", "Schedule type", "")],
        );
        let settings = &one(&plans).first.settings;
        assert_eq!((settings.sampler.label(), settings.schedule_type.label()), ("Euler", "Automatic"), "{schedule}");
    }
}

#[test]
fn samplers_of_other_programs_lead_to_one_that_there_is() {
    for (name, take) in [
        ("Euler a CFG++", "Euler a"),
        ("Euler SMEA Dy", "Euler"),
        ("HeunPP2", "Heun"),
        ("DEIS", "DPM++ 2M"),
        ("TCD", "LCM"),
        ("DDPM", "Euler a"),
        ("Eular a", "Euler a"),
    ] {
        pasted(&format!("a\nSteps: 5, Sampler: {name}, {REST}"), &[("W0604", name, &format!("`{take}`"))]);
    }
    let found = of_words(&format!("a\nSteps: 5, Sampler: Zaphod, {REST}")).1;
    assert!(found[0].help.iter().any(|help| help.contains("--sampler help")), "{:?}", summary(&found));
}

#[test]
fn a_hires_size_of_nothing_is_the_factor() {
    let text = format!(
        "a\nSteps: 5, Sampler: Euler, {REST}, Denoising strength: 0.4, Hires upscale: 2, Hires resize: 0x0, Hires upscaler: Latent"
    );
    let plan = &pasted(&text, &[])[0];
    assert_eq!(plan.size(), (256, 256));
}

#[test]
fn parameters_that_webui_loses_are_read() {
    let told = "Steps: 5, Sampler: Euler a, CFG scale: 4,";
    let broken = format!("a cat\nNegative prompt: dog\n{told}\nSeed: 3, Size: 128x128,\nModel: x, Version: v1.10.1");
    let mut plans = pasted(&broken, &[("N0640", told, "3 lines")]);
    let whole = format!("Steps: 5, Sampler: Euler a, {REST}");
    let tail = "Time taken: 3.2 sec.";
    let followed = format!("a cat\nNegative prompt: dog\n{whole}\n{tail}\nA: 2.41 GB, R: 3.29 GB, Sys: 4.1/8 GB (51%)");
    plans.extend(pasted(&followed, &[("N0640", tail, "a line follows")]));
    let other = format!("a cat\nNegative prompt: dog\n{whole}\nposted by somebody");
    plans.extend(pasted(&other, &[("N0640", "posted by somebody", "")]));
    let one_line = format!("a cat Negative prompt: dog {whole}");
    plans.extend(pasted(&one_line, &[("N0640", whole.as_str(), "one line")]));
    let list = format!("a cat\nNegative prompt: dog\nSteps: 5\nSampler: Euler a\n{}", REST.replace(", ", "\n"));
    plans.extend(pasted(&list, &[("N0640", "Steps: 5", "5 lines")]));
    for plan in &plans {
        let s = &plan.first.settings;
        assert_eq!((s.steps, s.sampler.label(), s.seed, s.width), (5, "Euler a", 3, 128));
        assert_eq!((plan.first.prompt.as_str(), plan.first.negative_prompt.as_str()), ("a cat", "dog"));
    }
    let empty = pasted(&format!("a car Negative prompt: {whole}"), &[("N0640", whole.as_str(), "")]);
    assert_eq!((empty[0].first.prompt.as_str(), empty[0].first.negative_prompt.as_str()), ("a car", ""));
    let (plans, found) = of_words("a car Negative prompt: bad hands");
    assert_said("no parameters", &found, &[("N0640", "Negative prompt: bad hands", "inside a line")]);
    assert_eq!(plans[0].first.negative_prompt, "bad hands");
}

#[test]
fn several_infotexts_at_once() {
    let text = format!("a cat\nSteps: 5, Sampler: Euler, {REST}\n\nb\nSteps: 6, Sampler: Euler, {REST}");
    let found = of_words(&text).1;
    assert!(found.iter().any(|d| d.code == "W0644" && d.help[0].contains("lbw batch")), "{:?}", summary(&found));
    let (plans, found) = of_file("p.txt", format!("{text}\n"));
    assert_eq!((plans.iter().map(|p| p.first.settings.steps).collect::<Vec<_>>(), found), (vec![5, 6], vec![]));
}

const CIVITAI: &str = "a cat, <lora:house:1>\nNegative prompt: bad\nSteps: 25, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 128x128, Clip skip: 2, \
    Created Date: 2024-05-07T13:14:19.5893183Z, Civitai resources: RESOURCES, Civitai metadata: {}";

#[test]
fn civitais_infotexts_are_drawn() {
    let model =
        r#"{"type":"checkpoint","modelVersionId":290640,"modelName":"Pony Diffusion V6 XL","modelVersionName":"V6"}"#;
    let lora = |name: &str| {
        format!(
            r#"{{"type":"lora","weight":0.8,"modelVersionId":382152,"modelName":"{name}","modelVersionName":"v1"}}"#
        )
    };
    let text = CIVITAI.replace("RESOURCES", &format!("[{model}]"));
    let plans = pasted(&text, &[]);
    assert_eq!((plans[0].first.settings.steps, plans[0].first.settings.clip_skip), (25, 2));
    // LoRAs beside the prompt are named, whatever their number.
    let text = CIVITAI.replace("RESOURCES", &format!("[{model},{},{}]", lora("Expressive_H"), lora("Detail, more")));
    let plans = pasted(&text, &[("W0641", "Civitai resources", "Expressive_H (0.8), Detail, more (0.8)")]);
    assert_eq!(plans[0].first.settings.seed, 3);
    let (plans, found) = of_file("p.png", png(&text));
    assert_eq!((plans.len(), found.len()), (1, 1), "{:?}", summary(&found));
    // That of the prompt is one of them.
    pasted(&CIVITAI.replace("RESOURCES", &format!("[{model},{}]", lora("house"))), &[]);
}

#[test]
fn seeds_beyond_the_signed_ones() {
    for seed in [9_223_372_036_854_775_808, 13_835_058_055_282_163_712, u64::MAX] {
        let texts = [
            ("p.txt", format!("a\nSteps: 5, Sampler: Euler, Size: 64x64, Seed: {seed}\n")),
            ("k.txt", format!("a --d {seed} --s 5\n")),
            ("w.txt", format!("--prompt a --seed {seed}\n")),
            ("j.jsonl", format!("{{\"prompt\":\"a\",\"seed\":{seed}}}\n")),
            ("c.csv", format!("prompt,seed\na,{seed}\n")),
        ];
        for (name, text) in texts {
            assert_eq!(one(&of_file(name, &text).0).first.settings.seed, seed, "{name}");
        }
    }
}

#[test]
fn sizes_that_are_no_eighths() {
    let (plans, found) = of_words("a\nSteps: 5, Sampler: Euler, Size: 1000x1500, Seed: 1");
    assert!(plans.is_empty() && found[0].code == "E0609" && found[0].help[0].contains("1504"), "{:?}", summary(&found));
}

#[test]
fn a_strength_without_a_second_pass() {
    let text = format!("a\nSteps: 5, Sampler: Euler, {REST}, Denoising strength: 0.5");
    let (plans, found) = of_file("p.txt", format!("{text}\n"));
    assert_eq!(
        (plans.len(), found.len(), found[0].code.id, found[0].notes.len()),
        (1, 1, "W0610", 1),
        "{:?}",
        summary(&found)
    );
    assert_eq!(of_words(&text).1[0].code, "W0610");
}

#[test]
fn files_in_other_encodings() {
    let utf16 = |mark: &str| format!("{mark}red house\n").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    assert_eq!(one(&of_file("p.txt", utf16("\u{feff}")).0).first.prompt, "red house");
    for (bytes, name) in [
        (
            b"\x90\xd4\x82\xa2\x94\xaf\x82\xcc\x8f\xad\x8f\x97\x81A\x8f\xce\x8a\xe7\x81A\x90\xc2\x82\xa2\x96\xda\n"
                .to_vec(),
            "CP932",
        ),
        (b"a caf\xe9 in M\xfcnchen, cr\xe8me br\xfbl\xe9e\n".to_vec(), "windows-1252"),
        (utf16(""), "UTF-16LE"),
    ] {
        let (plans, found) = of_file("p.txt", bytes);
        let is_named = found.iter().any(|d| d.code == "E0701" && d.help.iter().any(|help| help.contains(name)));
        assert!(plans.is_empty() && is_named, "{name}: {:?}", summary(&found));
    }
}

#[test]
fn files_that_ask_for_nothing_say_what_they_are() {
    for (name, text, word) in [
        ("mine.yaml", "presets:\n  A: 1\n", "preset file"),
        ("lbwpresets.txt", "A:1,1,1,1,1,1,1,1,1,1,1,1\n", "preset file"),
        ("x.safetensors", "\u{8}", "a model or a LoRA"),
        ("comfy.json", r#"{"last_node_id": 9, "nodes": [{"id": 7}], "links": []}"#, "ComfyUI workflow"),
        ("empty.txt", "\n\n", ""),
    ] {
        let (plans, found) = of_file(name, text);
        assert!(
            plans.is_empty() && (word.is_empty() || found.iter().any(|d| d.message.contains(word))),
            "{name}: {:?}",
            summary(&found)
        );
        found.iter().for_each(speaks_japanese);
    }
}

#[test]
fn ordinary_prompts_raise_no_alarm() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prompts/ordinary.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() >= 200);
    let is_alarm = |d: &&Diagnostic| d.severity > Severity::Note;
    for line in text.lines() {
        let found = of_words(line).1;
        let alarms: Vec<_> = found.iter().filter(is_alarm).cloned().collect();
        assert!(alarms.is_empty(), "{line}\n{:#?}", summary(&alarms));
    }
    let (plans, found) = of_path(&path);
    let alarms: Vec<_> = found.iter().filter(is_alarm).cloned().collect();
    assert!(alarms.is_empty(), "{:#?}", summary(&alarms));
    assert_eq!(plans.len(), text.lines().count());
}

/// One picture in every form that lbw reads: name of the file, its content.
fn every_form() -> Vec<(&'static str, Vec<u8>)> {
    let infotext = "red house <lora:house:0.8:lbw=XLOUT>, (blue sky:1.2)\nNegative prompt: gradient\n\
        Steps: 5, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4, Seed: 7, Size: 64x96";
    let prompt = "red house <lora:house:0.8:lbw=XLOUT>, (blue sky:1.2)";
    let csv = |separator: &str| {
        let rows = [
            ["prompt", "negative_prompt", "steps", "sampler", "cfg_scale", "seed", "size"],
            [&format!("\"{prompt}\""), "gradient", "5", "DPM++ 2M Karras", "4", "7", "64x96"],
        ];
        rows.map(|row| row.join(separator) + "\n").concat()
    };
    let json = serde_json::json!({ "Prompt": prompt, "Negative prompt": "gradient", "steps": 5, "sampler_name": "DPM++ 2M Karras", "cfg": 4,
        "seed": 7, "width": 64, "height": 96 });
    let comfy = serde_json::json!({
        "1": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 5, "cfg": 4, "sampler_name": "dpmpp_2m", "scheduler": "karras",
            "denoise": 1, "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "model": ["5", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt, "clip": ["5", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "gradient", "clip": ["5", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 96, "batch_size": 1}},
        "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "x.safetensors"}},
    });
    let texts: Vec<(&str, String)> = vec![
        ("infotext.txt", format!("{infotext}\n")),
        ("broken.txt", infotext.replace("CFG scale", "\nCFG scale")),
        (
            "webui.txt",
            format!(
                "--prompt \"{prompt}\" --negative_prompt gradient --steps 5 --sampler_name \"DPM++ 2M Karras\" --cfg_scale 4 --seed 7 --width 64 --height 96\n"
            ),
        ),
        ("kohya.txt", format!("{prompt} --n gradient --s 5 --ss dpmpp_2m_karras --l 4 --d 7 --w 64 --h 96\n")),
        ("table.csv", csv(",")),
        ("table.tsv", csv("\t")),
        ("semicolon.csv", csv(";")),
        ("lines.jsonl", format!("{json}\n")),
        ("array.json", format!("[{json}]")),
        (
            "kohya.toml",
            format!(
                "[prompt]\nwidth = 64\nheight = 96\nscale = 4\n[[prompt.subset]]\nprompt = '{prompt}'\nnegative_prompt = 'gradient'\nsample_steps = 5\n\
                     sample_sampler = 'dpmpp_2m_karras'\nseed = 7\n"
            ),
        ),
        ("graph.json", comfy.to_string()),
    ];
    let texts = texts.into_iter().map(|(name, text)| (name, text.into_bytes()));
    texts.chain([("picture.png", png(infotext)), ("folder/inner/picture.png", png(infotext))]).collect()
}

/// One reader: words, files, folders and pictures lead to the same plan, in `plan` (which reads as `txt2img` does), `batch` and `check`.
#[test]
fn one_reader_for_every_form() {
    let plain = |plan: &Plan| serde_json::to_value(plan).unwrap();
    let (wanted, found) = of_words(std::str::from_utf8(&every_form()[0].1).unwrap());
    assert_eq!((wanted.len(), found), (1, vec![]));
    let wanted = plain(&wanted[0]);
    for (name, bytes) in every_form() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let path = if name.starts_with("folder/") { dir.path().join("folder") } else { path };
        let (in_batch, said) = of_path(&path);
        let alarms: Vec<_> = said.iter().filter(|d| d.severity > Severity::Note).collect();
        assert!(alarms.is_empty(), "{name}: {:#?}", summary(&said));
        let mut found = Vec::new();
        let asked = session().ask_file(&path, &mut found).unwrap();
        let in_plan: Vec<Plan> = asked.iter().flat_map(|asked| session().plan(asked).0).collect();
        assert_eq!(in_batch.iter().map(plain).collect::<Vec<_>>(), std::slice::from_ref(&wanted), "{name} in batch");
        assert_eq!(in_plan.iter().map(plain).collect::<Vec<_>>(), std::slice::from_ref(&wanted), "{name} in plan");
    }
}

/// The form of ComfyUI's Inspire pack has prompts alone; the settings are the caller's.
#[test]
fn blocks_of_prompts_are_read_like_lines() {
    let session =
        session_with(Caller { is_default: true, ..caller(&[("seed", "7"), ("steps", "5"), ("size", "64x96")]) });
    let plans = |name: &str, text: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let path = dir.path().join(name);
        let batch = Batch::prepare(&session, &Wish { inputs: vec![path.clone()], ..Wish::default() }).unwrap();
        assert!(batch.findings().is_empty(), "{:?}", summary(&batch.findings()));
        let asked = session.ask_file(&path, &mut Vec::new()).unwrap();
        let in_plan: Vec<_> =
            asked.iter().flat_map(|asked| session.plan(asked).0).map(|plan| lbw::app::json(&plan)).collect();
        let in_batch: Vec<_> = batch.plans(0).map(|plan| lbw::app::json(&plan.unwrap())).collect();
        assert_eq!(in_plan, in_batch, "{name}");
        in_batch
    };
    let inspire = plans(
        "inspire.txt",
        "positive:red house <lora:house:1>\n\nnegative:gradient\n-----\npositive:blue star\nnegative:\n",
    );
    let webui = plans("webui.txt", "--prompt \"red house <lora:house:1>\" --negative_prompt gradient\nblue star\n");
    assert_eq!(inspire, webui);
}

#[test]
fn numbers_that_are_too_large_are_told() {
    // webui's own seeds go up to 64 bits; what is larger would be drawn as another one.
    let infotext = |seed: &str| format!("a\nSteps: 5, Sampler: Euler, Seed: {seed}, Size: 64x64");
    for seed in ["18446744073709551616", "99999999999999999999999", "-9223372036854775809"] {
        let (plans, found) = of_words(&infotext(seed));
        assert_said(seed, &found, &[("W0607", "Seed", "from 0 to 18446744073709551615")]);
        assert_eq!(plans.len(), 1);
        for (name, text) in [
            ("a.csv", format!("prompt,seed\na,{seed}\n")),
            ("a.jsonl", format!("{{\"prompt\":\"a\",\"seed\":\"{seed}\"}}\n")),
            ("a.txt", format!("--prompt a --seed {seed}\n")),
        ] {
            let (plans, found) = of_file(name, text);
            assert!(plans.is_empty() && found.iter().any(|d| d.code == "E0606"), "{name}: {:?}", summary(&found));
        }
    }
    let plan = &of_words(&infotext("18446744073709551615")).0[0];
    assert_eq!(plan.settings().seed, u64::MAX);
    let (_, found) = of_words("a\nSteps: 5, Seed: 1, Size: 64x64, ENSD: 99999999999999999999");
    assert_said("ENSD", &found, &[("W0607", "ENSD", "a whole number")]);
}

#[test]
fn sizes_with_other_signs() {
    let size = |size: &str| of_words(&format!("a\nSteps: 5, Sampler: Euler, Seed: 1, Size: {size}"));
    for text in ["64×96", "64*96", "64 x 96", "64X96"] {
        let (plans, found) = size(text);
        assert_said(text, &found, &[]);
        let settings = plans[0].settings();
        assert_eq!((settings.width, settings.height), (64, 96), "{text}");
    }
    for (text, meant) in [("512", "512x512"), ("wide", "512x768"), ("512×", "512x768")] {
        assert_said(text, &size(text).1, &[("W0607", "Size", &format!("a size such as {meant}"))]);
    }
}

#[test]
fn names_that_there_are_not_come_with_those_that_there_are() {
    let (plans, found) = of_words("a\nSteps: 5, Sampler: Euler, Schedule type: Turbo, Seed: 1, Size: 64x64");
    assert_said("Turbo", &found, &[("W0607", "Schedule type", "SGM Uniform")]);
    assert_eq!(plans[0].settings().sampler.label(), "Euler");
}

#[test]
fn what_is_measured_is_no_prompt() {
    let text = "a cat\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64\n\nTime taken: 3.2 sec.\n\nA: 2.41 GB, R: 3.1 GB, Sys: 4.1/8 GB (50%)\n";
    let two = format!("{text}\n\na dog\nSteps: 5, Sampler: Euler, Seed: 4, Size: 64x64\n");
    for (text, count) in [(text, 1), (two.as_str(), 2)] {
        let (plans, found) = of_file("a.txt", text);
        assert_eq!(plans.len(), count, "{:?}", summary(&found));
        assert_said(
            text,
            &found,
            &[("N0640", "Time taken: 3.2 sec.", "")].map(|(code, at, _)| (code, at, "left aside")),
        );
    }
}

#[test]
fn plans_are_no_prompts() {
    let plan = serde_json::to_string(&of_words("a cat").0[0]).unwrap();
    for text in [plan.clone(), format!("\n{plan}\n{plan}"), format!("{{\"file\":\"a.png\",\"plan\":{plan}}}")] {
        let (plans, found) = of_words(&text);
        assert!(plans.is_empty());
        assert_said(&text, &found, &[("E0716", "", "lbw run")]);
    }
}

#[test]
fn lines_that_are_no_options_are_advised() {
    let says = |line: &str, advice: &str| {
        let found = of_file("a.txt", format!("{line}\n")).1;
        let said = found.iter().find(|d| d.code == "E0613").unwrap_or_else(|| panic!("{line}: {:?}", summary(&found)));
        assert!(said.help.iter().any(|help| help.contains(advice)), "{line}: {:?}", summary(&found));
        speaks_japanese(said);
    };
    says("--prompt \"red\" --seed 7 —steps 5", "write `--steps`");
    says("--prompt \"red\" --sampler_name Euler a", "quotes");
    says("--prompt \"red\" --sampler_name DPM++ 2M Karras --steps 5", "quotes");
    says("#lbw steps=4 --seed 2", "`#lbw --steps 20`");
}

#[test]
fn a_prompt_has_several_names() {
    for name in ["Positive prompt", "positive_prompt", "text", "Caption"] {
        for (file, text) in [
            ("a.csv", format!("{name},seed\na cat,3\n")),
            ("a.jsonl", format!("{{\"{name}\":\"a cat\",\"seed\":3}}\n")),
        ] {
            let (plans, found) = of_file(file, text);
            assert_said(name, &found, &[]);
            assert_eq!(plans[0].passes().next().unwrap().prompt, "a cat", "{name}");
        }
    }
}

/// The plan of a prompt's tenth picture is made from the first one's, and is what the prompt with its seed is planned as.
#[test]
fn pictures_of_one_prompt_are_those_of_their_seeds() {
    let house = "a house <lora:house:1:lbw=R,R,1,1,1,1,1,1,1,1,1,1> [red:blue:0.5]";
    for (prompt, more) in [
        ("red house <lora:house:1:lbw=XLOUT> AND night", &[][..]),
        (house, &[]),
        ("a", &[("subseed_strength", "0.5"), ("subseed", "3")]),
        ("a", &[("hires", "true"), ("hr_scale", "1.5"), ("denoising_strength", "0.4")]),
    ] {
        let basic = [("seed", "7"), ("steps", "4"), ("size", "64x64"), ("n_iter", "4")];
        let session = session_with(caller(&[&basic[..], more].concat()));
        let mut found = Vec::new();
        let entry = words(prompt, &mut found).unwrap();
        let asked = session.ask(entry, &mut found).unwrap();
        let plans = session.plan(&asked).0;
        assert_eq!(plans.len(), 4, "{prompt} {found:?}");
        for (n, plan) in (0..).zip(&plans) {
            let mut request = asked.request.clone();
            match more.first() {
                Some(("subseed_strength", _)) => request.settings.subseed += n,
                _ => request.settings.seed += n,
            }
            assert_eq!(Some(plan), session.lower(&request, &session.presets).0.as_ref(), "{prompt}, picture {n}");
        }
    }
}

#[test]
fn an_infotext_in_a_cell_is_read_and_the_other_cells_win() {
    let text = "a cat\nNegative prompt: dog\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64";
    let json = serde_json::json!({ "prompt": text, "steps": 4 }).to_string();
    let csv = format!("prompt,steps\n\"{text}\",4\n");
    for (name, file) in [("a.jsonl", json + "\n"), ("a.csv", csv)] {
        let (plans, found) = of_file(name, file);
        let plan = one(&plans);
        let settings = &plan.first.settings;
        assert_eq!((plan.first.prompt.as_str(), plan.first.negative_prompt.as_str()), ("a cat", "dog"), "{name}");
        assert_eq!((settings.steps, settings.seed, settings.width), (4, 3, 64), "{name}: {:?}", summary(&found));
    }
}
