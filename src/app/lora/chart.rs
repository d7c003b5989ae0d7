//! The norms of blocks as a bar chart.

use std::fmt::Write;

use crate::lora::Deltas;

/// An SVG with a bar for each block, as long as its norm.
pub fn svg(title: &str, deltas: &Deltas) -> String {
    let (left, bar, line, top) = (80, 480, 22, 44);
    let height = top + line * deltas.blocks.len() as u32 + 12;
    let width = left + bar + 220;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"12\" y=\"26\" \
         font-size=\"16\">{}: norm of the deltas by block</text>\n",
        escaped(title)
    );
    let largest = deltas.blocks.iter().map(|block| block.norm).fold(f64::MIN_POSITIVE, f64::max);
    for (number, block) in (0..).zip(&deltas.blocks) {
        let y = top + line * number;
        let length = block.norm / largest * f64::from(bar);
        let _ = writeln!(
            svg,
            "<text x=\"12\" y=\"{}\">{}</text><rect x=\"{left}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" \
             fill=\"#3a78b4\"/><text x=\"{:.1}\" y=\"{}\">{:.4} ({:.1}%), rank {:.1}</text>",
            y + line - 8,
            block.block,
            line - 6,
            f64::from(left) + length + 6.0,
            y + line - 8,
            block.norm,
            block.share * 100.0,
            block.effective_rank
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
