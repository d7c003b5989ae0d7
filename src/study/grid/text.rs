//! One label: wrapped to a width, sized to a height, drawn around a centre.

use ab_glyph::{Font, FontArc, GlyphId, PxScale, point};
use image::{Rgb, RgbImage};

use super::fonts::Fonts;

/// The smallest size that can be read, in pixels per em.
const SMALLEST: f32 = 11.0;
/// From baseline to baseline, in em.
const LINE: f32 = 1.2;
/// Height of the letters over the baseline that the eye centres on, in em.
const CAPITALS: f32 = 0.73;
/// Longer labels are cut before anything else: no grid has room for them.
const LONGEST: usize = 2000;

/// The room for a label, in pixels, and its size where there is enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub largest: f32,
    pub width: f32,
    pub height: f32,
}

/// A label ready to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// Pixels per em.
    size: f32,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Default)]
struct Line {
    /// Font, glyph and advance in em, from left to right.
    glyphs: Vec<(FontArc, GlyphId, f32)>,
}

impl Line {
    fn width(&self) -> f32 {
        self.glyphs.iter().map(|(_, _, advance)| advance).sum()
    }
}

impl Fit {
    /// `label` in the largest size at which it fits. Words are only broken, and the rest is only cut, at the smallest.
    pub(super) fn text(&self, label: &str, fonts: &mut Fonts) -> Text {
        let label = plain(label);
        let mut size = self.largest.max(SMALLEST);
        loop {
            let (lines, is_broken) = wrap(&label, self.width / size, fonts);
            let room = ((self.height / size / LINE) as usize).max(1);
            if lines.len() <= room && !is_broken {
                return Text::new(size, lines, fonts);
            }
            if size == SMALLEST {
                return Text::new(size, cut(lines, room, self.width / size, fonts), fonts);
            }
            size = (size - 1.0).max(SMALLEST);
        }
    }
}

/// Without what cannot be drawn: control characters and those that only steer others.
fn plain(label: &str) -> String {
    let steers = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}');
    let drawn = label.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| *c == '\n' || !c.is_control());
    let mut plain: String = drawn.filter(|c| !steers(*c)).take(LONGEST + 1).collect();
    if plain.chars().count() > LONGEST {
        plain.pop();
        plain.push('…');
    }
    plain.trim_matches('\n').to_owned()
}

/// The lines of `text` in a width of `width` em, and whether a word had to be broken.
fn wrap(text: &str, width: f32, fonts: &mut Fonts) -> (Vec<String>, bool) {
    let (mut lines, mut is_broken) = (Vec::new(), false);
    for paragraph in text.split('\n') {
        let (mut line, mut used) = (String::new(), 0.0);
        for word in words(paragraph) {
            let needed = advance(word.trim_end(), fonts);
            if used + needed > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if needed <= width {
                line.push_str(word);
                used += advance(word, fonts);
                continue;
            }
            is_broken = true;
            for c in word.chars() {
                let wide = advance(c.encode_utf8(&mut [0; 4]), fonts);
                if used + wide > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += wide;
            }
        }
        lines.push(line);
    }
    (lines.into_iter().map(|line| line.trim().to_owned()).collect(), is_broken)
}

/// Pieces between which a line may end: after spaces and after the signs that separate, and around the characters of
/// scripts without spaces.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let Some((_, next)) = chars.peek() else { break };
        // A sign belongs to the word it ends; a minus before a digit and a point within a number do not end one.
        let ends = c == ' ' && !matches!(next, ' ' | ':')
            || matches!(c, ',' | ';' | ':' | '/' | '\\' | '|' | '_' | '+' | '>' | ')') && *next != ' ' && *next != ','
            || is_ideographic(c) && !matches!(next, '、' | '。' | '」' | '）' | 'ー' | ' ')
            || is_ideographic(*next) && c != ' ';
        if ends {
            words.push(&text[start..end]);
            start = end;
        }
    }
    words.push(&text[start..]);
    words
}

fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{2fdf}' | '\u{3001}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff01}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
}

/// The first `room` lines, the last one ending in an ellipsis where more follow.
fn cut(mut lines: Vec<String>, room: usize, width: f32, fonts: &mut Fonts) -> Vec<String> {
    if lines.len() > room {
        lines.truncate(room);
        if let Some(last) = lines.last_mut() {
            while !last.is_empty() && advance(last, fonts) + advance("…", fonts) > width {
                last.pop();
            }
            last.push('…');
        }
    }
    lines
}

/// Width of `text` in em.
fn advance(text: &str, fonts: &mut Fonts) -> f32 {
    text.chars().filter_map(|c| fonts.glyph(c)).map(|glyph| glyph.advance).sum()
}

impl Text {
    fn new(size: f32, lines: Vec<String>, fonts: &mut Fonts) -> Self {
        let mut line = |text: String| {
            let glyph = |c| {
                let glyph = fonts.glyph(c)?;
                Some((fonts.face(glyph.face)?.clone(), glyph.id, glyph.advance))
            };
            Line { glyphs: text.chars().filter_map(glyph).collect() }
        };
        let is_empty = lines.iter().all(String::is_empty);
        let lines = if is_empty { Vec::new() } else { lines.into_iter().map(&mut line).collect() };
        Text { size, lines }
    }

    /// In pixels; 0 for an empty label.
    pub(super) fn width(&self) -> f32 {
        self.size * self.lines.iter().map(Line::width).fold(0.0, f32::max)
    }

    /// In pixels; 0 for an empty label.
    pub(super) fn height(&self) -> f32 {
        self.size * LINE * self.lines.len() as f32
    }

    /// Draws the lines in black, centred on `centre`.
    pub(super) fn draw(&self, image: &mut RgbImage, centre: (f32, f32)) {
        let first = centre.1 - self.size * (LINE * (self.lines.len() as f32 - 1.0) - CAPITALS) / 2.0;
        for (number, line) in self.lines.iter().enumerate() {
            let baseline = (first + self.size * LINE * number as f32).round();
            let mut x = (centre.0 - self.size * line.width() / 2.0).round();
            for (face, id, advance) in &line.glyphs {
                draw_glyph(image, face, *id, self.size, (x, baseline));
                x += self.size * advance;
            }
        }
    }
}

fn draw_glyph(image: &mut RgbImage, face: &FontArc, id: GlyphId, size: f32, at: (f32, f32)) {
    let Some(em) = face.units_per_em() else { return };
    // ab_glyph scales by the height from the lowest to the highest letter.
    let scale = PxScale::from(size * face.height_unscaled() / em);
    let Some(outline) = face.outline_glyph(id.with_scale_and_position(scale, point(at.0, at.1))) else { return };
    let corner = outline.px_bounds().min;
    outline.draw(|x, y, coverage| {
        let (x, y) = (corner.x as i64 + i64::from(x), corner.y as i64 + i64::from(y));
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(Rgb(samples)) = image.get_pixel_mut_checked(x, y) {
            let light = 1.0 - coverage.clamp(0.0, 1.0);
            samples.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * light).round() as u8);
        }
    });
}
