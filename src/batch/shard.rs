//! Which jobs of a batch one machine of several does.

use crate::diagnostic::Text;
use crate::say;

/// Every `count`-th job, beginning with number `index` (from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Whether job number `job` (from 0) is one of them.
    pub fn has(&self, job: usize) -> bool {
        job % self.count == self.index
    }

    /// What a job scheduler says in the environment: SLURM's array tasks, or Kubernetes' index with `count` from the user.
    pub fn from_environment(count: Option<usize>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Text> {
        let number = |name: &str| -> Result<Option<usize>, Text> {
            let Some(value) = variable(name) else { return Ok(None) };
            let wrong = |_| {
                say!(
                    "{name} is `{value}`, which is no number of a shard",
                    "{name} の `{value}` は分割の番号ではありません"
                )
            };
            value.trim().parse().map(Some).map_err(wrong)
        };
        let (index, found) = if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
            let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
            (
                id.checked_sub(first).ok_or_else(|| {
                    say!(
                        "SLURM_ARRAY_TASK_ID is below SLURM_ARRAY_TASK_MIN",
                        "SLURM_ARRAY_TASK_ID が SLURM_ARRAY_TASK_MIN より小さい値です"
                    )
                })?,
                number("SLURM_ARRAY_TASK_COUNT")?,
            )
        } else if let Some(index) = number("JOB_COMPLETION_INDEX")? {
            (index, None)
        } else {
            return Err(say!(
                "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; say which shard, as in --shard 1/4",
                "SLURM_ARRAY_TASK_ID も JOB_COMPLETION_INDEX もありません。--shard 1/4 のように指定してください"
            ));
        };
        let count = count.or(found).ok_or_else(|| {
            say!(
                "the number of shards is not known; write --shard auto/N",
                "分割の数が分かりません。--shard auto/N と書いてください"
            )
        })?;
        if index < count {
            return Ok(Shard { index, count });
        }
        let number = index + 1;
        Err(say!("shard {number} of {count} does not exist", "{count} 個のうちの {number} 番目はありません"))
    }
}

impl Shard {
    /// `2/4` is the second of four; `auto` asks the `environment`, in which variables are looked up.
    pub fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Text> {
        let (index, count) = match text.split_once('/') {
            None if text == "auto" => return Shard::from_environment(None, environment),
            Some(("auto", count)) => {
                let unknown = |_| say!("`{count}` is not a number of shards", "`{count}` は分割の数ではありません");
                let count = count.parse().map_err(unknown)?;
                return Shard::from_environment(Some(count), environment);
            }
            Some((index, count)) => (index.parse::<usize>(), count.parse::<usize>()),
            None => {
                return Err(say!(
                    "`{text}` is not a shard; write 1/4 for the first of four, or auto",
                    "`{text}` は分割の指定ではありません。4 個のうちの最初なら 1/4、または auto と書いてください"
                ));
            }
        };
        match (index, count) {
            (Ok(index), Ok(count)) if (1..=count).contains(&index) => Ok(Shard { index: index - 1, count }),
            _ => Err(say!(
                "`{text}` is not a shard; write 1/4 for the first of four",
                "`{text}` は分割の指定ではありません。4 個のうちの最初なら 1/4 と書いてください"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn numbers_that_are_none_are_told() {
        let huge = |name: &str| (name == "SLURM_ARRAY_TASK_ID").then(|| "99999999999999999999".to_owned());
        let why = Shard::parse("auto/4", huge).unwrap_err().to_string();
        assert!(why.contains("SLURM_ARRAY_TASK_ID is `99999999999999999999`"), "{why}");
    }

    #[test]
    fn shards_share_all_jobs() {
        let shards: Vec<Shard> = (1..=3).map(|i| Shard::parse(&format!("{i}/3"), none).unwrap()).collect();
        for job in 0..20 {
            assert_eq!(shards.iter().filter(|s| s.has(job)).count(), 1);
        }
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0", ""] {
            assert!(Shard::parse(wrong, none).is_err(), "{wrong}");
        }
    }

    #[test]
    fn schedulers_say_which() {
        let slurm = |name: &str| match name {
            "SLURM_ARRAY_TASK_ID" => Some("5".to_owned()),
            "SLURM_ARRAY_TASK_MIN" => Some("4".to_owned()),
            "SLURM_ARRAY_TASK_COUNT" => Some("3".to_owned()),
            _ => None,
        };
        assert_eq!(Shard::from_environment(None, slurm), Ok(Shard { index: 1, count: 3 }));
        let kubernetes = |name: &str| (name == "JOB_COMPLETION_INDEX").then(|| "2".to_owned());
        assert_eq!(Shard::from_environment(Some(3), kubernetes), Ok(Shard { index: 2, count: 3 }));
        assert!(Shard::from_environment(None, kubernetes).is_err());
        assert!(Shard::from_environment(Some(2), kubernetes).is_err());
        assert!(Shard::from_environment(Some(2), none).is_err());
    }
}
