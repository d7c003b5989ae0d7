//! The languages that diagnostics speak.

/// A language of the diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// English first.
    pub const ALL: [Language; 2] = [Language::En, Language::Ja];

    /// The language of a locale such as `ja_JP.UTF-8` or `ja-JP`; English for all that lbw does not speak.
    pub fn of_locale(locale: &str) -> Self {
        match locale.split(['_', '-', '.', '@']).next() {
            Some(language) if language.eq_ignore_ascii_case("ja") => Language::Ja,
            _ => Language::En,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_name_languages() {
        for locale in ["ja", "ja_JP.UTF-8", "ja-JP", "JA"] {
            assert_eq!(Language::of_locale(locale), Language::Ja, "{locale}");
        }
        for locale in ["", "C", "POSIX", "en_US.UTF-8", "jam", "de"] {
            assert_eq!(Language::of_locale(locale), Language::En, "{locale}");
        }
    }
}
