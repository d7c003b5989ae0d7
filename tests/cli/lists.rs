//! Lists of what there is to name, completions, manual pages, and the user's configuration.

use crate::sandbox::{Sandbox, expect};

const LISTS: [&str; 9] =
    ["loras", "models", "vaes", "embeddings", "samplers", "schedules", "upscalers", "styles", "presets"];

#[test]
fn lists_name_what_there_is() {
    let s = Sandbox::new();
    for list in LISTS {
        let (table, _) = s.expect(0, &[list]);
        let (japanese, _) = s.expect(0, &[list, "--lang", "ja"]);
        assert_ne!(table, japanese, "{list}");
        let (lines, _) = s.expect(0, &[list, "--json"]);
        let rows: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rows.iter().all(|row| row["name"].is_string()), "{list}: {lines}");
        let named = |row: &serde_json::Value| table.contains(row["name"].as_str().unwrap());
        assert!(rows.iter().all(named), "{list}: {table}");
    }
    let (loras, _) = s.expect(0, &["loras"]);
    let house = loras.lines().find(|line| line.starts_with("house")).unwrap();
    for told in ["LoRA", "SDXL", "4", "KiB", "flat color"] {
        assert!(house.contains(told), "{told}: {house}");
    }
    let (models, _) = s.expect(0, &["models", "--json"]);
    assert!(models.contains("\"family\":\"SDXL\""), "{models}");
}

#[test]
fn lists_tell_files_of_one_name_apart() {
    let s = Sandbox::new();
    let (loras, _) = s.expect(0, &["loras", "--json"]);
    let house: serde_json::Value = serde_json::from_str(loras.lines().next().unwrap()).unwrap();
    let bytes = std::fs::read(house["path"].as_str().unwrap()).unwrap();
    s.write("w/models/Lora/new/style.safetensors", &bytes);
    s.write("w/models/Lora/old/style.safetensors", &bytes);
    s.write("w/models/Lora/broken.safetensors", b"<html>");
    let (table, _) = s.expect(0, &["loras", "--webui-dir", "w"]);
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("style")).collect();
    assert!(rows.len() == 2 && rows[0].contains("new") && rows[1].contains("old"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("broken") && line.contains("unreadable")), "{table}");
}

#[test]
fn help_as_a_value_lists_values() {
    let s = Sandbox::new();
    for asked in [&["--sampler", "help"][..], &["txt2img", "--sampler=help"], &["batch", "x.txt", "--sampler", "list"]]
    {
        let (list, _) = s.expect(0, asked);
        assert!(list.contains("DPM++ 2M SDE") && list.contains("Euler a"), "{list}");
    }
    let (list, _) = s.expect(0, &["--schedule-type", "help"]);
    assert!(list.contains("Karras"), "{list}");
    s.write("styles.csv", "name,prompt,negative_prompt\nmine,\"{prompt}, flat\",blur\n");
    let (list, _) = s.expect(0, &["--style", "help", "--styles-file", "styles.csv"]);
    assert!(list.contains("mine") && list.contains("{prompt}, flat"), "{list}");
    assert_eq!(s.names("lbw-out"), [""; 0], "nothing is drawn");
}

#[test]
fn shells_are_told_names() {
    let s = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, _) = s.expect(0, &["completions", shell]);
        assert!(script.contains("lbw") && script.contains("LBW_COMPLETE"), "{shell}: {script}");
    }
    let (_, said) = s.expect(2, &["completions", "tcsh"]);
    assert!(said.contains("bash") && said.contains("fish"), "{said}");
    let completed = |words: &[&str]| {
        let mut command = s.lbw(&[]);
        command
            .arg("--")
            .args(words)
            .env("LBW_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        expect(0, &mut command).0
    };
    assert!(completed(&["lbw", "an"]).contains("analyze"));
    let samplers = completed(&["lbw", "a star", "--sampler", "eu"]);
    assert!(samplers.contains("Euler a"), "{samplers}");
    assert!(completed(&["lbw", "batch", "x.txt", "--schedule-type", "K"]).contains("Karras"));
    assert!(completed(&["lbw", "preset", "show", "XLO"]).contains("XLOUT"));
    assert!(completed(&["lbw", "lora", "inspect", "ho"]).contains("house"));
}

#[test]
fn every_command_has_a_manual_page() {
    let s = Sandbox::new();
    let (page, _) = s.expect(0, &["man"]);
    assert!(page.contains(".TH") && page.contains("lbw"), "{page}");
    s.expect(0, &["man", "-o", "man1"]);
    for page in ["lbw.1", "lbw-txt2img.1", "lbw-lora-inspect.1", "lbw-analyze.1"] {
        assert!(s.text(&format!("man1/{page}")).contains(".TH"), "{page}");
    }
    assert!(!s.names("man1").iter().any(|page| page.contains("-help")), "{:?}", s.names("man1"));
}

#[test]
fn the_users_configuration_holds_everywhere() {
    let s = Sandbox::new();
    s.write("own/mine.yaml", "presets:\n  MINE: 1,0,0,0,0,0,0,0,0,0,0,0.5\n");
    s.write(
        ".config/lbw/config.toml",
        "presets = \"../../own/mine.yaml\"\nlang = \"ja\"\n[settings]\nsteps = 3\nsampler = \"Euler a\"\n",
    );
    let plan = |args: &[&str]| {
        let mut command = s.lbw(&["plan", "<lora:house:1:lbw=MINE>", "--seed", "1"]);
        command.args(args).env_remove("LBW_LANG").env_remove("XDG_CONFIG_HOME");
        expect(0, &mut command)
    };
    let (table, said) = plan(&[]);
    assert!(table.contains("3 ステップ") && table.contains("Euler a") && table.contains("MINE"), "{table}");
    assert!(said.contains("N0721") && said.contains("steps = 3"), "{said}");
    let (table, said) = plan(&["--steps", "5", "--lang", "en", "--quiet"]);
    assert!(table.contains("5 steps") && said.is_empty(), "{table}{said}");
    let (table, _) =
        expect(0, s.lbw(&["plan", "x\nSteps: 7, Sampler: Heun, CFG scale: 5, Seed: 1"]).env_remove("LBW_LANG"));
    assert!(table.contains("7 ステップ") && table.contains("Heun"), "{table}");
    let (table, _) = expect(0, s.lbw(&["plan", "x"]).env("LBW_CONFIG", ""));
    assert!(table.contains("20 steps"), "{table}");
    s.write("bad.toml", "lora-dri = 1\n[settings]\nstesp = 3\n");
    let (_, said) = expect(2, s.lbw(&["plan", "x"]).env("LBW_CONFIG", "bad.toml"));
    assert!(said.contains("`lora-dir`?") && said.contains("`steps`?"), "{said}");
    expect(3, s.lbw(&["plan", "x"]).env("LBW_CONFIG", "nowhere.toml"));
}
