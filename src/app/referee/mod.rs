//! The referee: what other programs really apply of the LoRA tags of a prompt, module by module, and where that is not what the
//! tags say.
//!
//! Each program's rule is written from its sources; [`PROGRAMS`] names the version it was read from.

mod audit;
mod case;
mod forge;
mod programs;
mod readers;
mod report;

pub use audit::{Audit, audit};
pub use programs::PROGRAMS;
pub use report::{LoraFactors, Row};

use self::case::Case;
use super::session::Session;
use crate::diagnostic::Diagnostic;
use crate::plan::Request;

/// A program, and the version of it that is spoken of.
#[derive(Debug)]
pub struct Program {
    /// What it is called in JSON and at the head of a column.
    pub id: &'static str,
    /// Its name as people write it.
    pub name: &'static str,
    /// The version whose sources were read: a tag or commit, with its date.
    pub version: &'static str,
    /// Where the rule stands in these sources.
    pub source: &'static str,
    rule: fn(&Case<'_>, &Program) -> Verdict,
}

/// What every program makes of one prompt.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// One per LoRA of the prompt, in the order of the tags.
    pub loras: Vec<LoraFactors>,
    /// Where a program does not do what the tags say: its number in [`PROGRAMS`], and what is to be said.
    pub remarks: Vec<(usize, Diagnostic)>,
    /// Programs that cannot read the tags, and why.
    pub refusals: Vec<(usize, Diagnostic)>,
}

/// What one program makes of a prompt.
#[derive(Debug, Clone, Default)]
struct Verdict {
    /// The factor of each module of each file; nothing where what happens is no factor. Empty where the tags cannot be read.
    factors: Vec<Vec<Option<f64>>>,
    remarks: Vec<Diagnostic>,
    refusals: Vec<Diagnostic>,
}

/// Reads the prompt of `request` as every program would.
pub fn compare(request: &Request, session: &Session) -> Comparison {
    let case = Case::new(request, session);
    let verdicts: Vec<Verdict> = PROGRAMS.iter().map(|program| (program.rule)(&case, program)).collect();
    let of_program = |found: fn(&Verdict) -> &Vec<Diagnostic>| -> Vec<(usize, Diagnostic)> {
        let said = verdicts.iter().enumerate().flat_map(|(at, v)| found(v).iter().map(move |d| (at, d.clone())));
        said.collect()
    };
    Comparison {
        loras: report::of_files(&case, &verdicts),
        remarks: of_program(|v| &v.remarks),
        refusals: of_program(|v| &v.refusals),
    }
}
