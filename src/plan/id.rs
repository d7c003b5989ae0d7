//! The identity of a picture.

use sha2::{Digest, Sha256};

use super::Plan;
use crate::files::hex;

/// Sixteen hex digits that stand for the picture `plan` gives with the files of these hashes: two jobs with one id draw the
/// same picture, and whoever finds a finished file with the id of a job need not draw it again.
pub fn job_id<'a>(plan: &Plan, hashes: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    // A plan is plain data whose fields have an order, so its JSON is the same on every machine.
    hasher.update(serde_json::to_vec(plan).unwrap_or_default());
    for hash in hashes {
        hasher.update([0]);
        hasher.update(hash.as_bytes());
    }
    hex(&hasher.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Request, lower};
    use crate::preset::PresetSet;

    #[test]
    fn everything_that_changes_the_picture_changes_the_id() {
        let plan = |prompt| lower(&Request::new(prompt, ""), PresetSet::builtin()).plan.unwrap();
        let id = |plan: &Plan, hashes: &[&str]| job_id(plan, hashes.iter().copied());
        let a = plan("a");
        assert_eq!(id(&a, &["x"]), id(&a.clone(), &["x"]));
        assert_ne!(id(&a, &["x"]), id(&plan("b"), &["x"]));
        assert_ne!(id(&a, &["x", "y"]), id(&a, &["xy"]));
        let mut other = a.clone();
        other.first.settings.seed += 1;
        assert_ne!(id(&a, &[]), id(&other, &[]));
    }
}
