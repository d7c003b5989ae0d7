//! The language of help.

use std::cell::Cell;

use crate::diagnostic::Language;

thread_local! {
    /// clap asks for arguments without a place to hand a language in.
    static LANGUAGE: Cell<Language> = const { Cell::new(Language::En) };
}

/// Chooses the language of help, before the command line's grammar is made.
pub fn speak(language: Language) {
    LANGUAGE.with(|cell| cell.set(language));
}

/// The language of help.
pub fn spoken() -> Language {
    LANGUAGE.with(Cell::get)
}

/// Words of help in the chosen language: English and Japanese side by side, as with `say!`.
pub fn tell(en: &'static str, ja: &'static str) -> &'static str {
    if spoken() == Language::Ja { ja } else { en }
}
