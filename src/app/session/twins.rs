//! LoRA files of one name, of which a pasted hash tells the one that was meant.

use super::Session;
use crate::diagnostic::{Diagnostic, code};
use crate::infotext::Pasted;
use crate::lora::IndexError;
use crate::plan::network::lora_tags;
use crate::say;
use crate::syntax::Prompt;

impl Session {
    /// Writes the path below its folder for a name in `prompt` that several files have, where the hash that `pasted` has for the
    /// name is that of one of them.
    pub(super) fn choose_by_hash(&self, prompt: &mut String, pasted: &Pasted, found: &mut Vec<Diagnostic>) {
        if pasted.lora_hashes.is_empty() {
            return;
        }
        let tags = Prompt::parse(prompt).tags;
        let mut names: Vec<_> = lora_tags(&tags).into_iter().filter_map(|tag| tag.positional().next()).collect();
        // From the end, so that what is replaced moves nothing that is still to be.
        names.sort_by_key(|name| std::cmp::Reverse(name.span.start));
        for name in names {
            let Some(hashed) = pasted.lora_hashes.iter().find(|(known, _)| *known == name.text) else { continue };
            let Some(chosen) = self.twin(&name.text, &hashed.1) else { continue };
            let shown = &name.text;
            let message = say!(
                "`{shown}` is `{chosen}` here, as the pasted hash tells",
                "貼り付けたハッシュから、`{shown}` は `{chosen}` とわかりました"
            );
            if found.iter().all(|known| known.message != message) {
                found.push(Diagnostic::new(code::CHOSEN_BY_HASH, message));
            }
            prompt.replace_range(name.span.clone(), &chosen);
        }
    }

    /// What distinguishes the file with this hash from others that are called `name`.
    fn twin(&self, name: &str, hash: &str) -> Option<String> {
        let Err(IndexError::Ambiguous { candidates, .. }) = self.loras.resolve(name) else { return None };
        candidates.into_iter().find(|candidate| {
            let path = self.loras.resolve(candidate).ok();
            let hashes = path.and_then(|path| self.opened.lora_hashes(path).ok());
            hashes.is_some_and(|hashes| hashes.matches(hash))
        })
    }
}
