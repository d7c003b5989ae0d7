//! A prompt and its LoRA files, as every program finds them.

use crate::block::Family;
use crate::diagnostic::Diagnostic;
use crate::lora::Kind;
use crate::plan::network::lora_tags;
use crate::plan::{Dialect, LoraPlan, Lowering, Request, lower_with_files};
use crate::preset::PresetSet;
use crate::syntax::{Prompt, Tag};

use super::super::session::Session;

/// What the rules of programs are given.
pub(super) struct Case<'a> {
    pub request: &'a Request,
    pub presets: &'a PresetSet,
    session: &'a Session,
    /// The tags that load LoRAs, in webui's order.
    pub tags: Vec<Tag>,
    /// The files they name, each once, in the order of their first tag.
    pub files: Vec<File>,
}

/// A LoRA file.
pub(super) struct File {
    pub name: String,
    pub modules: Vec<Module>,
    /// How many of its tensors no table has a place for, and how many there are; nothing for a file that is not there.
    pub unmatched: Option<(usize, usize)>,
}

/// One of its modules.
pub(super) struct Module {
    pub name: String,
    pub kind: Option<Kind>,
    pub is_webui: bool,
    pub is_kohya: bool,
}

impl Module {
    /// Whether it changes a text encoder.
    pub fn is_text(&self) -> bool {
        !self.name.starts_with("diffusion_model")
    }
}

impl<'a> Case<'a> {
    pub fn new(request: &'a Request, session: &'a Session) -> Self {
        let text = &request.prompt.text;
        let prompt = match request.options.comments {
            true => Prompt::parse(text),
            false => Prompt::parse_with_comments(text),
        };
        let tags: Vec<Tag> = lora_tags(&prompt.tags).into_iter().cloned().collect();
        let mut files: Vec<File> = Vec::new();
        for name in tags.iter().filter_map(name_of) {
            if files.iter().all(|file| file.name != name) {
                files.push(File::new(name, request.family, session));
            }
        }
        Case { request, presets: &session.presets, session, tags, files }
    }

    /// The prompt lowered as a dialect reads it.
    pub fn lower(&self, dialect: Dialect) -> Lowering {
        let mut request = self.request.clone();
        request.settings.lbw_dialect = dialect;
        lower_with_files(&request, self.presets, &|name| self.session.modules_of(name))
    }

    pub fn family(&self) -> Family {
        self.request.family
    }

    /// The file that a tag names, by its place in `files`.
    pub fn file_of(&self, tag: &Tag) -> Option<usize> {
        let name = name_of(tag)?;
        self.files.iter().position(|file| file.name == name)
    }

    /// A finding about the first tag of a file, at its place.
    pub fn at(&self, file: usize, found: Diagnostic) -> Diagnostic {
        let tag = self.tags.iter().find(|tag| self.file_of(tag) == Some(file));
        match tag {
            Some(tag) => found.within(&self.request.prompt).at(tag.span.clone()),
            None => found,
        }
    }
}

/// What a tag's file is called.
fn name_of(tag: &Tag) -> Option<&str> {
    tag.positional().next().map(|item| item.text.as_str())
}

impl File {
    fn new(name: &str, family: Family, session: &Session) -> Self {
        let (modules, unmatched) = match session.inspection_of(name) {
            Some(inspection) => {
                let modules = inspection.members.iter().map(|member| Module {
                    name: member.module.clone(),
                    kind: member.kind,
                    is_webui: member.is_webui,
                    is_kohya: member.is_kohya,
                });
                (modules.collect(), Some((inspection.unmatched.len(), inspection.tensors)))
            }
            None => (usual_modules(family), None),
        };
        File { name: name.to_owned(), modules, unmatched }
    }

    pub fn has_text(&self) -> bool {
        self.modules.iter().any(Module::is_text)
    }

    pub fn has_unet(&self) -> bool {
        self.modules.iter().any(|module| !module.is_text())
    }

    /// The factor of each module: strength × ratio as a plan has it.
    pub fn factors(&self, lora: &LoraPlan, family: Family) -> Vec<Option<f64>> {
        let strength = |module: &Module| if module.is_text() { lora.te } else { lora.unet };
        self.modules.iter().map(|module| Some(strength(module) * lora.ratio(family, &module.name))).collect()
    }
}

/// A module for each block, where a file is not there to be looked at: one of a plain LoRA with attention and text encoders, and
/// what may lie outside the blocks.
fn usual_modules(family: Family) -> Vec<Module> {
    let names = family.blocks().map(|block| {
        let number = |from: usize| block.name()[from..].parse::<usize>().unwrap_or(0);
        match block.name() {
            "BASE" => "transformer_text_model_encoder_layers_0_mlp_fc1".to_owned(),
            "M00" => "diffusion_model_middle_block_1_proj_in".to_owned(),
            name if name.starts_with("IN") => format!("diffusion_model_input_blocks_{}_1_proj_in", number(2)),
            _ => format!("diffusion_model_output_blocks_{}_1_proj_in", number(3)),
        }
    });
    let others = ["diffusion_model_time_embed_0", "diffusion_model_label_emb_0_0", "diffusion_model_out_2"];
    let names = names.chain(others.map(str::to_owned));
    names.map(|name| Module { name, kind: Some(Kind::Lora), is_webui: true, is_kohya: true }).collect()
}
