//! What holds for every text: nothing panics, printing gives the text back, spans lie inside it.

use lbw::block::{Space, block_list, word_list};
use lbw::diagnostic::{Language, Style};
use lbw::files::limits::PROMPT;
use lbw::plan::{Emphasis, Request, Sampler, Settings, element, lower};
use lbw::preset::{PresetSet, webui, yaml};
use lbw::syntax::schedule::{self, Timeline};
use lbw::syntax::{Mapped, Prompt, attention, composition, lora_tag, python, strip_comments};
use proptest::prelude::*;

/// Text made of what the prompt language gives a meaning to, and of anything else.
fn soup() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => prop::sample::select(vec![
            "(", ")", "[", "]", ":", "|", "\\", "<", ">", ",", "#", "\n", " ", "AND", "BREAK", "1", "0.5", "1.2.3", "a", "b",
            "<lora:a:1:lbw=XLMID>", "<lora:b:lbw=OUTD:start=3>", "<lora:a:te=0.5:unet=1>", "[a:b:3]", "[a|b]", "(a:1.2)",
            "lbw=", "lbwe=ATTNDEEPON", "x=", "step=2-9", "R", "U", "X-0.1", "@", "=", "-", "<lyco:",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

fn request(prompt: String, negative: String) -> Request {
    let settings = Settings { sampler: Sampler::Heun, steps: 7, ..Settings::default() };
    Request { settings, ..Request::new(&prompt, &negative) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn lowering_is_total(prompt in soup(), negative in soup()) {
        let lowering = lower(&request(prompt, negative), PresetSet::builtin());
        for found in &lowering.diagnostics {
            let source = found.source.as_ref().unwrap();
            for label in &found.labels {
                prop_assert!(label.span.start <= label.span.end && label.span.end <= source.text.len(), "{found:?}");
            }
            prop_assert!(!found.help.is_empty(), "{found:?}");
            prop_assert!(!found.render(Style::Plain, Language::En).chars().any(|c| c.is_control() && c != '\n'), "{found:?}");
            found.to_json(Language::En);
        }
        if let Some(plan) = lowering.plan {
            prop_assert!(!plan.first.positive.is_empty());
            for part in &plan.first.positive {
                prop_assert_eq!(part.schedule.last().map(|s| s.last_step), Some(14));
                prop_assert!(part.schedule.iter().all(|s| !s.pieces.is_empty()));
            }
            prop_assert!(plan.first.loras.iter().all(|l| l.blocks.len() == 26));
            let again = serde_json::from_str::<lbw::plan::Plan>(&serde_json::to_string(&plan).unwrap()).unwrap();
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&plan).unwrap());
        }
    }

    #[test]
    fn printing_gives_the_text_back(text in soup()) {
        prop_assert_eq!(Prompt::parse_with_comments(&text).to_string(), text.clone());
        let prompt = Prompt::parse(&text);
        prop_assert_eq!(prompt.to_string(), prompt.shown.text());
    }

    #[test]
    fn origins_are_where_the_bytes_came_from(text in soup()) {
        let prompt = Prompt::parse(&text);
        for (offset, c) in prompt.body.text().char_indices() {
            let origin = prompt.body.origin(offset);
            // A comment becomes a line end that points at the comment.
            prop_assert!(text[origin..].starts_with(c) || (c == '\n' && text[origin..].starts_with('#')));
        }
    }

    #[test]
    fn an_unedited_text_is_its_own_schedule(text in soup()) {
        let mapped = Mapped::whole(&text);
        let schedule = schedule::parse(&mapped);
        let entries = schedule.lay_out(&mapped, Timeline::first_pass(5, false), 1 << 20).unwrap();
        prop_assert_eq!(entries.last().unwrap().0, 5);
        if schedule.edits(&mapped).is_empty() {
            prop_assert_eq!(entries, vec![(5, mapped)]);
        }
    }

    #[test]
    fn emphasis_keeps_every_letter(text in "[a-z ()\\[\\]]{0,60}") {
        let plain: String = text.chars().filter(|c| !"()[]".contains(*c)).collect();
        let read = attention::parse(&text);
        let letters: String = read.pieces.iter().flat_map(|p| p.text.chars()).filter(|c| !")]".contains(*c)).collect();
        prop_assert_eq!(letters, plain);
        prop_assert!(read.pieces.windows(2).all(|p| p[0].weight != p[1].weight));
    }

    #[test]
    fn without_emphasis_brackets_are_text(text in "[a-z ()]{0,40}") {
        let mut request = Request::new(&text, "");
        request.settings.emphasis = Emphasis::None;
        let plan = lower(&request, PresetSet::builtin()).plan.unwrap();
        prop_assert_eq!(&plan.first.positive[0].schedule[0].pieces[0].text, python::rstrip(&text));
    }

    #[test]
    fn preset_files_are_total(text in soup(), any in any::<String>()) {
        for text in [&text, &any] {
            for (file, _) in [webui::weights("w", text), webui::elements("e", text)] {
                let written = yaml::write(&file);
                let (back, found) = yaml::parse("y", &written, &PresetSet::default());
                for (preset, read) in file.elements.iter().zip(back.elements.iter()) {
                    prop_assert_eq!((&preset.name, &preset.value), (&read.name, &read.value), "{} {:?}", written, found);
                }
                prop_assert_eq!(file.elements.iter().count(), back.elements.iter().count(), "{} {:?}", written, found);
            }
            yaml::parse("y", text, PresetSet::builtin());
            element::parse(text, Space::Flux);
            let _ = block_list(Space::Unet, text);
            word_list(text);
            let _ = lora_tag::weight(text);
            let _ = (python::float(text), python::int(text), python::split_lines(text));
            composition::parse(&strip_comments(&Mapped::whole(text)));
        }
    }

    #[test]
    fn strength_times_vector(strength in -2.0..2.0f64, weights in prop::collection::vec(-2.0..2.0f64, 12)) {
        let vector = weights.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        let plan = lower(&Request::new(&format!("<lora:a:{strength}:lbw={vector}>"), ""), PresetSet::builtin()).plan.unwrap();
        let lora = &plan.first.loras[0];
        prop_assert_eq!(lora.unet, strength);
        prop_assert_eq!(lora.ratio(plan.family, "diffusion_model_output_blocks_5_1_proj_in"), weights[11]);
        prop_assert_eq!(lora.ratio(plan.family, "diffusion_model_time_embed_0"), 1.0);
    }
}

/// As much of the worst there is as is read, on a stack of 256 KiB.
#[test]
fn the_most_brackets_need_no_stack() {
    let lower_all = || {
        let units = ["[", "(a", "[a:b:3]", "[[a:b:", "\\", "a:1)", "AND ", "#\n", "<lora:a:1>", "[(a:b):", "[a:b:3]]"];
        for unit in units.into_iter().chain(["(", "[a|", "<lora:"]) {
            lower(&Request::new(&unit.repeat((PROMPT / 4) / unit.len()), ""), PresetSet::builtin());
        }
        let distinct = |text: &dyn Fn(usize) -> String| (0..9000).map(text).collect::<String>();
        for text in [
            distinct(&|i| format!("<lora:a{i}:1:lbw=XLMID>")),
            distinct(&|i| format!("<lora:a{i}:x>")),
            distinct(&|i| format!("[<lora:a{i}:1>:b:{i}]")),
            distinct(&|i| format!("[a|b{i}] AND ")),
            format!("<lora:a{}>", distinct(&|i| format!(":k{i}=1"))),
        ] {
            assert!(text.len() <= PROMPT);
            lower(&Request::new(&text, ""), PresetSet::builtin());
        }
        let nested = "[".repeat(PROMPT / 2) + &"]".repeat(PROMPT / 2);
        assert!(lower(&Request::new(&nested, ""), PresetSet::builtin()).plan.is_some());
        for unit in ["[", "a:\n\n", "#\n", "a: {of: a}\n", " - a\n", "A:1,1,1,1,1,1,1,1,1,1,1,1 # x\n"] {
            let text = unit.repeat((1 << 18) / unit.len());
            yaml::parse("y", &text, PresetSet::builtin());
            yaml::parse("y", &format!("presets:\n{}", text.replace("a:", "  a:")), PresetSet::builtin());
            webui::elements("e", &text);
            webui::weights("w", &text);
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(lower_all).unwrap().join().unwrap();
}
