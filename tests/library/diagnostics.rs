//! Every surprise lbw knows of: its code, the place it points at, and its advice.

use std::collections::BTreeSet;

use lbw::block::Family;
use lbw::diagnostic::{Diagnostic, Language, Severity, Source, Style, code};
use lbw::plan::{Lowering, Request, Sampler, check, lower};
use lbw::preset::{PresetSet, webui, yaml};

/// A request for a 20-step SDXL image.
fn request(prompt: &str) -> Request {
    Request::new(prompt, "")
}

/// The built-in presets and some odd ones.
fn presets() -> PresetSet {
    let mut set = PresetSet::builtin().clone();
    set.add(webui::weights("mine.txt", "BAD:1,r,1,1,1,1,1,1,1,1,1,1\na,b:1,1,1,1,1,1,1,1,1,1,1").0);
    let rules =
        "SPACE:IN04:attn:0.3, OUT03:attn:0.7\n\nBLOCK:IN05-OUT99:attn:1\n\nSHORT:IN05:attn\n\nRATIO:M00:ff:high";
    set.add(webui::elements("elements.txt", rules).0);
    set
}

fn say(request: &Request) -> Lowering {
    lower(request, &presets())
}

/// Asserts one finding: its code, what it points at, and words of its advice.
#[track_caller]
fn assert_said(found: &[Diagnostic], code: &str, place: &str, help: &str) {
    let said = found.iter().find(|d| d.code == code).unwrap_or_else(|| panic!("no {code} in {found:#?}"));
    assert_eq!(said.pointed_at(), Some(place), "{said:#?}");
    assert!(said.help.iter().any(|h| h.contains(help)), "no `{help}` in {:#?}", said.help);
    assert!(said.render(Style::Plain, Language::En).contains(&format!("[{code}]")));
    assert_speaks_japanese(said);
    assert!(said.to_json(Language::En)["line"].is_u64());
}

/// Asserts that everything that is said in English is said in Japanese too, under the same code.
#[track_caller]
fn assert_speaks_japanese(said: &Diagnostic) {
    let labels = said.labels.iter().map(|label| &label.text);
    for text in labels.chain([&said.message]).chain(&said.notes).chain(&said.help).filter(|text| !text.is_empty()) {
        assert!(is_japanese(text.in_language(Language::Ja)), "{text:?}");
        assert!(!is_japanese(text.in_language(Language::En)), "{text:?}");
    }
    assert_eq!(said.to_json(Language::Ja)["code"], said.code.id);
    assert_eq!(said.to_json(Language::Ja)["message"], said.message.in_language(Language::Ja));
}

fn is_japanese(text: &str) -> bool {
    text.chars().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c) || ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn every_code_is_explained_in_both_languages() {
    for code in code::ALL {
        for text in [code.title(Language::Ja), code.explanation(Language::Ja)] {
            assert!(is_japanese(text), "{}: {text}", code.id);
        }
        for text in [code.title(Language::En), code.explanation(Language::En)] {
            assert!(!text.is_empty() && !is_japanese(text), "{}: {text}", code.id);
        }
        // What is to be typed is the same in every language.
        let (en, ja) = (code.explanation(Language::En), code.explanation(Language::Ja));
        for flag in ["lbw preset list", "--lbw-dialect", "te=0", "lbw=OUTD", "BASE,IN04"] {
            assert_eq!(en.contains(flag), ja.contains(flag), "{}: {flag}", code.id);
        }
    }
}

#[track_caller]
fn prompt_says(prompt: &str, code: &str, place: &str, help: &str) {
    let lowering = say(&request(prompt));
    assert_said(&lowering.diagnostics, code, place, help);
    let errors = lowering.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(lowering.plan.is_none(), errors, "a plan exactly where there is no error");
}

#[test]
fn block_weights_without_their_key() {
    prompt_says("<lora:a:1:OUTD>", "E0205", "OUTD", "lbw=OUTD");
    prompt_says("<lora:a:1:1,1,1,1,1,1,1,1,1,1,1,1>", "E0205", "1,1,1,1,1,1,1,1,1,1,1,1", "lbw=1,1");
    prompt_says("<lora:a:1:1:XLALL>", "E0205", "XLALL", "lbw=XLALL");
}

#[test]
fn unknown_presets() {
    prompt_says("x <lora:a:1:lbw=XLOUTT>", "E0201", "XLOUTT", "did you mean `XLOUT`?");
    prompt_says("<lora:a:1:lbw=xlmid>", "E0201", "xlmid", "did you mean `XLMID`?");
    prompt_says("<lora:a:1:lbw=OUTD >", "E0201", "OUTD ", "remove the spaces: `OUTD`");
    prompt_says("<lora:a:1:lbw=somethingelse>", "E0201", "somethingelse", "lbw preset list");
    prompt_says("<lora:a:1:lbwe=ATTNDEPON>", "E0217", "ATTNDEPON", "did you mean `ATTNDEEPON`?");
}

#[test]
fn vectors_of_a_wrong_length() {
    prompt_says("<lora:a:1:lbw=1,1,1>", "E0202", "1,1,1", "12 (SDXL)");
    prompt_says("<lora:a:1:lbw=a,b>", "E0202", "a,b", "12 (SDXL)");
}

#[test]
fn every_bad_entry_of_a_vector() {
    #[track_caller]
    fn says(prompt: &str, expected: &[(&str, &str)]) {
        let found = say(&request(prompt)).diagnostics;
        let said: Vec<_> = found.iter().map(|d| (d.code.id, d.pointed_at().unwrap_or_default())).collect();
        assert_eq!(said, expected);
    }
    let entries = [("E0204", "a"), ("E0204", ""), ("E0204", "0.x")];
    says("<lora:a:1:lbw=1,a,1,1,1,1,1,1,1,1,,0.x>", &entries);
    // The length is wrong as well.
    says("<lora:a:1:lbw=1,1,0.x>", &[("E0202", "1,1,0.x"), ("E0204", "0.x")]);
}

#[test]
fn preset_lines_that_do_not_count() {
    for count in [15, 19, 21] {
        let vector = vec!["1"; count].join(",");
        let (_, found) = webui::weights("lbwpresets.txt", &format!("# fine\nNAME:{vector}"));
        assert_said(&found, "W0403", &vector, "12, 17, 20, 26 or 61");
        assert_eq!(found[0].to_json(Language::En)["line"], 2);
    }
    let (_, found) = webui::weights("lbwpresets.txt", "A:1,1,1,1,1,1,1,1,1,1,1,1 #x");
    assert_said(&found, "W0403", "#x", "remove the `#`");
    let (_, found) = webui::weights("lbwpresets.txt", "a,b:1,1,1,1,1,1,1,1,1,1,1");
    assert_said(&found, "W0404", "a,b", "rename");
    let (_, found) = webui::weights("p.txt", "A:1,1,1,1,1,1,1,1,1,1,1,1\nA:0,0,0,0,0,0,0,0,0,0,0,0");
    assert_said(&found, "W0405", "A", "remove");
}

#[test]
fn vectors_of_another_family() {
    let found = say(&request("1girl, <lora:flat2:0.8:lbw=OUTD>")).diagnostics;
    assert_said(&found, "W0203", "OUTD", "the SDXL preset with this meaning is `XLOUT`");
    let expect = "\
warning[W0203]: weight vector has 17 entries, this checkpoint is SDXL (12 or 20)
 --> prompt:1:28
  |
1 | 1girl, <lora:flat2:0.8:lbw=OUTD>
  |                            ^^^^ preset from webui.yaml
  |
  = note: OUT00, OUT01 and OUT02 get 0; OUT09, OUT10 and OUT11 do not exist here
  = help: the SDXL preset with this meaning is `XLOUT`";
    assert_eq!(found[0].render(Style::Plain, Language::En), expect);
    let vector = vec!["1"; 61].join(",");
    prompt_says(&format!("<lora:a:lbw={vector}>"), "W0203", &vector, "BASE,IN04,IN05");
    let sd1 = Request { family: Family::Sd1, ..request("<lora:a:lbw=XLMID>") };
    assert_said(&say(&sd1).diagnostics, "W0203", "XLMID", "BASE,IN01,IN02");
    let flux = Request { family: Family::Flux, ..request("<lora:a:lbw=XLMID>") };
    assert_said(&say(&flux).diagnostics, "E0223", "XLMID", "61 numbers");
}

#[test]
fn entries_that_cannot_be_read() {
    prompt_says("<lora:a:lbw=1,r,1,1,1,1,1,1,1,1,1,1>", "E0204", "r", "`R` in capitals");
    prompt_says("<lora:a:lbw=1,,1,1,1,1,1,1,1,1,1,1>", "E0204", "", "write a number");
    prompt_says("<lora:a:lbw=BAD>", "E0204", "BAD", "`R` in capitals");
}

#[test]
fn the_base_of_x() {
    let vector = "X,1,1,1,1,1,1,1,1,1,1,1";
    prompt_says(&format!("<lora:a:lbw={vector}:x=0.7>"), "W0206", "x=0.7", "x=0.7");
    prompt_says(&format!("<lora:a:1:lbw={vector}:start=5>"), "W0206", vector, "x=1");
    let plan = say(&request(&format!("<lora:a:lbw={vector}:x=0.7>"))).plan.unwrap();
    assert_eq!(plan.first.loras[0].blocks[0], 0.7);
}

#[test]
fn strengths() {
    prompt_says("<lora:a:high>", "E0207", "high", "write a number");
    prompt_says("<lora:a:0,8>", "E0207", "0,8", "with a point");
    prompt_says("<lora:a:0,x>", "E0207", "0,x", "write a number");
    prompt_says("<lora:a:1:lbw=in=1,mid=2>", "E0207", "lbw=in=1,mid=2", "separate arguments with `:`");
    prompt_says("<lora:a:1:lbw:XLOUT>", "E0207", "lbw", "`lbw=…`");
    prompt_says("<lora:a:1:1:0.5>", "E0207", "0.5", "a whole number");
    prompt_says("<lora:a:0.5@x>", "E0207", "0.5@x", "with their places");
    prompt_says("<lora:a:0.5@1>", "W1308", "0.5@1", "nothing is to be done");
    prompt_says("<lora:a:0.5@1>", "W1311", "0.5@1", "two points or more");
    prompt_says("<lora:te=1>", "E0224", "<lora:te=1>", "name first");
    prompt_says("<lora:a:unet=0.3:lbw=XLMID>", "W0208", "unet=0.3", "te=1:unet=0.3");
    assert!(say(&request("<lora:a:unet=0.3>")).diagnostics.is_empty());
}

#[test]
fn a_lora_named_twice() {
    prompt_says("<lora:a:1><lora:a:0.5>", "W0209", "<lora:a:0.5>", "keep one tag");
    let plan = say(&request("<lora:a:1><lora:a:0.5>")).plan.unwrap();
    assert_eq!((plan.first.loras.len(), plan.first.loras[0].unet), (1, 1.0));
    let plan = say(&request("<lora:a:1:lbw=XLMID><lora:a:0.5>")).plan.unwrap();
    assert_eq!((plan.first.loras[0].unet, plan.first.loras[0].blocks[13]), (2.0, 1.0));
}

#[test]
fn step_windows() {
    prompt_says("<lora:a:1:start=20>", "W0210", "start=20", "below the number of steps");
    prompt_says("<lora:a:1:step=10-5>", "W0210", "step=10-5", "smaller number first");
    prompt_says("<lora:a:1:stop=0>", "W0210", "stop=0", "later stop");
    prompt_says("<lora:a:1:start=0.5>", "E0211", "0.5", "step=5-10");
    prompt_says("<lora:a:1:step=1-2-3>", "E0211", "1-2-3", "step=5-10");
    prompt_says("<lora:a:1:step=5>", "W0222", "step=5", "step=a-b");
    prompt_says("<lora:a:1:start=5>", "N0212", "start=5", "te=0");
    prompt_says("<lora:a:1:start=0>", "N0213", "start=0", "leave `start=0` out");
}

#[test]
fn ratios_that_are_not_off() {
    prompt_says("<lora:a:1:lbw=XLNONE>", "N0214", "XLNONE", "te=0:unet=0");
    let said = check::nonlinear_kind("a", &lbw::say!("bias deltas keep ratio 1", "バイアスの差分は比率 1 のまま"), 3);
    assert_eq!(said.code, "W0220");
    assert!(said.message.contains("3 modules of `a`: bias deltas") && said.help[0].contains("strength 0"));
    let said = check::unmatched_keys("a", 4, 10, "lora_unet_x");
    assert_eq!(said.code, "W0219");
    assert!(
        said.message.contains("4 of 10") && said.notes[0].contains("lora_unet_x") && said.help[0].contains("family")
    );
}

#[test]
fn lora_names_that_do_not_exist() {
    let source = Source::new("prompt", "x <lora:flat3:1> <lyco:flat2:1>");
    let found = check::unknown_lora(&source, |name| name == "flat2", ["flat2", "detail"].into_iter());
    assert_eq!(found.len(), 1);
    assert_said(&found, "E0218", "flat3", "did you mean `flat2`?");
    prompt_says("<lora:a=b:c:0.5>", "W0215", "a=b", "rename the file");
    prompt_says("<lora:a:1:note=5>", "E0207", "5", "a number");
    prompt_says("<lora:a:1:suffix=5>", "W0221", "suffix=5", "rename");
    prompt_says("<LoRA:a:1>", "W0216", "LoRA", "did you mean `<lora:…>`?");
}

#[test]
fn element_rules() {
    prompt_says("<lora:a:1:lbwe=SPACE>", "W0302", " OUT03", "remove the space");
    prompt_says("<lora:a:1:lbwe=BLOCK>", "E0301", "OUT99", "did you mean OUT09?");
    prompt_says("<lora:a:1:lbwe=SHORT>", "W0303", "IN05:attn", "blocks:elements:ratio");
    prompt_says("<lora:a:1:lbwe=RATIO>", "E0304", "high", "a number");
    let found = say(&request("<lora:a:1:lbwe=BLOCK>")).diagnostics;
    assert_eq!(
        (found[0].source.as_ref().unwrap().name.as_ref(), found[0].to_json(Language::En)["line"].as_u64()),
        ("elements.txt", Some(3))
    );
}

#[test]
fn whole_prompt_failures() {
    prompt_says("{a|b}, [c:d:5]", "W0103", "|", "\\|");
    prompt_says("[a|b:0.5]", "W0103", "|", "[a|b]");
    prompt_says("[a:b:5] \\", "W0104", "\\", "remove");
    prompt_says("[a:b:5] \\\nc", "W0104", "\\", "remove");
}

#[test]
fn edits() {
    prompt_says("[a:b:5]]", "W0105", "]", "a space before it");
    prompt_says("[a:b:5]:[c:d:6]", "W0105", ":", "a space before it");
    prompt_says("[a:b:30]", "W0113", "30", "a smaller step");
    prompt_says("[a:b:1e400]", "E0110", "1e400", "a step number");
    prompt_says("[<lora:a:1>:x:5]", "W0108", "<lora:a:1>", "step=a-b");
    let mut heun = request("[a:b:10] [c:d:0.5]");
    heun.settings.sampler = Sampler::Heun;
    assert_said(&say(&heun).diagnostics, "N0109", "10", "a fraction");
}

#[test]
fn emphasis() {
    prompt_says("x # note\n(a:1.2.3)", "E0101", "1.2.3", "one point");
    prompt_says("<lora:a> [(a:1..2):b:5]", "E0101", "1..2", "one point");
    prompt_says("(a BREAK b:1.2)", "W0102", "BREAK", "close the group before BREAK");
    prompt_says(&format!("{}x{}", "(".repeat(15_000), " (a)".repeat(15_000)), "E0112", "(", "as a number");
}

#[test]
fn composition() {
    prompt_says("a cat, ratio 16:9", "W0106", ":9", "\\:9");
    prompt_says("a AND b :12", "W0106", ":12", "\\:12");
    prompt_says("salt AND pepper", "N0107", "AND", "`and`");
    assert!(say(&request("salt and pepper :x")).diagnostics.is_empty());
}

#[test]
fn negative_prompts() {
    let found = say(&Request::new("a", "bad <lora:x:1>")).diagnostics;
    assert_said(&found, "W0501", "<lora:x:1>", "move it to the prompt");
    assert_eq!(found[0].source.as_ref().unwrap().name.as_ref(), "negative prompt");
}

#[test]
fn sizes() {
    let found = say(&request(&"a".repeat((4 << 20) + 1))).diagnostics;
    assert_eq!(found[0].code, "E0111");
    let mut long = request(&format!("[a|b] {}", "x".repeat(1 << 20)));
    long.settings.steps = 150;
    let lowering = say(&long);
    assert!(lowering.plan.is_none());
    assert_eq!(lowering.diagnostics[0].code, "E0111");
}

#[test]
fn preset_files() {
    let parse = |text| yaml::parse("p.yaml", text, &presets()).1;
    assert_said(&parse("presets:\n  A: [1]"), "E0402", "A", "write `1,0,…`");
    assert_said(&parse("preset:\n  A: 1"), "E0401", "preset", "did you mean `presets`?");
}

#[test]
fn presets_nobody_uses_yet() {
    let (file, _) = webui::weights("w.txt", "A:1,1,1,1,1,1,1,1,1,1,1,1\nB:1,0.5,y,1,1,1,1,1,1,1,1,1");
    let found = check::preset_file(&file);
    assert_said(&found, "E0204", "y", "a number");
    assert_eq!((found.len(), found[0].to_json(Language::En)["line"].as_u64()), (1, Some(2)));
    let (file, _) = webui::elements("e.txt", "A:D00-D09:img:0.5\n\nB:IN04-OUTT3:attn:1\n\nC:IN05:attn");
    let codes: Vec<_> = check::preset_file(&file).iter().map(|d| d.code.id).collect();
    assert_eq!(codes, ["E0301", "W0303"]);
}

#[test]
fn numbers_without_end() {
    prompt_says("<lora:a:inf>", "E0225", "<lora:a:inf>", "ordinary size");
    prompt_says(
        "x <lora:a:lbw=nan,1,1,1,1,1,1,1,1,1,1,1>",
        "E0225",
        "<lora:a:lbw=nan,1,1,1,1,1,1,1,1,1,1,1>",
        "ordinary",
    );
}

#[test]
fn all_findings_are_told_at_once() {
    let found = say(&request("(a:1.2.3) <lora:a:1:lbw=NOPE> <lora:b:x> (c:..)")).diagnostics;
    let codes: Vec<_> = found.iter().map(|d| d.code.id).collect();
    assert_eq!(codes, ["E0207", "E0201", "E0101", "E0101"]);
}

#[test]
fn codes_are_unique_and_explained() {
    let ids: BTreeSet<_> = code::ALL.iter().map(|c| c.id).collect();
    assert_eq!(ids.len(), code::ALL.len());
    for code in code::ALL {
        assert_eq!(code::Code::find(&code.id.to_lowercase()), Some(*code));
        assert!(code.explanation(Language::En).len() > 60, "{}", code.id);
    }
}
