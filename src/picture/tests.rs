use super::*;

#[test]
fn parts_outside_of_a_picture_are_black() {
    let picture = Gray { width: 2, height: 2, bytes: vec![1, 2, 3, 4] };
    assert_eq!(picture.crop(-1, -1, 3, 2).bytes, [0, 0, 0, 0, 1, 2]);
    assert_eq!(picture.crop(1, 1, 2, 2).bytes, [4, 0, 0, 0]);
    assert_eq!(picture.crop(2, 0, 1, 1).bytes, [0]);
    assert_eq!(picture.crop(i64::MIN + 1, i64::MAX, 1, 1).bytes, [0]);
}

#[test]
fn a_mask_of_halves_pastes_halves() {
    let mut below = Gray::filled(3, 1, [100]);
    let mask = Gray { width: 3, height: 1, bytes: vec![0, 128, 255] };
    below.paste_through(&Gray::filled(3, 1, [200]), &mask, 0, 0);
    assert_eq!(below.bytes, [100, 150, 200]);
}

#[test]
fn every_filter_keeps_one_colour_and_one_size() {
    let flat = Rgb::filled(7, 5, [10, 128, 250]);
    for filter in [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
        for (width, height) in [(7, 5), (1, 1), (13, 2), (3, 40)] {
            assert_eq!(flat.resized(filter, width, height), Rgb::filled(width, height, [10, 128, 250]), "{filter:?}");
        }
    }
}

#[test]
fn blurs_keep_one_value() {
    for (width, height) in [(1, 1), (1, 9), (30, 2)] {
        let flat = Gray::filled(width, height, [77]);
        assert_eq!(blur_mask(&flat, 4.0, 9.0), flat);
        for radius in [0.0, 0.3, 2.0, 256.0] {
            assert_eq!(gaussian_blur(&flat, radius), flat, "{radius}");
        }
    }
}

#[test]
fn a_region_grows_inside_of_the_picture() {
    let mut mask = Gray::filled(40, 30, [0]);
    assert_eq!(Region::masked(&mask, 8), None);
    mask.bytes[5 * 40 + 38] = 1;
    let region = Region::masked(&mask, 2).unwrap();
    assert_eq!(region, Region { x: 36, y: 3, width: 4, height: 5 });
    assert_eq!(region.expanded((64, 64), (40, 30)), Region { x: 35, y: 3, width: 5, height: 5 });
    // A shape that does not fit is cut.
    assert_eq!(Region { x: 0, y: 0, width: 40, height: 10 }.expanded((1, 2), (40, 30)).height, 30);
}

#[test]
fn grays_survive_lab() {
    for value in [0, 1, 60, 128, 200, 255] {
        let gray = Rgb::filled(1, 1, [value; 3]);
        let lab = to_lab(&gray);
        assert_eq!(lab.bytes[1..], [128, 128]);
        assert!(from_lab(&lab).bytes.iter().all(|v| v.abs_diff(value) <= 2), "{value}");
    }
}

#[test]
fn a_picture_in_its_own_colours_stays() {
    let bytes: Vec<u8> = (0..192u32).map(|i| (i * 37 % 251) as u8).collect();
    let picture = Rgb { width: 8, height: 8, bytes };
    let corrected = ColourCorrection::to(&picture).apply(&picture);
    let worst = corrected.bytes.iter().zip(&picture.bytes).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(6), "{worst:?}");
}

fn stripes(width: usize, height: usize) -> Rgb {
    let bytes = (0..width * height).flat_map(|i| [(i % width) as u8 * 10, (i / width) as u8 * 10, 7]).collect();
    Rgb { width, height, bytes }
}

#[test]
fn every_mode_gives_the_asked_size() {
    for (w, h) in [(8, 8), (16, 8), (8, 24), (7, 9)] {
        for mode in [Fit::Stretch, Fit::Crop, Fit::Fill] {
            let resized = lanczos(&stripes(10, 6), mode, w, h);
            assert_eq!((resized.width, resized.height, resized.bytes.len()), (w, h, 3 * w * h), "{mode:?}");
        }
    }
}

#[test]
fn filling_repeats_the_edges_and_cropping_keeps_the_middle() {
    let row = |picture: &Rgb| (0..picture.width).map(|x| picture.pixel(x, 0)[0]).collect::<Vec<_>>();
    // The strip between two pixels is a cubic curve, which goes beyond the last one.
    assert_eq!(row(&lanczos(&stripes(4, 4), Fit::Fill, 8, 4)), [0, 0, 0, 10, 20, 30, 31, 31]);
    assert_eq!(row(&lanczos(&stripes(8, 4), Fit::Crop, 4, 4)), [20, 30, 40, 50]);
}
