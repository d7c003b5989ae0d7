//! webui's version numbers, compared as Python compares them (PEP 440).

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

/// A version, ordered by age. Local parts (`+abc`) do not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    epoch: u64,
    /// Without trailing zeros.
    release: Vec<u64>,
    stage: Stage,
    post: Option<u64>,
    dev: Dev,
}

/// Before a release come its development versions, then its pre-releases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Development,
    Alpha(u64),
    Beta(u64),
    Candidate(u64),
    Final,
}

/// A development version comes before what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dev(Option<u64>);

impl Ord for Dev {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.unwrap_or(u64::MAX).cmp(&other.0.unwrap_or(u64::MAX))
    }
}

impl PartialOrd for Dev {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[expect(clippy::expect_used, reason = "the text is constant and every test reads it")]
static PEP_440: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix)^\s* v? (?:(?<epoch>[0-9]+)!)? (?<release>[0-9]+(?:\.[0-9]+)*)
        (?:[-_.]?(?<stage>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?<stage_n>[0-9]+)?)?
        (?:-(?<post_n>[0-9]+)|[-_.]?(?<post>post|rev|r)[-_.]?(?<post_m>[0-9]+)?)?
        (?:[-_.]?(?<dev>dev)[-_.]?(?<dev_n>[0-9]+)?)?
        (?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)? \s*$";
    Regex::new(pattern).expect("the pattern is constant")
});

impl Version {
    /// The version of an infotext. Of `git describe`'s `v1.6.0-128-g792589fd`, the part before the second hyphen counts.
    /// Other programs' versions (`f2.0.1v1.10.1-previous-1-gabc`) are none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let text = match (parts.next(), parts.next(), parts.next()) {
            (Some(a), Some(b), Some(_)) if !a.is_empty() && !b.is_empty() => &text[..a.len() + 1 + b.len()],
            _ => text,
        };
        let found = PEP_440.captures(text)?;
        let number = |name| found.name(name).map_or(Some(0), |m| m.as_str().parse().ok());
        let mut release = found["release"].split('.').map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>()?;
        while release.pop_if(|n| *n == 0).is_some() {}
        let post = match (found.name("post_n"), found.name("post")) {
            (Some(_), _) => Some(number("post_n")?),
            (None, Some(_)) => Some(number("post_m")?),
            (None, None) => None,
        };
        let dev = if found.name("dev").is_some() { Some(number("dev_n")?) } else { None };
        let n = number("stage_n")?;
        let stage = match found.name("stage").map(|m| m.as_str().to_lowercase()).as_deref() {
            Some("a" | "alpha") => Stage::Alpha(n),
            Some("b" | "beta") => Stage::Beta(n),
            Some(_) => Stage::Candidate(n),
            None if post.is_none() && dev.is_some() => Stage::Development,
            None => Stage::Final,
        };
        Some(Version { epoch: number("epoch")?, release, stage, post, dev: Dev(dev) })
    }

    /// Whether this is older than `other`, one of the versions at which webui changed.
    pub(super) fn is_before(&self, other: &str) -> bool {
        Version::parse(other).is_some_and(|other| *self < other)
    }

    pub(super) fn is_after(&self, other: &str) -> bool {
        Version::parse(other).is_some_and(|other| *self > other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_age() {
        let order = [
            "1.5",
            "1.6.0.dev1",
            "1.6.0a1",
            "1.6.0-beta",
            "1.6.0rc1",
            "v1.6.0",
            "1.6.0-2-gabcdef",
            "1.6.0.post10",
            "1.6.1",
            "1.10.1",
            "1!0",
        ];
        for pair in order.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|text| Version::parse(text).unwrap());
            assert!(a < b, "{pair:?}");
        }
        assert_eq!(Version::parse("1.6"), Version::parse("v1.6.0+local"));
        for other in ["", "f2.0.1v1.10.1-previous-1-gabc", "1.6.0-x", "99999999999999999999999"] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }
}
