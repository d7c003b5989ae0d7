//! Pictures that are drawn over and their masks: read, and held against each other before the first step.

use std::path::Path;

use super::error::{Error, Result};
use crate::diagnostic::{Diagnostic, code};
use crate::engine::InitImage;
use crate::image_io::{picture_size, read_picture, read_picture_with_alpha};
use crate::picture::mask_from;
use crate::plan::settings::table::MAX_SIDE;
use crate::plan::{Mask, ResizeMode, Wanted};
use crate::say;

/// What `--mask` says for the transparency of the picture itself.
pub(super) const ALPHA: &str = "alpha";

/// The picture in a file.
pub(super) fn picture(path: &str) -> Result<InitImage> {
    Ok(InitImage::new(read_picture(Path::new(path))?))
}

/// Refuses a picture in a file whose own size would be drawn and is none that can be, before its pixels are unpacked.
pub(super) fn has_size_to_draw(path: &str) -> Result<()> {
    let (width, height) = picture_size(Path::new(path))?;
    if width.max(height) <= MAX_SIDE {
        return Ok(());
    }
    let message = say!(
        "{path}: it has {width}×{height} pixels, and sides up to {MAX_SIDE} are drawn",
        "{path}: {width}×{height} ピクセルです。描けるのは一辺 {MAX_SIDE} までです"
    );
    let most = f64::from(MAX_SIDE) / f64::from(width.max(height));
    let [width, height] = [width, height].map(|side| ((f64::from(side) * most) as u32 / 8 * 8).max(8));
    Err(Error::words(code::OUT_OF_LIMITS, message).help(say!(
        "say the size: `--width {width} --height {height}`, or less",
        "大きさを指定してください: `--width {width} --height {height}` かそれ以下"
    )))
}

/// The mask in a file, as webui reads it.
pub(super) fn mask(path: &str) -> Result<InitImage> {
    Ok(InitImage::of_mask(&mask_from(&read_picture_with_alpha(Path::new(path))?)))
}

/// The transparent part of a picture as a mask.
pub(super) fn transparency(path: &str) -> Result<InitImage> {
    let mask = read_picture_with_alpha(Path::new(path))?.map(|[.., alpha]| [255 - alpha]);
    if mask.bytes.iter().all(|value| *value == 0) {
        let message =
            say!("--mask alpha: nothing in {path} is transparent", "--mask alpha: {path} に透明な部分がありません");
        return Err(Error::words(code::MASK_MISFIT, message));
    }
    Ok(InitImage::of_mask(&mask))
}

/// Refuses a mask that does not fit the picture, or the way it is resized; what is odd about it is added to `found`.
pub(super) fn check(picture: &InitImage, mask: &InitImage, wanted: &Wanted, found: &mut Vec<Diagnostic>) -> Result<()> {
    let size = |image: &InitImage| (image.picture().width, image.picture().height);
    let ((width, height), (mask_width, mask_height)) = (size(picture), size(mask));
    if (width, height) != (mask_width, mask_height) {
        let message = say!(
            "the mask has {mask_width}×{mask_height} pixels and the picture {width}×{height}; they must be of one size",
            "マスクは {mask_width}×{mask_height} ピクセル、画像は {width}×{height} ピクセルです。同じ大きさにしてください"
        );
        return Err(Error::words(code::MASK_MISFIT, message));
    }
    let drawn = (wanted.settings.width as usize, wanted.settings.height as usize);
    let fields = &wanted.picture;
    if fields.resize_mode == ResizeMode::Latent && !fields.inpaint_full_res && drawn != (width, height) {
        let message = say!(
            "--resize-mode latent stretches the latent alone, which a mask of another size than the image does not fit",
            "--resize-mode latent は潜在画像だけを伸縮するので、出力と大きさの違うマスクは使えません"
        );
        return Err(Error::words(code::MASK_MISFIT, message)
            .help(say!("use just, crop or fill", "just、crop、fill のどれかにしてください")));
    }
    let how: Mask = fields.mask(mask.id());
    let kept = if how.inverted { 255 } else { 0 };
    if mask.picture().bytes.iter().all(|value| *value == kept) {
        let message = match how.only_masked {
            Some(_) => say!(
                "nothing is masked: the whole picture is drawn over, as in webui",
                "マスクされた部分がありません。webui と同じく画像全体に描きます"
            ),
            None => {
                say!("nothing is masked: the picture stays as it is", "マスクされた部分がないので、画像は変わりません")
            }
        };
        found.push(Diagnostic::new(code::BLANK_MASK, message));
    }
    Ok(())
}

/// A mask without a picture.
pub(super) fn mask_alone() -> Error {
    let message = say!("a mask needs the picture that it masks", "マスクには元の画像が必要です");
    Error::words(code::MASK_MISFIT, message).help(say!("give it with --init", "--init で指定してください"))
}
