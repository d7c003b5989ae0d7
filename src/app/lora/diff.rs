//! What differs between two LoRAs, block by block.

use serde_json::json;

use super::model::Model;
use super::{find, talk};
use crate::app::answer::Answer;
use crate::app::error::Result;
use crate::app::session::Session;
use crate::diagnostic::Text;
use crate::lora::surgery::{BlockDifference, Difference, difference};
use crate::say;

/// Compares two LoRAs, each a file or a name.
pub fn diff(session: &Session, a: &str, b: &str) -> Result<Answer> {
    let (a, b) = (find(a, session)?, find(b, session)?);
    let model = Model::of(&a, session)?;
    let difference = difference(&a, &b, &model.table)?;
    let mut answer = Answer::new(json!({ "a": a, "b": b, "difference": difference }), table(&difference));
    for (names, side) in [(&difference.only_in_a, "A"), (&difference.only_in_b, "B")] {
        let Some(example) = names.first() else { continue };
        let count = names.len();
        answer.found.push(talk::apart(say!(
            "{count} modules are only in {side}, for example {example}",
            "{count} 個のモジュールは {side} にしかありません。たとえば {example} です"
        )));
    }
    let (equal, different) = (difference.unmeasured_equal.len(), difference.unmeasured_different.len());
    if equal + different > 0 {
        answer.found.push(talk::left_out(say!(
            "the deltas of {different} modules depend on a checkpoint (DoRA, IA3, GLoRA, OFT) and are not measured; their tensors \
             differ. Those of {equal} more are the same",
            "{different} 個のモジュールの差分はチェックポイントによって変わり(DoRA、IA3、GLoRA、OFT)、測っていません。テンソルは違います。ほかに {equal} 個はテンソルが同じです"
        )));
    }
    Ok(answer)
}

fn table(difference: &Difference) -> Text {
    let head = say!(
        "block     modules  ‖A‖         ‖B‖         ‖B − A‖     cosine\n",
        "ブロック  モジュール  ‖A‖         ‖B‖         ‖B − A‖     コサイン\n"
    );
    let row = |row: &BlockDifference| {
        let BlockDifference { block, modules, norm_a, norm_b, difference, cosine } = row;
        let cosine = cosine.map_or("-".to_owned(), |cosine| format!("{cosine:.6}"));
        Text::same(format!("{block:<9} {modules:>7}  {norm_a:<11.5} {norm_b:<11.5} {difference:<11.5} {cosine}\n"))
    };
    let rows = difference.blocks.iter().chain([&difference.total]).map(row);
    Text::join(std::iter::once(head).chain(rows), "")
}
