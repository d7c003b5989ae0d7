//! A page that needs no other file: small pictures are inside, and where it still lies in its folder, they grow to the files there.
//! Words to be copied have a button, and it follows the window and the reader's liking for dark or light.

use std::fmt::Write;

use image::RgbImage;

use crate::diagnostic::{Language, Text};
use crate::image_io::encode_png;
use crate::say;

/// A page being written.
pub struct Page<'a, E> {
    html: String,
    language: Language,
    picture: &'a mut dyn FnMut(&str) -> Result<RgbImage, E>,
}

/// Which pictures a picture is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Sets<'a> {
    /// Those it belongs to.
    pub own: &'a str,
    /// Others beside them.
    pub beside: &'a str,
}

impl<'a, E> Page<'a, E> {
    /// A page with this title and heading. `picture` gives a picture by its file name.
    pub fn new(
        language: Language,
        title: &str,
        heading: &Text,
        picture: &'a mut dyn FnMut(&str) -> Result<RgbImage, E>,
    ) -> Self {
        let mut page = Page { html: String::new(), language, picture };
        let lang = if language == Language::Ja { "ja" } else { "en" };
        let heading = page.words(heading);
        let _ = write!(
            page.html,
            "<!DOCTYPE html>\n<html lang={lang}><head><meta charset=utf-8><title>{}</title>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\"><style>{}</style></head><body><h1>{heading}</h1>",
            escaped(title),
            include_str!("page.css"),
        );
        page
    }

    /// The whole page.
    pub fn end(mut self) -> String {
        self.html += "<dialog><nav></nav><img alt=\"\"></dialog><script>";
        self.html += include_str!("page.js");
        self.html += "</script></body></html>\n";
        self.html
    }

    /// A heading.
    pub fn heading(&mut self, text: &Text) {
        self.element("h2", text);
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &Text) {
        self.element("p", text);
    }

    /// Words in the page's language, fit for HTML.
    pub fn words(&self, text: &Text) -> String {
        escaped(text.in_language(self.language))
    }

    fn element(&mut self, element: &str, text: &Text) {
        let words = self.words(text);
        let _ = write!(self.html, "<{element}>{words}</{element}>");
    }

    /// Words to be copied.
    pub fn code(&mut self, text: &str) {
        let copy = self.words(&say!("Copy", "コピー"));
        let _ =
            write!(self.html, "<div class=code><code>{}</code><button class=copy>{copy}</button></div>", escaped(text));
    }

    /// A card: what `left` writes, and beside it the pictures of `right`.
    pub fn card(
        &mut self,
        title: &str,
        left: impl FnOnce(&mut Self),
        right: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let _ = write!(self.html, "<article><div><h3>{}</h3>", escaped(title));
        left(self);
        self.html += "</div>";
        self.shots(right)?;
        self.html += "</article>";
        Ok(())
    }

    /// Pictures side by side.
    pub fn shots(&mut self, shots: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.html += "<div class=shots>";
        shots(self)?;
        self.html += "</div>";
        Ok(())
    }

    /// A bar of so many percent.
    pub fn bar(&mut self, percent: f64) {
        let percent = percent.clamp(0.0, 100.0);
        let _ = write!(self.html, "<div class=bar><i style=\"width:{percent:.1}%\"></i></div>");
    }

    /// Names with their values.
    pub fn numbers(&mut self, numbers: &[(Text, String)]) {
        self.html += "<dl>";
        for (name, value) in numbers {
            let name = self.words(name);
            let _ = write!(self.html, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(value));
        }
        self.html += "</dl>";
    }

    /// A table whose cells are the darker, the nearer their number comes to 1.
    pub fn map(&mut self, heads: &[Text], rows: &[(String, Vec<(String, f64)>)]) {
        self.html += "<div class=map><table><tr>";
        for head in heads {
            let head = self.words(head);
            let _ = write!(self.html, "<th>{head}</th>");
        }
        for (name, cells) in rows {
            let _ = write!(self.html, "</tr><tr><th>{}</th>", escaped(name));
            for (words, depth) in cells {
                let depth = 70.0 * depth.clamp(0.0, 1.0);
                let _ = write!(self.html, "<td style=\"--depth:{depth:.0}%\">{}</td>", escaped(words));
            }
        }
        self.html += "</tr></table></div>";
    }

    /// A picture that grows.
    pub fn shot(&mut self, file: &str, sets: Sets<'_>, caption: &Text) -> Result<(), E> {
        let (small, caption) = (small(&(self.picture)(file)?), self.words(caption));
        let _ = write!(
            self.html,
            "<figure><button class=shot data-file=\"{}\" data-set=\"{}\" data-beside=\"{}\"><img alt=\"\" \
             src=\"data:image/png;base64,{}\"></button><figcaption>{caption}</figcaption></figure>",
            escaped(&file.replace('%', "%25").replace('#', "%23").replace('?', "%3F")),
            escaped(sets.own),
            escaped(sets.beside),
            base64(&encode_png(&small, "", None).unwrap_or_default()),
        );
        Ok(())
    }
}

/// The picture as large as the page shows it on a fine screen.
fn small(picture: &RgbImage) -> RgbImage {
    const SIDE: u32 = 320;
    let large = picture.width().max(picture.height());
    if large <= SIDE {
        return picture.clone();
    }
    let side = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(large)).max(1) as u32;
    let filter = image::imageops::FilterType::Triangle;
    image::imageops::resize(picture, side(picture.width()), side(picture.height()), filter)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            match digit <= group.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_the_standard_has_it() {
        let all = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(escaped("<lora:a\"&b>"), "&lt;lora:a&quot;&amp;b&gt;");
    }

    #[test]
    fn small_pictures_stay_and_large_ones_shrink() {
        assert_eq!(small(&RgbImage::new(128, 96)).dimensions(), (128, 96));
        assert_eq!(small(&RgbImage::new(1024, 512)).dimensions(), (320, 160));
    }
}
