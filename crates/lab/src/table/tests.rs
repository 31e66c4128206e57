use super::*;
use proptest::prelude::*;

fn at(csv: &str) -> Vec<[f64; 2]> {
    parse(csv).unwrap().0.at
}

fn why(csv: &str) -> String {
    parse(csv).unwrap_err().to_string()
}

#[test]
fn separators_headers_marks_and_line_ends_are_read() {
    let points = vec![[1.5, 2.0], [-3.0, 4e2]];
    for csv in [
        "1.5,2\n-3,4e2\n",
        "a,b\n1.5,2\n-3,4e2",
        "\u{feff}a;b\r\n1.5;2\r\n-3;4e2\r\n",
        "1,5;2\n-3;400,0",
        "1,5\t2,0\n-3\t400\n\n",
        "\"1.5\" , 2 \n\n -3, +400\n",
    ] {
        assert_eq!(at(csv), points, "{csv:?}");
    }
    let (points, notices) = parse("a,b\n1,2\n3,4").unwrap();
    assert_eq!(points.axes, ["a", "b"]);
    assert_eq!(notices, ["The columns “a” and “b” were taken."]);
    let (points, notices) = parse("1,2,3\n3,4,3").unwrap();
    assert_eq!(points.axes, ["column 1", "column 2"]);
    assert_eq!(notices, ["The columns 1 and 2 were taken, the first two of numbers."]);
}

#[test]
fn row_numbers_are_no_axis_and_few_words_are_classes() {
    let (points, notices) = parse("\"\",kind,w,h\n1,cat,5,6\n2,dog,7,8\n3,cat,,1\n4,dog,9,0").unwrap();
    assert_eq!(points.at, [[5.0, 6.0], [7.0, 8.0], [9.0, 0.0]]);
    assert_eq!((points.labels, points.classes), (vec![0, 1, 1], vec!["cat".into(), "dog".into()]));
    assert_eq!(
        notices[1..],
        ["The words in the column “kind” are the classes.", "1 row with an empty cell was left out."]
    );
    let names: String = (0..21).map(|i| format!("{i},{},name{i}\n", i * i)).collect();
    let (points, notices) = parse(&names).unwrap();
    assert!(points.labels.is_empty() && points.classes.is_empty());
    assert!(notices[1].contains("more than 20 different words"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert_eq!(why("x,y\n1,2\n3,four\n5,6"), "Row 3, column “y” holds “four”, which is not a number.");
    assert_eq!(why("1,2\nNaN,3\n4,5"), "Row 2, column 1 holds “NaN”, which is not a finite number.");
    assert_eq!(why("1,2\n1,-inf\n4,5"), "Row 2, column 2 holds “-inf”, which is not a finite number.");
    let long = why(&format!("1,2\n3,4\n5,{}", "é".repeat(90)));
    assert!(long.contains(&format!("“{}…”", "é".repeat(40))), "{long}");
    assert_eq!(why("1,2\n3\n5,6"), "Row 2 has 1 cell, but the first row has 2 cells. Every row needs as many.");
    assert_eq!(why(""), "The table is empty.");
    assert_eq!(why("\u{feff} \r\n\n"), "The table is empty.");
    assert!(why("a,b\n").contains("no row of numbers"));
    assert!(why("1\n2\n3").contains("only one column of numbers, 1;"));
    assert!(why("n,s\n1,a\n2,b").contains("only one column of numbers, “n”;"));
    assert!(why("a,b\nc,d").contains("no column of numbers"));
    assert!(why("x,y\n1,\n,2").contains("lacks a number"));
    assert!(why(&"1,2\n".repeat(1_000_001)).contains("more than 1000000 rows"));
    assert!(why(&",".repeat(5_000)).contains("more than 1000 cells"));
    assert!(why(&" ".repeat(32_000_001)).contains("33 million characters"));
    assert_eq!(at(&"1,2\n".repeat(100_000)).len(), 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_table_of_odd_cells_panics(text in "([-+.,;\t\n\r\"0-9a-eNAnif \u{feff}]|1e9|nan|1,2\n){0,60}") {
        check(&text);
    }

    #[test]
    fn numbers_come_back_as_they_were(rows in prop::collection::vec((-1e12..1e12f64, -1e-3..1e-3f64), 1..40)) {
        for separator in [",", ";", "\t"] {
            let text: String = rows.iter().map(|(x, y)| format!("{x}{separator}{y}\n")).collect();
            let expected: Vec<[f64; 2]> = rows.iter().map(|&(x, y)| [x, y]).collect();
            prop_assert_eq!(at(&text), expected);
        }
    }
}

/// Whatever comes out is whole: finite points, a label for each or none, and sentences.
fn check(text: &str) {
    match parse(text) {
        Ok((points, notices)) => {
            assert!(points.at.iter().flatten().all(|v| v.is_finite()));
            assert!(points.labels.is_empty() || points.labels.len() == points.at.len());
            assert!(points.labels.iter().all(|&l| usize::from(l) < points.classes.len()));
            assert!(!notices.is_empty());
        }
        Err(refusal) => assert!(refusal.0.ends_with('.'), "{refusal}"),
    }
}
