//! The fonts of labels: one in the program for Latin, Greek and Cyrillic, those of the system for everything else.

use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ab_glyph::{Font, FontArc, FontRef, FontVec, GlyphId};
use fontdb::Database;

use crate::diagnostic::{Said, Text};
use crate::say;

/// DejaVu Sans 2.37 without the scripts and symbols that labels do not need; its licence lies beside it.
const EMBEDDED: &[u8] = include_bytes!("../font/DejaVuSans-subset.ttf");

/// Stands for a character that no font has.
const MISSING: char = '□';

/// Families that have Japanese, the plainest first. Other fonts are only asked when none of these is installed: those of
/// Chinese would draw some characters in their own form.
const JAPANESE: [&str; 16] = [
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Source Han Sans JP",
    "Source Han Sans",
    "BIZ UDPGothic",
    "Hiragino Sans",
    "Hiragino Kaku Gothic ProN",
    "Yu Gothic",
    "Meiryo",
    "MS PGothic",
    "IPAexGothic",
    "IPAPGothic",
    "IPAGothic",
    "TakaoPGothic",
    "VL PGothic",
    "M+ 1p",
];

/// Why a font file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum FontError {
    Read { path: PathBuf, source: std::io::Error },
    TooLarge { path: PathBuf },
    NotAFont { path: PathBuf },
}

impl Said for FontError {
    fn said(&self) -> Text {
        match self {
            FontError::Read { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("{path}: {source}", "{path}: {source}", with source)
            }
            FontError::TooLarge { path } => {
                let path = path.display();
                say!(
                    "{path} is larger than {FONT_LIMIT} bytes, which no font is",
                    "{path} は {FONT_LIMIT} バイトを超えています。フォントとしては大きすぎます"
                )
            }
            FontError::NotAFont { path } => {
                let path = path.display();
                say!(
                    "{path} is not a TrueType or OpenType font",
                    "{path} は TrueType や OpenType のフォントではありません"
                )
            }
        }
    }
}

/// The largest font file that is read.
const FONT_LIMIT: u64 = 256 << 20;

/// Finds a glyph for each character and remembers which characters have none.
pub struct Fonts {
    /// In the order in which they are asked.
    faces: Vec<FontArc>,
    glyphs: HashMap<char, Glyph>,
    /// The fonts of the system; `None` where they are not to be asked.
    system: Option<System>,
    missing: BTreeSet<char>,
}

enum System {
    Unread,
    Read(Box<Database>),
}

/// A character's place in a font.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    /// The font's number among those in use.
    pub face: usize,
    /// The glyph's number in its font.
    pub id: GlyphId,
    /// Width in em.
    pub advance: f32,
}

impl Fonts {
    /// The font in the program alone: the same grid on every machine.
    pub fn embedded() -> Self {
        let faces = FontRef::try_from_slice(EMBEDDED).map(FontArc::from).into_iter().collect();
        Fonts { faces, glyphs: HashMap::new(), system: None, missing: BTreeSet::new() }
    }

    /// The font in the program, and for what it lacks those of the system, which are looked through when that happens.
    pub fn system() -> Self {
        Fonts { system: Some(System::Unread), ..Fonts::embedded() }
    }

    /// Asks the font in the file `path` before all others.
    pub fn with_file(mut self, path: &Path) -> Result<Self, FontError> {
        let failed = |source| FontError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > FONT_LIMIT {
            return Err(FontError::TooLarge { path: path.to_owned() });
        }
        // A device has no length.
        let mut bytes = Vec::new();
        std::fs::File::open(path).and_then(|file| file.take(FONT_LIMIT + 1).read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.len() as u64 > FONT_LIMIT {
            return Err(FontError::TooLarge { path: path.to_owned() });
        }
        let face = FontVec::try_from_vec(bytes);
        let face = face.map_err(|_| FontError::NotAFont { path: path.to_owned() })?;
        self.faces.insert(0, FontArc::from(face));
        self.glyphs.clear();
        Ok(self)
    }

    /// The characters asked for that no font has. They are drawn as `□`.
    pub fn missing(&self) -> &BTreeSet<char> {
        &self.missing
    }

    /// What to tell the user about [`Fonts::missing`]; `None` where all is well.
    pub fn notice(&self) -> Option<Text> {
        const SHOWN: usize = 12;
        if self.missing.is_empty() {
            return None;
        }
        let shown: String = self.missing.iter().take(SHOWN).collect();
        let more = if self.missing.len() > SHOWN { "…" } else { "" };
        Some(match self.system.is_some() {
            true => say!(
                "no font on this system has {shown}{more}: drawn as {MISSING}; for Japanese install Noto Sans CJK JP",
                "このシステムのどのフォントにも {shown}{more} がなく、{MISSING} で描きます。日本語には Noto Sans CJK JP を入れてください"
            ),
            false => say!(
                "the built-in font lacks {shown}{more}: drawn as {MISSING}; for Japanese install Noto Sans CJK JP",
                "内蔵フォントに {shown}{more} がなく、{MISSING} で描きます。日本語には Noto Sans CJK JP を入れてください"
            ),
        })
    }

    pub(super) fn face(&self, index: usize) -> Option<&FontArc> {
        self.faces.get(index)
    }

    /// The glyph of `c`, or that which stands for what is missing.
    pub(super) fn glyph(&mut self, c: char) -> Option<Glyph> {
        if let Some(glyph) = self.glyphs.get(&c) {
            return Some(*glyph);
        }
        if self.in_faces(c).is_none() {
            self.look_through_system(c);
        }
        let glyph = self.in_faces(c).or_else(|| {
            self.missing.insert(c);
            self.in_faces(MISSING)
        })?;
        self.glyphs.insert(c, glyph);
        Some(glyph)
    }

    fn in_faces(&self, c: char) -> Option<Glyph> {
        self.faces.iter().enumerate().find_map(|(index, face)| {
            let id = has(face, c)?;
            let em = face.units_per_em().filter(|em| *em > 0.0)?;
            Some(Glyph { face: index, id, advance: face.h_advance_unscaled(id) / em })
        })
    }

    /// Adds the first font of the system that has `c`.
    fn look_through_system(&mut self, c: char) {
        let Some(system) = &mut self.system else { return };
        if let System::Unread = system {
            let mut database = Database::new();
            database.load_system_fonts();
            *system = System::Read(Box::new(database));
        }
        let System::Read(database) = system else { return };
        let rank = |face: &fontdb::FaceInfo| {
            let known = |(name, _): &(String, _)| JAPANESE.iter().position(|family| family == name);
            let family = face.families.iter().filter_map(known).min().unwrap_or(JAPANESE.len());
            let slanted = face.style != fontdb::Style::Normal || face.stretch != fontdb::Stretch::Normal;
            (family, slanted, face.weight.0.abs_diff(400))
        };
        let mut faces: Vec<_> = database.faces().map(|face| (rank(face), face.id)).collect();
        faces.sort_by_key(|(rank, _)| *rank);
        let found = faces.into_iter().find_map(|(_, id)| {
            database.with_face_data(id, |bytes, index| {
                let face = FontRef::try_from_slice_and_index(bytes, index).ok()?;
                has(&face, c)?;
                FontVec::try_from_vec_and_index(bytes.to_vec(), index).ok()
            })?
        });
        self.faces.extend(found.map(FontArc::from));
    }
}

/// The glyph of `c`; id 0 stands for a character the font lacks.
fn has(face: &impl Font, c: char) -> Option<GlyphId> {
    Some(face.glyph_id(c)).filter(|id| id.0 != 0)
}
