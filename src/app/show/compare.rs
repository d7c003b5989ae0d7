//! One prompt in every program: the factors that differ, and why.

use serde_json::{Map, Value, json};

use super::plan::number;
use crate::app::answer::Answer;
use crate::app::referee::{self, Comparison, LoraFactors, PROGRAMS, Program, Row};
use crate::app::session::Session;
use crate::diagnostic::{Diagnostic, Language, Text};
use crate::plan::Request;
use crate::say;

/// The factors of a request's LoRAs in every program: for each LoRA an answer, and what is to be said about all of them.
pub fn compare(request: &Request, session: &Session) -> (Vec<Answer>, Text) {
    let compared = referee::compare(request, session);
    let answers: Vec<Answer> = compared
        .loras
        .iter()
        .map(|lora| Answer::new(as_json(lora, &compared), as_table(lora, &Columns::of(lora))))
        .collect();
    if answers.is_empty() {
        let none = say!("there is no LoRA tag that a dialect can read\n", "読める LoRA タグがありません\n");
        return (answers, none);
    }
    let all: Vec<usize> = (0..PROGRAMS.len()).collect();
    (answers, words(&compared, &all).then(&versions(&all)))
}

/// What the referee says of one program beside what the tags say.
pub(in crate::app) fn one(compared: &Comparison, program: usize) -> Text {
    let own = if program == 0 { vec![0] } else { vec![0, program] };
    let columns = Columns { own: own.clone(), ..Columns::default() };
    let tables = compared.loras.iter().map(|lora| as_table(lora, &columns));
    Text::join(tables.chain([words(compared, &[program]), versions(&own)]), "")
}

/// Refusals and remarks about some programs.
fn words(compared: &Comparison, programs: &[usize]) -> Text {
    // Programs that fail at the same place say the same.
    let mut refusals: Vec<(Vec<&str>, &Diagnostic)> = Vec::new();
    for (at, error) in compared.refusals.iter().filter(|(at, _)| programs.contains(at)) {
        let name = PROGRAMS[*at].name;
        match refusals.iter_mut().find(|(_, other)| other.message == error.message) {
            Some((names, _)) => names.push(name),
            None => refusals.push((vec![name], error)),
        }
    }
    let refused = refusals.into_iter().map(|(names, error)| {
        let (tools, why) = (names.join(", "), &error.message);
        say!("{tools} cannot read it: {why}\n", "{tools} では読めません: {why}\n", with why)
    });
    let remarks = compared.remarks.iter().filter(|(at, _)| programs.contains(at)).map(|(_, remark)| line(remark));
    Text::join(refused.chain(remarks), "")
}

fn line(remark: &Diagnostic) -> Text {
    let (code, message) = (remark.code, &remark.message);
    let line = say!("{code} {message}\n", "{code} {message}\n", with message);
    match remark.help.first() {
        Some(help) => line.then(&say!("    {help}\n", "    {help}\n", with help)),
        None => line,
    }
}

/// Which versions are spoken of.
fn versions(programs: &[usize]) -> Text {
    let programs = programs.iter().map(|at| &PROGRAMS[*at]);
    let rows = programs.map(|program| format!("  {:<12} {} {}\n", program.id, program.name, program.version));
    let rows: String = rows.collect();
    say!("versions that the rules were read from:\n{rows}", "規則を読んだ版:\n{rows}")
}

/// Programs by how a table shows them.
#[derive(Default)]
struct Columns {
    /// The first one, where it can read the tags, and those that differ from it in any row.
    own: Vec<usize>,
    /// Those that do what it does.
    alike: Vec<usize>,
    /// Those that cannot read the tags.
    silent: Vec<usize>,
}

impl Columns {
    fn of(lora: &LoraFactors) -> Self {
        let mut columns = Columns::default();
        for at in 0..PROGRAMS.len() {
            let is_alike = at > 0 && lora.rows.iter().all(|row| is_same(row.factors[0], row.factors[at]));
            let list = match lora.rows.iter().all(|row| row.factors[at].is_none()) {
                true => &mut columns.silent,
                false if is_alike => &mut columns.alike,
                false => &mut columns.own,
            };
            list.push(at);
        }
        columns
    }
}

fn is_same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-9,
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn as_table(lora: &LoraFactors, columns: &Columns) -> Text {
    let Columns { own, alike, silent } = columns;
    let width = lora.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0).clamp(18, 40);
    let mut table = format!("  {:<width$} {:>5}", "", "");
    own.iter().for_each(|at| table += &format!(" {:>11}", PROGRAMS[*at].id));
    table.push('\n');
    let differs = |row: &Row| own.iter().any(|at| !is_same(row.factors[own[0]], row.factors[*at]));
    let cell = |factor: Option<f64>| factor.map_or("-".to_owned(), number);
    for row in lora.rows.iter().filter(|row| differs(row)) {
        let modules = if row.modules > 0 { row.modules.to_string() } else { String::new() };
        table += &format!("  {:<width$} {modules:>5}", row.label);
        own.iter().for_each(|at| table += &format!(" {:>11}", cell(row.factors[*at])));
        table.push('\n');
    }
    let same = lora.rows.iter().filter(|row| !differs(row));
    let same: Vec<_> =
        same.map(|row| format!("{} {}", row.label, cell(own.first().and_then(|at| row.factors[*at])))).collect();
    let listed = |list: &[usize]| list.iter().map(|at| PROGRAMS[*at].name).collect::<Vec<_>>().join(", ");
    let (same, alike, silent) = (same.join(", "), listed(alike), listed(silent));
    let line = |words: &str, text: Text| if words.is_empty() { Text::default() } else { text };
    let below = [
        line(&same, say!("  the same in all that can read it: {same}\n", "  読めるものすべてで同じ: {same}\n")),
        line(&alike, say!("  as webui: {alike}\n", "  webui と同じ: {alike}\n")),
        line(&silent, say!("  without a factor: {silent}\n", "  係数なし: {silent}\n")),
    ];
    let (name, below) = (&lora.name, Text::join(below, ""));
    match lora.has_file {
        true => say!("{name}: factors\n{table}{below}", "{name}: 係数\n{table}{below}", with below),
        false => say!(
            "{name}: factors, for a file with every block (this one is not there)\n{table}{below}",
            "{name}: 係数 (ファイルがないので、すべてのブロックがあるものとして)\n{table}{below}",
            with below
        ),
    }
}

/// A comparison of one LoRA, for programs.
pub(in crate::app) fn as_json(lora: &LoraFactors, compared: &Comparison) -> Value {
    let row = |row: &Row| {
        let named = PROGRAMS.iter().zip(&row.factors).map(|(program, factor)| (program.id.to_owned(), json!(factor)));
        (row.label.clone(), Value::Object(named.collect()))
    };
    let modules: Map<String, Value> = lora.rows.iter().map(|row| (row.label.clone(), json!(row.modules))).collect();
    let said = |found: &[(usize, Diagnostic)]| -> Vec<Value> {
        let with_program = |(at, found): &(usize, Diagnostic)| {
            let mut object = found.to_json(Language::En);
            object["program"] = json!(PROGRAMS[*at].id);
            object
        };
        found.iter().map(with_program).collect()
    };
    let program = |p: &Program| json!({ "id": p.id, "name": p.name, "version": p.version, "source": p.source });
    json!({
        "lora": lora.name,
        "has_file": lora.has_file,
        "factors": Value::Object(lora.rows.iter().map(row).collect()),
        "modules": modules,
        "remarks": said(&compared.remarks),
        "refusals": said(&compared.refusals),
        "programs": PROGRAMS.iter().map(program).collect::<Vec<_>>(),
    })
}
