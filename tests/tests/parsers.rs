//! Files from anywhere: 100,000 damaged ones for each parser are read or refused in a sentence, without a panic and without
//! taking memory that is out of proportion to the file.

use lab::points::Data;
use lab::table;
use models::params::{Init, WeightsError};
use models::{Spec, Storage, Weights};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use std::sync::Mutex;
use std::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory is measured for the whole process, so one parser at a time.
static ALONE: Mutex<()> = Mutex::new(());

const CASES: u32 = 100_000;

/// Longest that a refusal may take, of the quickest of three tries: other work may hold up one.
const LONGEST_MS: u128 = 100;

/// What happens to a file on the way.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    /// A number in the text of the header becomes another one.
    Number(usize, &'static str),
    /// The length in front of the header.
    Header(u64),
    Repeat(usize, usize),
}

const NUMBERS: [&str; 9] =
    ["0", "-1", "1e400", "18446744073709551615", "9223372036854775808", "4294967296", "NaN", "1.5", "\"\""];

fn damage() -> impl Strategy<Value = Damage> {
    let place = 0..4096usize;
    prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(at, by)| Damage::Flip(at, by)),
        place.clone().prop_map(Damage::Cut),
        (place.clone(), proptest::collection::vec(any::<u8>(), 1..24)).prop_map(|(at, what)| Damage::Insert(at, what)),
        (place.clone(), 0..NUMBERS.len()).prop_map(|(at, n)| Damage::Number(at, NUMBERS[n])),
        prop_oneof![any::<u64>(), 0..512u64].prop_map(Damage::Header),
        (place.clone(), place).prop_map(|(at, len)| Damage::Repeat(at, len % 64)),
    ]
}

fn damaged(mut file: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for one in all {
        let len = file.len().max(1);
        match one {
            Damage::Flip(at, by) => {
                if let Some(byte) = file.get_mut(at % len) {
                    *byte ^= by;
                }
            }
            Damage::Cut(at) => file.truncate(at % len),
            Damage::Insert(at, what) => {
                let at = at % len.min(file.len() + 1);
                file.splice(at..at, what.iter().copied());
            }
            Damage::Number(at, number) => {
                let digits: Vec<usize> = (0..file.len()).filter(|&i| file[i].is_ascii_digit()).collect();
                if let Some(&from) = digits.get(at % digits.len().max(1)) {
                    let to = (from..file.len()).find(|&i| !file[i].is_ascii_digit()).unwrap_or(file.len());
                    file.splice(from..to, number.bytes());
                }
            }
            Damage::Header(length) => {
                if let Some(head) = file.first_chunk_mut::<8>() {
                    *head = length.to_le_bytes();
                }
            }
            Damage::Repeat(at, size) => {
                let from = at % len.min(file.len() + 1);
                let part = file[from..(from + size).min(file.len())].to_vec();
                file.splice(from..from, part);
            }
        }
    }
    file
}

/// The most memory that a parser took beyond what was there, in bytes.
fn peak<T>(parse: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = parse();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

/// A refusal is a sentence that can be shown: not empty, not endless, no control characters.
fn is_shown(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() < 2000 && !text.chars().any(|c| c.is_control() && c != '\n')
}

fn specs() -> Vec<Spec> {
    let spec =
        |name: &str, shape: &[usize]| Spec { name: name.into(), shape: shape.into(), init: Init::Deviation(1.0) };
    vec![spec("encoder.0.weight", &[4, 3]), spec("encoder.0.bias", &[4]), spec("scale", &[])]
}

fn check_weights(file: &[u8]) {
    let (parsed, memory) = peak(|| (Weights::parse_any(file), Weights::parse(file, &specs())));
    assert!(memory <= 16 * file.len() + (1 << 20), "{memory} bytes for a file of {}", file.len());
    if let Ok(weights) = &parsed.0 {
        assert!(weights.iter().all(|(_, values)| values.iter().all(|v| v.is_finite())));
    }
    for refused in [parsed.0.err(), parsed.1.err()].into_iter().flatten() {
        assert!(is_shown(&refused.to_string()), "{refused:?}");
    }
}

#[test]
fn damaged_safetensors_are_read_or_refused() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let files = [Storage::F32, Storage::F16, Storage::I8].map(|how| Weights::init(&specs(), 1).to_bytes(how).unwrap());
    files.iter().for_each(|file| check_weights(file));
    let all = (0..files.len(), proptest::collection::vec(damage(), 1..5));
    proptest!(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }, |((which, all) in all)| {
        check_weights(&damaged(files[which].clone(), &all));
    });
}

/// A header of text and what follows it.
fn file(header: &str, body: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; body]].concat()
}

/// Attacks on readers of safetensors that are known by name.
#[test]
fn named_attacks_are_refused_at_once() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let tensor = |shape: &str, from: u64, to: u64| {
        format!("\"t\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{from},{to}]}}")
    };
    let one = |shape: &str, from: u64, to: u64, body: usize| file(&format!("{{{}}}", tensor(shape, from, to)), body);
    let many = |n: usize| {
        let empty = |i| format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        file(&format!("{{{}}}", (0..n).map(empty).collect::<Vec<_>>().join(",")), 0)
    };
    let mut trailing = one("1", 0, 4, 4);
    trailing.extend([1, 2, 3]);
    let mut not_finite = one("1", 0, 4, 0);
    not_finite.extend(f32::NAN.to_le_bytes());
    let mut endless = one("2", 0, 8, 0);
    endless.extend([f32::INFINITY.to_le_bytes(), f32::NEG_INFINITY.to_le_bytes()].concat());
    let dtype =
        |name: &str| file(&format!("{{\"t\":{{\"dtype\":\"{name}\",\"shape\":[1],\"data_offsets\":[0,4]}}}}"), 4);
    let mut fits = Weights::init(&specs(), 1);
    fits.insert("scale", &[1; 9], vec![1.0]);
    let nine = fits.to_bytes(Storage::F32).unwrap();
    let attacks: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("seven bytes", vec![0; 7]),
        ("eight bytes of nothing", vec![0; 8]),
        ("a header of 2^64 - 1", [u64::MAX.to_le_bytes().to_vec(), vec![0; 64]].concat()),
        ("a header of 2^63", [(1u64 << 63).to_le_bytes().to_vec(), vec![0; 64]].concat()),
        ("a header of 100 MB", [100_000_001u64.to_le_bytes().to_vec(), vec![b'{'; 64]].concat()),
        ("a header longer than the file", [65u64.to_le_bytes().to_vec(), vec![b' '; 64]].concat()),
        ("no JSON", file("not json", 0)),
        ("a list", file("[]", 0)),
        ("a number", file("7", 0)),
        ("null", file("null", 0)),
        ("half a JSON", file("{\"t\":", 0)),
        ("not UTF-8", [2u64.to_le_bytes().to_vec(), vec![0xff, 0xfe]].concat()),
        ("a byte order mark", file("\u{feff}{}", 0)),
        ("deep JSON", file(&"[".repeat(100_000), 0)),
        ("deep objects", file(&"{\"a\":".repeat(50_000), 0)),
        (
            "overlapping tensors",
            file(&format!("{{{},{}}}", tensor("2", 0, 8), tensor("2", 4, 12).replace("\"t\"", "\"u\"")), 12),
        ),
        ("a hole", one("1", 4, 8, 8)),
        ("an end before the start", one("1", 8, 4, 8)),
        (
            "negative offsets",
            file(&tensor("1", 0, 4).replace("[0,4]", "[-4,0]").replace("\"t\"", "{\"t\"").replace("}", "}}"), 4),
        ),
        ("offsets beyond the file", one("1", 0, 4, 0)),
        ("offsets of 2^64 - 1", one("1", 0, u64::MAX, 4)),
        ("a shape too large for its bytes", one("1000000", 0, 4, 4)),
        ("a shape too small", one("1", 0, 8, 8)),
        ("a product that overflows", one("4294967296,4294967296,4294967296", 0, 4, 4)),
        ("a product that overflows to 1", one("9223372036854775809,2", 0, 8, 8)),
        ("512 MiB claimed", one("134217728", 0, 536_870_912, 16)),
        ("negative shape", one("-1", 0, 4, 4)),
        ("a shape of half a number", one("0.5", 0, 4, 4)),
        ("an unknown type", dtype("F33")),
        ("a type of text", dtype("STRING")),
        ("integers", dtype("I32")),
        ("NaN", not_finite),
        ("infinities", endless),
        ("bytes behind the end", trailing),
        ("a cut file", one("4", 0, 16, 9)),
        ("a name of 1 MB", file(&format!("{{\"{}\":{{}}}}", "n".repeat(1_000_000)), 0)),
        ("no offsets", file("{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4)),
        ("metadata that is no text", file("{\"__metadata__\":{\"a\":7}}", 0)),
        ("14,000 tensors", many(14_000)),
        ("100,000 tensors", many(100_000)),
        ("a name twice", file(&format!("{{{0},{0}}}", tensor("1", 0, 4)), 4)),
        ("a name twice, and a hole", file(&format!("{{{},{}}}", tensor("1", 0, 4), tensor("1", 4, 8)), 8)),
        ("nine dimensions", one("1,1,1,1,1,1,1,1,1", 0, 4, 4)),
        ("nine dimensions of a scale", nine),
        ("a zip file", [b"PK\x03\x04".to_vec(), vec![0; 200]].concat()),
        ("a page", b"<!doctype html><title>404</title>".to_vec()),
    ];
    assert!(attacks.len() >= 40);
    for (name, bytes) in attacks {
        let mut took = Vec::new();
        for _ in 0..3 {
            let started = Instant::now();
            let (parsed, memory) = peak(|| Weights::parse(&bytes, &specs()));
            took.push(started.elapsed().as_millis());
            let why = parsed.err().unwrap_or_else(|| panic!("{name} is taken"));
            assert_eq!(code(&why), wanted(name), "{name}: {why}");
            assert!(is_shown(&why.to_string()), "{name}: {why}");
            assert!(memory <= 16 * bytes.len() + (1 << 20), "{name}: {memory} bytes for a file of {}", bytes.len());
        }
        assert!(took.iter().min() < Some(&LONGEST_MS), "{name} took {took:?} ms");
    }
}

/// What the refusal is called.
fn code(why: &WeightsError) -> &'static str {
    match why {
        WeightsError::Format(_) => "format",
        WeightsError::Names(_) => "names",
        WeightsError::Shape { .. } => "shape",
        WeightsError::Dtype { .. } => "type",
        WeightsError::NotFinite { .. } => "not finite",
    }
}

/// What the refusal of a named attack must be called.
fn wanted(attack: &str) -> &'static str {
    match attack {
        // Whole files of another model.
        "a name twice" | "nine dimensions" => "names",
        "nine dimensions of a scale" => "shape",
        "integers" | "14,000 tensors" => "type",
        "NaN" | "infinities" => "not finite",
        _ => "format",
    }
}

#[test]
fn damaged_tables_are_read_or_refused() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let tables = [
        "x,y,kind\n1,2,a\n3.5,-1e3,b\n0,0,a\n7,8,b\n2,2,a\n",
        "1\t2\n3\t4\n5\t6\n-7\t1e-9\n",
        "\"a \"\"b\"\"\";c\n1,5;2,5\n3,5;4\n9;8\n1;1\n",
    ];
    let check = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (parsed, memory) = peak(|| {
            let (points, notices) = table::parse(&text)?;
            let rows = points.at.len();
            Data::of(points, "a table", None, 1).map(|data| (data, rows, notices))
        });
        assert!(memory <= 256 * text.len() + (1 << 20), "{memory} bytes for a table of {}", text.len());
        match parsed {
            Ok((data, rows, notices)) => {
                assert!(data.train.at.iter().chain(&data.held_out.at).flatten().all(|v| v.is_finite()));
                assert!(data.train.at.len() + data.held_out.at.len() <= rows);
                assert!(notices.iter().all(|notice| is_shown(notice)), "{notices:?}");
            }
            Err(refusal) => assert!(is_shown(&refusal.0), "{refusal:?}"),
        }
    };
    tables.iter().for_each(|table| check(table.as_bytes()));
    let all = (0..tables.len(), proptest::collection::vec(damage(), 1..6));
    proptest!(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }, |((which, all) in all)| {
        check(&damaged(tables[which].as_bytes().to_vec(), &all));
    });
}
