//! torch's files read as data.

use lbw::checkpoint::{FileError, Format, PickleProblem, TensorFile};

use super::write::{Pickle, Stored, old_torch, torch, torch_zip, zip};

fn open(bytes: Vec<u8>) -> Result<TensorFile, FileError> {
    TensorFile::from_bytes("x.pt", bytes)
}

fn problem(bytes: Vec<u8>) -> PickleProblem {
    match open(bytes).map(|file| file.names().map(str::to_owned).collect::<Vec<_>>()) {
        Err(FileError::Pickle { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn some() -> Vec<Stored> {
    vec![
        Stored::f32("conv.weight", &[2, 3], (0..6).map(|i| i as f32)),
        Stored::raw("half", "F16", &[2], [0x3c00u16, 0xc000].map(u16::to_le_bytes).concat()),
        Stored::raw("step", "I64", &[], 900i64.to_le_bytes().to_vec()),
    ]
}

fn check_some(file: &TensorFile) {
    assert_eq!(file.format(), Format::Pickle);
    assert_eq!(file.names().collect::<Vec<_>>(), ["conv.weight", "half", "step"]);
    assert_eq!(file.f32("conv.weight").unwrap().to_vec2::<f32>().unwrap(), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
    assert_eq!(file.f32("half").unwrap().to_vec1::<f32>().unwrap(), [1.0, -2.0]);
    assert_eq!(file.tensor("step").unwrap().to_scalar::<i64>().unwrap(), 900);
}

#[test]
fn archives_and_older_files_hold_the_same() {
    check_some(&open(torch(&some())).unwrap());
    check_some(&open(old_torch(&some())).unwrap());
}

#[test]
fn numbers_stay_in_the_file_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ckpt");
    std::fs::write(&path, torch(&some())).unwrap();
    let file = TensorFile::open(&path).unwrap();
    check_some(&file);
    // Written over without a trace, so that what is read shows where it comes from.
    let stored = file.bytes("conv.weight").unwrap().into_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(stored.len()).position(|window| window == stored).unwrap();
    bytes[at] ^= 1;
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(file.bytes("conv.weight").unwrap()[0], stored[0] ^ 1);
}

#[test]
fn wrappers_are_taken_off() {
    let inside = |p: Pickle| p.tensors(&some());
    let parts: Vec<Vec<u8>> = some().into_iter().map(|t| t.bytes).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    for wrapper in ["state_dict", "params", "params_ema"] {
        let pickle = inside(Pickle::new().op(b"}(").text("epoch").int(3).text(wrapper)).op(b"u").stop();
        let file = open(torch_zip(&pickle, &parts)).unwrap();
        check_some(&file);
        assert_eq!(file.metadata()["epoch"], "3");
    }
    // The averaged weights are the ones to use.
    let both = Pickle::new().op(b"}(").text("params").tensors(&some()[..1]).text("params_ema");
    let pickle = inside(both).op(b"u").stop();
    check_some(&open(torch_zip(&pickle, &parts)).unwrap());
}

#[test]
fn views_of_shared_numbers_are_read_through_their_strides() {
    let numbers: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let pickle = Pickle::new().op(b"}(");
    let pickle = pickle.text("whole").tensor("F32", "0", 6, 0, &[2, 3], &[3, 1]);
    let pickle = pickle.text("turned").tensor("F32", "0", 6, 0, &[3, 2], &[1, 3]);
    let pickle = pickle.text("column").tensor("F32", "0", 6, 1, &[2], &[3]).op(b"u").stop();
    let file = open(torch_zip(&pickle, &[&numbers])).unwrap();
    assert_eq!(file.f32("turned").unwrap().to_vec2::<f32>().unwrap(), [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]);
    assert_eq!(file.f32("column").unwrap().to_vec1::<f32>().unwrap(), [1.0, 4.0]);
    assert_eq!(file.f32_rows("turned", &[2]).unwrap().to_vec2::<f32>().unwrap(), [[2.0, 5.0]]);
    assert_eq!(file.bytes("turned").unwrap().len(), 24);
}

#[test]
fn embeddings_of_webui_keep_their_place_and_name() {
    let values: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let pickle = Pickle::new().op(b"}(").text("string_to_param").global("torch.nn.modules.container", "ParameterDict");
    let pickle = pickle.op(b")\x81}(").text("_parameters").global("collections", "OrderedDict").op(b")R");
    let pickle = pickle.text("*").global("torch._utils", "_rebuild_parameter").op(b"(");
    let pickle = pickle.tensor("F32", "0", 8, 0, &[2, 4], &[4, 1]).op(b"\x88").global("collections", "OrderedDict");
    let pickle = pickle.op(b")RtRsub").text("name").text("my style").op(b"u").stop();
    let file = open(torch_zip(&pickle, &[&values])).unwrap();
    assert_eq!(file.shape("string_to_param.*"), Some(&[2, 4][..]));
    assert_eq!(file.metadata()["name"], "my style");
}

// ---- Hostile ones -----------------------------------------------------------------------------------------------------

#[test]
fn what_would_run_is_refused_by_name_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let touched = folder.path().join("touched");
    let command = format!("touch {}", touched.display());
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("numpy", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_wrapper_subclass"),
        ("collections", "namedtuple"),
    ] {
        let call = Pickle::new().global(module, name).op(b"(").text(&command).op(b"tR").stop();
        let stacked = Pickle::new().text(module).text(name).op(b"\x93(").text(&command).op(b"tR").stop();
        for pickle in [call, stacked] {
            for bytes in [torch_zip(&pickle, &[]), pickle] {
                let problem = problem(bytes);
                assert_eq!(problem, PickleProblem::Forbidden(format!("{module}.{name}")));
            }
        }
    }
    for pickle in [&b"(cos\nsystem\no."[..], b"(S'ls'\nios\nsystem\n.", b"\x80\x02\x82\x01.", b"\x80\x02\x92."] {
        assert!(matches!(problem(torch_zip(pickle, &[])), PickleProblem::Forbidden(_)), "{pickle:?}");
    }
    assert!(!touched.exists());
}

#[test]
fn bombs_end_soon() {
    let nested =
        |code: &[u8], times: usize| torch_zip(&[&[0x80, 2][..], b")", &code.repeat(times), b"."].concat(), &[]);
    // Tuples in tuples, ten million deep; lists that double.
    assert!(matches!(problem(nested(b"\x85", 10_000_000)), PickleProblem::TooMuch(_)));
    assert!(matches!(problem(nested(b"2\x86", 1_000_000)), PickleProblem::NoTensors | PickleProblem::TooMuch(_)));
    assert!(matches!(problem(nested(b"]", 3_000_000)), PickleProblem::TooMuch(_)));
    // A list that holds itself.
    let cycle = Pickle::new().op(b"]q\0h\0a").stop();
    assert_eq!(problem(torch_zip(&cycle, &[])), PickleProblem::NoTensors);
    // A name of a megabyte, under which everything lies.
    let name = "n".repeat(1 << 20);
    let long = Pickle::new().op(b"}(").text(&name).tensor("F32", "0", 1, 0, &[1], &[1]).op(b"u").stop();
    assert!(matches!(problem(torch_zip(&long, &[&[0; 4]])), PickleProblem::TooMuch(_)));
    // The same numbers a thousand times.
    let many = (0..1000)
        .fold(Pickle::new().op(b"}("), |p, i| p.text(&i.to_string()).tensor("F32", "0", 1 << 16, 0, &[1 << 16], &[1]));
    let shared = torch_zip(&many.op(b"u").stop(), &[&vec![0; 4 << 16]]);
    assert!(matches!(problem(shared), PickleProblem::TooMuch(_)));
}

#[test]
fn shapes_that_lie_are_refused() {
    let with = |offset, shape: &[usize], strides: &[usize]| {
        let pickle = Pickle::new().op(b"}(").text("a").tensor("F32", "0", 4, offset, shape, strides).op(b"u").stop();
        problem(torch_zip(&pickle, &[&[0; 16]]))
    };
    let huge = i32::MAX as usize;
    for (offset, shape, strides) in [
        (0, &[5][..], &[1][..]),
        (1, &[4], &[1]),
        (huge, &[1], &[1]),
        (0, &[huge, huge, huge], &[1, 1, 1]),
        (0, &[huge, huge], &[0, 0]),
        (0, &[2, 2], &[huge, 1]),
        (0, &[2, 2], &[1]),
        (0, &[1 << 20, 1], &[0, 0]),
        (0, &[1; 9], &[1; 9]),
    ] {
        assert!(matches!(with(offset, shape, strides), PickleProblem::Damaged(_)), "{shape:?}");
    }
    // Negative sizes are no sizes.
    let pickle = Pickle::new().op(b"}(").text("a").tensor("F32", "0", 4, 0, &[u32::MAX as usize], &[1]).op(b"u").stop();
    assert!(matches!(problem(torch_zip(&pickle, &[&[0; 16]])), PickleProblem::Damaged(_)));
}

#[test]
fn archives_that_lie_are_refused() {
    let whole = torch(&some());
    for length in 0..whole.len() {
        assert!(open(whole[..length].to_vec()).is_err(), "cut to {length}");
    }
    let old = old_torch(&some());
    for length in 0..old.len() {
        assert!(open(old[..length].to_vec()).is_err(), "cut to {length}");
    }
    // A part that is missing, and one that is shorter than its tensor.
    let pickle = Pickle::new().tensors(&some()).stop();
    assert_eq!(problem(torch_zip(&pickle, &[])), PickleProblem::CutShort);
    assert_eq!(problem(torch_zip(&pickle, &[&[0; 20], &[0; 4], &[0; 8]])), PickleProblem::CutShort);
    // Compressed, big-endian, of something else.
    let mut compressed = torch(&some());
    let at = compressed.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    compressed[at + 10] = 8;
    assert_eq!(problem(compressed), PickleProblem::Compressed);
    let big = zip(&[("a/data.pkl", &pickle), ("a/byteorder", b"big")]);
    assert_eq!(problem(big), PickleProblem::BigEndian);
    let other = open(zip(&[("x.safetensors", b"anything")]));
    assert!(other.is_err_and(|e| e.to_string().contains("a zip archive")));
    assert!(matches!(problem(zip(&[("data.pkl", &pickle), ("data.pkl", &pickle)])), PickleProblem::Damaged(_)));
}

#[test]
fn refusals_say_what_to_do() {
    let forbidden = Pickle::new().global("os", "system").stop();
    for (bytes, words) in [
        (torch_zip(&forbidden, &[]), &["pickle", "os.system", "convert"][..]),
        (torch_zip(&Pickle::new().op(b"}").stop(), &[]), &["pickle", "no tensor", "convert"]),
        (b"PK\x03\x04".to_vec(), &["pickle", "cut short", "download"]),
    ] {
        let said = open(bytes).map(drop).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)) && !said.contains('\n'), "{said}");
    }
}
