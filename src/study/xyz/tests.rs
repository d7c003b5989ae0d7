use super::*;
use crate::plan::{Plan, Request, lower};

fn plans(prompt: &str, axes: [&str; 3]) -> Result<(Vec<Plan>, Plot), Error> {
    let mut request = Request::new(prompt, "bad");
    request.settings.seed = 7;
    let axis = |text: &str| if text.is_empty() { Ok(Axis::none()) } else { Axis::parse(text) };
    let axes = [axis(axes[0])?, axis(axes[1])?, axis(axes[2])?];
    let study =
        Study { request: &request, presets: PresetSet::builtin(), base: None, axes: &axes, webui_quirks: false };
    let mut seed = 900;
    let plot = study.plot(&mut || {
        seed += 1;
        seed
    })?;
    let plan = |run| {
        let (request, presets) = study.cell(run)?;
        Ok(lower(&request, &presets).plan.expect("a plan"))
    };
    let plans = plot.runs.iter().map(plan).collect::<Result<Vec<_>, Error>>()?;
    Ok((plans, plot))
}

#[test]
fn tags_are_whole_values() {
    let vector = "<lora:house:1:1:lbw=1,1,0.5>";
    assert_eq!(values::list(&format!("<lora:house:1>, {vector},a")), ["<lora:house:1>", vector, "a"]);
    assert_eq!(values::list("a < b, c > d"), ["a < b", "c > d"], "no tag");
    assert_eq!(values::list("<lora:a, b"), ["<lora:a", "b"], "not closed");
}

#[test]
fn blocks_and_values_make_vectors() {
    let (plans, plot) = plans("<lora:a:1:lbw=XYZ>", ["Block ID=IN04,NOT BASE", "values=0,0.5", ""]).unwrap();
    assert_eq!(plot.grids[0].labels.columns, ["IN04", "NOT BASE"]);
    assert_eq!(plot.grids[0].labels.rows, ["0", "0.5"]);
    assert_eq!(plot.grids[0].labels.corner, "a");
    let of =
        |plan: &Plan| (plan.first.loras[0].blocks[0], plan.first.loras[0].blocks[5], plan.first.loras[0].blocks[9]);
    assert_eq!(plans.iter().map(of).collect::<Vec<_>>(), [(1., 0., 1.), (1., 0., 0.), (1., 0.5, 1.), (1., 0.5, 0.5)]);
    // What is drawn can be drawn again from its own prompt.
    let again = lower(
        &Request { settings: plans[2].first.settings.clone(), ..Request::new(&plans[2].first.prompt, "bad") },
        PresetSet::builtin(),
    );
    assert_eq!(again.plan.unwrap(), plans[2]);
}

#[test]
fn settings_vary_as_in_webui() {
    let axes = ["Steps=2-6 (+2)", "prompt s/r=cat,dog", "CFG scale=4-8 [3]"];
    let (plans, plot) = plans("a cat", axes).unwrap();
    assert_eq!(plans.len(), 18);
    assert_eq!(plot.grids[1].labels.columns, ["Steps: 2", "Steps: 4", "Steps: 6"]);
    assert_eq!(plot.grids[1].labels.rows, ["cat", "dog"]);
    assert_eq!(plot.grids[1].labels.corner, "CFG Scale: 6.0");
    let last = &plans[17];
    assert_eq!(
        (last.first.prompt.as_str(), last.first.settings.steps, last.first.settings.cfg_scale),
        ("a dog", 6, 8.0)
    );
}

#[test]
fn a_repeated_vector_is_of_its_own_seed_and_rules() {
    let prompt = "<lora:a:1:lbw=XYZ:lbwe=XYZ>";
    let (plans, _) = plans(prompt, ["elements=:attn:0,:ff:0", "seed=1,-1,-1", ""]).unwrap();
    assert_eq!(plans.iter().map(|p| p.first.settings.seed).collect::<Vec<_>>(), [1, 1, 901, 901, 902, 902]);
    assert_ne!(plans[0].first.loras[0].elements, plans[1].first.loras[0].elements);
    // XYZ is the LoRA as it is, where no axis is about block weights.
    assert_eq!(self::plans(prompt, ["steps=3", "", ""]).unwrap().0[0].first.loras[0].blocks[8], 1.0);
}

#[test]
fn strength_reaches_every_form_of_a_tag() {
    for tag in ["<lora:a>", "<lora:a:1>", "<lora:a:1:1>", "<lora:a:te=1>", "<lora:a:unet=3:te=2>", "<lora:a:1:unet=3>"]
    {
        for weights in ["", ":lbw=XLMID"] {
            let prompt = tag.replace('>', &format!("{weights}>"));
            let (plans, _) = plans(&prompt, ["strength=0.5", "", ""]).unwrap();
            assert_eq!((plans[0].first.loras[0].te, plans[0].first.loras[0].unet), (0.5, 0.5), "{prompt}");
            assert_eq!(plans[0].first.loras[0].blocks[4] == 0.0, !weights.is_empty(), "{prompt}");
        }
    }
    assert_eq!(plans("<lora:a><lora:b>", ["strength=1", "", ""]).unwrap_err(), Error::WhichLora(2));
    let (plans, _) = plans("<lora:a:1><lora:b:1:lbw=XYZ>", ["strength=0.5", "preset=XLMID,XLALL", ""]).unwrap();
    assert_eq!((plans[0].first.loras[0].unet, plans[0].first.loras[1].unet), (1.0, 0.5));
}

#[test]
fn plots_that_would_show_nothing_are_refused() {
    let fails = |prompt, axes| plans(prompt, axes).unwrap_err();
    let error = fails("<lora:a:1>", ["Block ID=IN04", "values=1", ""]).to_string();
    assert!(error.contains("<lora:a:1:lbw=XYZ>"), "{error}");
    assert_eq!(fails("<lora:a:lbw=XYZ>", ["Block ID=IN04", "", ""]), Error::Unpaired("Block ID"));
    assert_eq!(fails("<lora:a:lbw=XYZ>", ["elements=:attn:0", "", ""]), Error::NoPlaceForElements);
    assert_eq!(fails("a", ["prompt s/r=cat,dog", "", ""]), Error::NothingToReplace("cat".into()));
    assert!(matches!(fails("a", ["block=IN4,x", "values=1", ""]), Error::NoPlace { .. }));
    for (text, said) in [
        ("IN04", "TYPE=VALUES"),
        ("step=1", "did you mean `Steps`"),
        ("steps=a", "whole numbers"),
        ("steps=1-9999999999", "whole numbers"),
        ("sampler=Eular", "Euler a"),
        ("values=", "no values"),
        ("seed=1,-4", "`-4` is not a seed"),
    ] {
        let error = Axis::parse(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn lists_are_read_as_webui_reads_them() {
    assert_eq!(values::list(r#"a, "b, c" ,"say ""hi""",, d"#), ["a", "b, c", r#"say "hi""#, "d"]);
    assert_eq!(values::integers("1-5"), Some(vec![1, 2, 3, 4, 5]));
    assert_eq!(values::integers(" 10 - 1 (-3)"), Some(vec![10, 7, 4]));
    assert_eq!(values::integers("1-10 [4]"), Some(vec![1, 4, 7, 10]));
    assert_eq!(values::floats("0-1 (+0.25)"), Some(vec![0.0, 0.25, 0.5, 0.75, 1.0]));
    assert_eq!(values::floats("4-8 [3]"), Some(vec![4.0, 6.0, 8.0]));
    assert_eq!((values::integers("-3"), values::floats("-0.5")), (Some(vec![-3]), Some(vec![-0.5])));
    assert_eq!((values::integers("1-2-3"), values::floats("x")), (None, None));
}
