//! The styles of `--style`: found in webui's styles files and put around the prompts.

use super::exit::Failure;
use super::files::Files;
use super::report;
use super::request::read_text;
use crate::diagnostic::did_you_mean;
use crate::infotext::Pasted;
use crate::preset::styles::{Style, Styles};

/// The styles called `names`, in their order. A name that no file has is refused.
pub fn load(files: &Files, names: &[String]) -> Result<Vec<Style>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut styles = Styles::default();
    for path in &files.styles {
        let text = read_text(path)?;
        let parsed = Styles::parse(&text).map_err(|e| Failure::text(format!("{}: {e}", path.display())))?;
        styles.extend(parsed);
    }
    names.iter().map(|name| styles.get(name).cloned().ok_or_else(|| unknown(name, &styles, files))).collect()
}

/// Puts `styles`, in order, around both prompts.
pub fn apply(styles: &[Style], pasted: &mut Pasted) {
    for style in styles {
        (pasted.prompt, pasted.negative_prompt) = style.apply(&pasted.prompt, &pasted.negative_prompt);
    }
}

fn unknown(name: &str, styles: &Styles, files: &Files) -> Failure {
    let names: Vec<&str> = styles.iter().map(|style| style.name.as_str()).collect();
    let hint = match (did_you_mean(name, names.iter().copied()), files.styles.as_slice()) {
        (Some(near), _) => format!("; did you mean `{near}`?"),
        (None, []) => "; name the file with --styles-file, or the webui folder with --webui-dir".to_owned(),
        (None, _) => format!("; there are: {}", names.join(", ")),
    };
    Failure::text(format!("--style `{}`: there is no such style{hint}", report::escaped(name)))
}
