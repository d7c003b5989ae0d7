use super::*;

fn labels(columns: &[&str], rows: &[&str], corner: &str) -> Labels {
    let owned = |labels: &[&str]| labels.iter().map(|l| (*l).to_owned()).collect();
    Labels { columns: owned(columns), rows: owned(rows), corner: corner.to_owned() }
}

fn layout(labels: &Labels, cell: (u32, u32)) -> Layout {
    Layout::new(labels, cell, &mut Fonts::embedded()).unwrap()
}

/// Share of pixels in the rectangle that are darker than half.
fn ink(image: &RgbImage, (left, top, width, height): (u32, u32, u32, u32)) -> f64 {
    let dark = |(x, y)| image.get_pixel(x, y).0[0] < 128;
    let pixels: Vec<_> = (left..left + width).flat_map(|x| (top..top + height).map(move |y| (x, y))).collect();
    pixels.iter().filter(|p| dark(**p)).count() as f64 / pixels.len() as f64
}

#[test]
fn cells_stand_where_their_labels_are() {
    for side in [64, 128, 1024] {
        let labels = labels(&["IN04", "IN05", "OUT00"], &["0", "0.5"], "house, Block : v");
        let layout = layout(&labels, (side, side));
        let mut sheet = layout.sheet();
        for column in 0..3 {
            for row in 0..2 {
                let shade = (column * 2 + row) as u8 * 20 + 100;
                sheet.put(column, row, &RgbImage::from_pixel(side, side, Rgb([shade, 200, 200]))).unwrap();
            }
        }
        let image = sheet.into_image();
        assert_eq!(image.dimensions(), layout.size());
        for column in 0..3 {
            let (x, top) = (layout.left(column), layout.margin.1);
            assert!(ink(&image, (x, 0, side, top)) > 0.005, "label of column {column} at {side}");
            for row in 0..2 {
                let pixel = image.get_pixel(x + side - 1, layout.top(row)).0[0];
                assert_eq!(u32::from(pixel), (column * 2 + row) * 20 + 100);
            }
        }
        for row in 0..2 {
            assert!(ink(&image, (0, layout.top(row), layout.margin.0, side)) > 0.0005, "label of row {row} at {side}");
        }
        // Nothing is drawn between the labels of two columns.
        assert_eq!(ink(&image, (layout.left(1) - layout.gap, 0, layout.gap, layout.margin.1)), 0.0);
    }
}

#[test]
fn labels_that_are_empty_take_no_room() {
    let layout = layout(&labels(&[""], &[""], ""), (64, 48));
    assert_eq!(layout.size(), (64 + 2 * layout.gap, 48 + 2 * layout.gap));
}

#[test]
fn long_labels_are_wrapped_made_smaller_and_at_last_cut() {
    let fit = Fit { largest: 40.0, width: 400.0, height: 100.0 };
    let mut fonts = Fonts::embedded();
    let sizes = [10, 60, 200, 5000].map(|length| {
        let text = fit.text(&"1,".repeat(length / 2), &mut fonts);
        assert!(text.width() <= fit.width && text.height() <= fit.height, "{length}");
        text.height()
    });
    assert!(sizes.iter().all(|height| *height > 0.0));
    let unbreakable = fit.text(&"m".repeat(300), &mut fonts);
    assert!(unbreakable.width() <= fit.width && unbreakable.height() <= fit.height);
}

#[test]
fn what_no_font_has_is_told() {
    let mut fonts = Fonts::embedded();
    let labels = labels(&["赤い円", "été, Ωmega → ½"], &["\u{7}a\u{200b}"], "");
    Layout::new(&labels, (64, 64), &mut fonts).unwrap();
    assert_eq!(fonts.missing().iter().collect::<String>(), "い円赤");
    assert!(fonts.notice().unwrap().contains("い円赤"));
    assert!(Fonts::embedded().notice().is_none());
}

#[test]
fn grids_are_refused_before_memory_is_taken() {
    let many = vec![String::new(); 3000];
    let too_many = Labels { columns: many.clone(), rows: many, corner: String::new() };
    assert!(matches!(Layout::new(&too_many, (1024, 1024), &mut Fonts::embedded()), Err(GridError::TooLarge { .. })));
    assert_eq!(Layout::new(&Labels::default(), (8, 8), &mut Fonts::embedded()).unwrap_err(), GridError::Empty);
    let layout = layout(&labels(&["a"], &["b"], ""), (8, 8));
    let mut sheet = layout.sheet();
    assert!(matches!(sheet.put(0, 0, &RgbImage::new(8, 9)), Err(GridError::CellSize { .. })));
    assert!(matches!(sheet.put(1, 0, &RgbImage::new(8, 8)), Err(GridError::NoCell { .. })));
}
