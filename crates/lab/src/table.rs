//! A table of numbers as points of the plane, or a sentence that says what is wrong with it.

use crate::points::Points;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::collections::BTreeSet;
use std::fmt::Display;

/// Largest text in bytes, most rows, and most columns.
const LONGEST: usize = 32_000_000;
const MOST_ROWS: usize = 1_000_000;
const MOST_COLUMNS: usize = 1_000;
/// A column of words with more values than these is not a column of classes.
const MOST_CLASSES: usize = 20;
/// Cells and names are cut to so many characters where they are told.
const TOLD: usize = 40;

/// Why data are refused: a sentence for the person who gave them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Refusal {
    /// In the words of an error.
    pub fn of(error: impl Display) -> Refusal {
        Refusal(error.to_string())
    }
}

/// What a cell holds.
enum Cell {
    Missing,
    /// Of any kind, also one that is not finite.
    Number(f64),
    Word,
}

/// What is known of a column after a first reading.
#[derive(Clone, Default)]
struct Column {
    numbers: usize,
    words: usize,
    /// Whether its values are 0, 1, 2, .. or 1, 2, 3, ..
    counts: bool,
    first: f64,
    /// One more than can be classes, at most.
    values: BTreeSet<String>,
}

impl Column {
    fn is_numeric(&self) -> bool {
        self.numbers > self.words
    }
}

/// A text and how to read it.
struct Table<'a> {
    text: &'a str,
    separator: u8,
    header: Option<StringRecord>,
    width: usize,
}

/// The points of a table, and a sentence for each choice that was made. The first two columns of numbers are taken; a column of
/// a few words is taken for classes. Separators are commas, semicolons or tabs; the first row may be a header; with another separator
/// than the comma, decimals may have one. Rows with an empty cell are left out.
pub fn parse(csv: &str) -> Result<(Points, Vec<String>), Refusal> {
    let table = Table::of(csv)?;
    let columns = table.survey()?;
    let mut notices = Vec::new();
    let axes = table.axes(&columns, &mut notices)?;
    let class = table.class(&columns, &mut notices);
    let (points, left_out) = table.points(axes, class)?;
    if points.at.is_empty() {
        return Err(Refusal("Every row of the table lacks a number, so there is no point in it.".into()));
    }
    if left_out > 0 {
        let rows = if left_out == 1 {
            "1 row with an empty cell was".into()
        } else {
            format!("{left_out} rows with an empty cell were")
        };
        notices.push(format!("{rows} left out."));
    }
    Ok((points, notices))
}

impl<'a> Table<'a> {
    fn of(text: &'a str) -> Result<Table<'a>, Refusal> {
        if text.len() > LONGEST {
            return Err(Refusal(format!(
                "The table has {} million characters; the lab reads up to {} million.",
                text.len().div_ceil(1_000_000),
                LONGEST / 1_000_000
            )));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let first = text.lines().find(|line| !line.trim().is_empty());
        let first = first.ok_or_else(|| Refusal("The table is empty.".into()))?;
        let separator = [b'\t', b';'].into_iter().find(|s| first.as_bytes().contains(s)).unwrap_or(b',');
        // A line of nothing but separators would take many times its length of memory.
        if text.lines().any(|line| line.bytes().filter(|b| *b == separator).count() >= MOST_COLUMNS) {
            return Err(Refusal(format!("A row of the table has more than {MOST_COLUMNS} cells.")));
        }
        let mut table = Table { text, separator, header: None, width: 0 };
        let mut row = StringRecord::new();
        if !table.reader().read_record(&mut row).map_err(Refusal::of)? {
            return Err(Refusal("The table is empty.".into()));
        }
        table.width = row.len();
        let has_number = row.iter().any(|cell| matches!(table.cell(cell), Cell::Number(_)));
        table.header = (!has_number).then_some(row);
        Ok(table)
    }

    fn reader(&self) -> csv::Reader<&'a [u8]> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.separator).trim(Trim::All);
        builder.from_reader(self.text.as_bytes())
    }

    /// Calls `f` with the number and the cells of each row below the header; refuses rows of other lengths.
    fn each_row(&self, mut f: impl FnMut(usize, &StringRecord) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let (mut reader, mut row, mut number) = (self.reader(), StringRecord::new(), 0);
        while reader.read_record(&mut row).map_err(Refusal::of)? {
            number += 1;
            if number == 1 && self.header.is_some() {
                continue;
            }
            if number > MOST_ROWS {
                return Err(Refusal(format!(
                    "The table has more than {MOST_ROWS} rows, which is more than the lab reads."
                )));
            }
            if row.len() != self.width {
                return Err(Refusal(format!(
                    "Row {number} has {}, but the first row has {}. Every row needs as many.",
                    cells(row.len()),
                    cells(self.width)
                )));
            }
            f(number, &row)?;
        }
        Ok(())
    }

    fn cell(&self, cell: &str) -> Cell {
        if cell.is_empty() || cell == "NA" {
            return Cell::Missing;
        }
        let decimal_comma = self.separator != b',' && cell.matches(',').count() == 1 && !cell.contains('.');
        let number = if decimal_comma { cell.replace(',', ".").parse() } else { cell.parse() };
        number.map_or(Cell::Word, Cell::Number)
    }

    fn survey(&self) -> Result<Vec<Column>, Refusal> {
        let mut columns = vec![Column { counts: true, ..Column::default() }; self.width];
        let mut rows = 0;
        self.each_row(|_, row| {
            for (column, text) in columns.iter_mut().zip(row) {
                match self.cell(text) {
                    Cell::Number(v) => {
                        if rows == 0 {
                            column.first = v;
                        }
                        column.counts &=
                            v == column.first + rows as f64 && (column.first == 0.0 || column.first == 1.0);
                        column.numbers += 1;
                    }
                    Cell::Word => {
                        column.counts = false;
                        column.words += 1;
                        if column.values.len() <= MOST_CLASSES && !column.values.contains(text) {
                            column.values.insert(text.to_string());
                        }
                    }
                    Cell::Missing => column.counts = false,
                }
            }
            rows += 1;
            Ok(())
        })?;
        if rows == 0 {
            return Err(Refusal("The table has a first row of words and no row of numbers below it.".into()));
        }
        Ok(columns)
    }

    /// The two columns that are taken.
    fn axes(&self, columns: &[Column], notices: &mut Vec<String>) -> Result<[usize; 2], Refusal> {
        let numeric: Vec<usize> = (0..self.width).filter(|&i| columns[i].is_numeric()).collect();
        let telling: Vec<usize> = numeric.iter().copied().filter(|&i| !columns[i].counts).collect();
        // A column that numbers the rows is taken only where there is no other.
        let taken = if numeric.len() > 2 && telling.len() >= 2 { &telling } else { &numeric };
        match taken[..] {
            [] => Err(Refusal("The table has no column of numbers; two are needed, one for each axis.".into())),
            [one] => Err(Refusal(format!(
                "The table has only one column of numbers, {}; two are needed, one for each axis.",
                self.name(one)
            ))),
            [x, y, ..] => {
                let which = if self.width == 2 { "" } else { ", the first two of numbers" };
                notices.push(format!("The columns {} and {} were taken{which}.", self.name(x), self.name(y)));
                Ok([x, y])
            }
        }
    }

    /// The column of classes, if there is one.
    fn class(&self, columns: &[Column], notices: &mut Vec<String>) -> Option<usize> {
        let mut words = (0..self.width).filter(|&i| columns[i].words > 0 && !columns[i].is_numeric());
        let few = words.clone().find(|&i| columns[i].values.len() <= MOST_CLASSES && columns[i].numbers == 0);
        match few {
            Some(i) => notices.push(format!("The words in the column {} are the classes.", self.name(i))),
            None => {
                if let Some(i) = words.next() {
                    let name = self.name(i);
                    notices.push(format!(
                        "The column {name} has more than {MOST_CLASSES} different words, too many for classes."
                    ));
                }
            }
        }
        few
    }

    /// The points, and the number of rows that lack something.
    fn points(&self, axes: [usize; 2], class: Option<usize>) -> Result<(Points, usize), Refusal> {
        let (mut at, mut labels, mut classes, mut left_out) = (Vec::new(), Vec::new(), Vec::<String>::new(), 0);
        self.each_row(|number, row| {
            let [x, y] = axes.map(|column| self.number(number, column, &row[column]));
            let word = class.map(|column| &row[column]);
            let (Some(x), Some(y)) = (x?, y?) else {
                left_out += 1;
                return Ok(());
            };
            match word {
                None => {}
                Some(word) if matches!(self.cell(word), Cell::Missing) => {
                    left_out += 1;
                    return Ok(());
                }
                Some(word) => {
                    let label = classes.iter().position(|c| c == word).unwrap_or_else(|| {
                        classes.push(word.to_string());
                        classes.len() - 1
                    });
                    labels.push(label as u8);
                }
            }
            at.push([x, y]);
            Ok(())
        })?;
        let classes = classes.iter().map(|class| told(class)).collect();
        let axes = axes.map(|column| self.title(column));
        Ok((Points { at, labels, classes, axes }, left_out))
    }

    /// A cell of a column of numbers; none where it is empty.
    fn number(&self, row: usize, column: usize, text: &str) -> Result<Option<f64>, Refusal> {
        let what = match self.cell(text) {
            Cell::Missing => return Ok(None),
            Cell::Number(v) if v.is_finite() => return Ok(Some(v)),
            Cell::Number(_) => "is not a finite number",
            Cell::Word => "is not a number",
        };
        Err(Refusal(format!("Row {row}, column {} holds “{}”, which {what}.", self.name(column), told(text))))
    }

    /// What a column is called.
    fn title(&self, column: usize) -> String {
        let header = self.header.as_ref().and_then(|header| header.get(column)).map(told).unwrap_or_default();
        if header.is_empty() { format!("column {}", column + 1) } else { header }
    }

    /// The same within a sentence about columns.
    fn name(&self, column: usize) -> String {
        let title = self.title(column);
        match title.strip_prefix("column ") {
            Some(number) if number == (column + 1).to_string() => number.to_string(),
            _ => format!("“{title}”"),
        }
    }
}

fn cells(n: usize) -> String {
    if n == 1 { "1 cell".into() } else { format!("{n} cells") }
}

/// A text as it can stand in a sentence.
fn told(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let cut: String = text.chars().take(TOLD).map(plain).collect();
    if text.chars().nth(TOLD).is_some() { format!("{cut}…") } else { cut }
}

#[cfg(test)]
mod tests;
