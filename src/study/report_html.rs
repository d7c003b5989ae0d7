//! The report as one HTML page that needs no other file: the pictures are inside.

use std::fmt::Write;

use image::RgbImage;

use super::report::{Report, guilty};
use crate::diagnostic::{Language, Text};
use crate::image_io::encode_png;
use crate::say;

/// The page of `report`, in its language. `picture` gives a picture by its file name.
pub fn page<E>(report: &Report, picture: &mut dyn FnMut(&str) -> Result<RgbImage, E>) -> Result<String, E> {
    let words = |text: Text| text.in_language(report.language).to_owned();
    let mut html = head(report.language);
    let loras = escaped(&report.loras.join(", "));
    let title = words(say!("{loras}: which block does what", "{loras}: どのブロックが何をするか"));
    let _ = write!(html, "<h1>{title}</h1><p><code>{}</code></p>", escaped(&report.prompt));
    let _ = write!(html, "<p>{}</p>", words(summary(report)));
    if let Some(suggestion) = &report.suggestion {
        let vector =
            suggestion.found.as_ref().map_or(String::new(), |f| format!("<code>lbw={}</code><br>", escaped(&f.vector)));
        let title = words(say!("Suggested", "提案"));
        let _ = write!(html, "<h2>{title}</h2><p>{vector}{}</p>", escaped(&suggestion.sentence));
        if let Some(found) = &suggestion.found {
            let heads = [
                say!("prompt, seed", "プロンプト、シード"),
                say!("base", "LoRA なし"),
                say!("full", "LoRA 全体"),
                say!("suggested", "提案"),
            ];
            let _ = write!(html, "<table>{}", heads_of(heads.map(words)));
            for row in &found.pictures {
                let _ = write!(html, "<tr><td>{}<br>{}</td>", escaped(&row.prompt), row.seed);
                for file in [&row.base, &row.full, &row.suggested] {
                    let _ = write!(html, "<td>{}</td>", figure(&picture(file)?));
                }
                html.push_str("</tr>");
            }
            html.push_str("</table>");
        }
    }
    let title = words(say!("Blocks, the guiltiest first", "ブロック (責任の大きい順)"));
    let heads = [
        say!("block", "ブロック"),
        say!("diff %", "差 %"),
        say!("guilt", "責任"),
        say!("ΔE", "色差 ΔE"),
        say!("edges", "線"),
        say!("contrast", "コントラスト"),
        say!("chroma", "彩度"),
        say!("coarse SSIM", "粗い SSIM"),
        say!("difference", "差分"),
        say!("changed", "変えた画像"),
        say!("full", "LoRA 全体"),
        say!("base", "LoRA なし"),
        say!("what it does", "はたらき"),
    ];
    let _ = write!(html, "<h2>{title}</h2><table>{}", heads_of(heads.map(words)));
    for block in guilty(&report.blocks).into_iter().map(|at| &report.blocks[at]) {
        let e = &block.effect;
        let _ = write!(
            html,
            "<tr><th>{}</th><td>{:.2} ± {:.2}<div class=bar style=\"width:{:.0}px\"></div></td><td>{:.2}</td><td>{:.1}</td>\
             <td>{:.2}</td><td>{:.2}</td><td>{:+.1}</td><td>{:.3}</td>",
            escaped(&block.id),
            block.percent,
            block.spread,
            block.percent.clamp(0.0, 100.0),
            block.guilt,
            e.delta_e,
            e.edges,
            e.contrast,
            e.saturation,
            e.coarse_ssim
        );
        match (block.pictures.first(), report.references.first()) {
            (Some(files), Some(references)) => {
                for file in [&files.difference, &files.changed, &references.full, &references.base] {
                    let _ = write!(html, "<td>{}</td>", figure(&picture(file)?));
                }
            }
            _ => html.push_str("<td></td><td></td><td></td><td></td>"),
        }
        let _ = write!(html, "<td class=words>{}</td></tr>", escaped(&block.sentence));
    }
    html.push_str("</table></body></html>\n");
    Ok(html)
}

fn summary(report: &Report) -> Text {
    let [weight, others] = report.range.each_ref().map(|weight| escaped(weight));
    let seeds = report.seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let (steps, threshold) = (report.steps, escaped(&report.threshold));
    let quick = if report.quick { say!(" (quick)", " (簡易)") } else { Text::default() };
    say!(
        "Weight {weight} against {others}; seeds {seeds}; {steps} steps{quick}; threshold {threshold}. Guilt is the share of the \
         change in colour and lines from the base model that goes away without the block.",
        "重み {weight} と {others} の比較。シード {seeds}、{steps} ステップ{quick}、閾値 {threshold}。責任は、ベースモデルからの色と線の変化のうち、そのブロックを外すとなくなる割合です。",
        with quick
    )
}

fn heads_of<const N: usize>(heads: [String; N]) -> String {
    let cells: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    format!("<tr>{cells}</tr>")
}

fn head(language: Language) -> String {
    let code = if language == Language::Ja { "ja" } else { "en" };
    format!("<!DOCTYPE html>\n<html lang={code}>{HEAD}")
}

const HEAD: &str = "<head><meta charset=utf-8><title>Effective Block Analyzer</title>\
<meta name=viewport content=\"width=device-width\"><style>body{font:15px sans-serif;margin:2em;color:#222}\
table{border-collapse:collapse}td,th{padding:4px 8px;border-bottom:1px solid #ddd;text-align:right;vertical-align:middle}\
td.words{text-align:left;max-width:30em}img{max-width:160px;display:block}.bar{background:#c33;height:6px}\
code{background:#f4f4f4;padding:2px 4px;overflow-wrap:anywhere}</style></head><body>";

/// The picture inside an `img` element, made smaller where it is large.
fn figure(picture: &RgbImage) -> String {
    const SIDE: u32 = 320;
    let large = picture.width().max(picture.height());
    let small = match large > SIDE {
        true => {
            let side = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(large)).max(1) as u32;
            let filter = image::imageops::FilterType::Triangle;
            &image::imageops::resize(picture, side(picture.width()), side(picture.height()), filter)
        }
        false => picture,
    };
    let png = encode_png(small, "", None).unwrap_or_default();
    format!("<img alt=\"\" src=\"data:image/png;base64,{}\">", base64(&png))
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
}
