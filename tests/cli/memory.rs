//! `--memory` as a user gives it.

use crate::sandbox::Sandbox;

#[test]
fn what_takes_too_much_is_refused_before_the_first_picture() {
    let s = Sandbox::new();
    let values = format!("Prompt S/R=a red circle,{}", ["a red circle"; 40].join(" AND "));
    let small = ["--width", "64", "--height", "64", "--steps", "1", "--seed", "1", "--memory", "62m"];
    let plot = [&["xyz", "a red circle", "--x", &values, "-o", "plot"][..], &small].concat();
    let (_, err) = s.expect(3, &plot);
    assert!(err.contains("E0719") && err.contains("`--memory ") && !s.path("plot").exists(), "{err}");
    let (_, err) = s.expect(3, &["plan", "a cat", "--width", "512", "--height", "512", "--memory", "200m"]);
    assert!(err.contains("E0719") && err.contains(" fits"), "{err}");
}

#[test]
fn amounts_are_read_as_people_write_them() {
    let s = Sandbox::new();
    for amount in ["8", "8gibib", "0g", "all", "99999999999g"] {
        let (_, err) = s.expect(2, &["plan", "a cat", "--memory", amount]);
        assert!(err.contains("no amount of memory") && err.contains("`8g`"), "{amount}: {err}");
    }
    for amount in ["8g", "8 GiB", "AUTO", "900mb", "1000000m"] {
        s.expect(0, &["plan", "a cat", "--memory", amount]);
    }
}

#[test]
fn a_device_or_kernels_that_are_not_there_are_told_in_both_languages() {
    let s = Sandbox::new();
    let (_, err) = s.expect(3, &["plan", "a cat", "--device", "metal", "--lang", "ja"]);
    assert!(err.contains("Metal なし") && err.contains("--device cpu"), "{err}");
}
