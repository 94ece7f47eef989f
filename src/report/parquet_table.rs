//! A table in Apache Parquet, written row by row.
//!
//! In: columns and rows of cells. Out: a file of row groups, packed with gzip, with dictionaries and statistics. Parquet
//! wants a column at a time, so the rows of one group wait here, as bytes behind one another and not as values; that, and
//! not the length of the table, is what it costs in memory.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

/// Rows of a group, at most. Readers skip groups by their statistics, so each should be worth a request to S3.
const GROUP_ROWS: usize = 32_768;
/// Bytes of text of a group, at most.
const GROUP_BYTES: usize = 48 * 1024 * 1024;
/// The fifth of nine: the sixth takes half as long again for two bytes in a hundred.
const LEVEL: u32 = 5;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// UTF-8, never null.
    Text,
    /// UTF-8 that is different in every row, so that a dictionary would only cost.
    Id,
    /// UTF-8 or null.
    MaybeText,
    /// A list of UTF-8, maybe empty, never null.
    Texts,
    /// Milliseconds since 1970 in UTC.
    Time,
    /// Days since 1970.
    Day,
    /// True or false, never null.
    Flag,
    /// A number of 64 bits, never null.
    Count,
    /// A floating point number or null.
    Number,
}

impl Kind {
    /// Whether a value may be missing. A list is never missing, it may be empty.
    fn is_optional(self) -> bool {
        matches!(self, Self::MaybeText | Self::Time | Self::Day | Self::Number)
    }
}

/// One value of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Null,
    Text(&'a str),
    Texts(&'a [String]),
    Flag(bool),
    Count(u64),
    Number(f64),
    /// RFC 3339; what is no time is null.
    Time(&'a str),
    /// `YYYY-MM-DD`; what is no day is null.
    Day(&'a str),
}

impl<'a> Cell<'a> {
    /// Null for none.
    pub(super) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// Text of a group: all of it in one piece, and where each value ends.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    fn take(&mut self) -> Vec<ByteArray> {
        let all = ByteArray::from(std::mem::take(&mut self.bytes));
        let mut start = 0;
        let value = |end| {
            let value = all.slice(start, end - start);
            start = end;
            value
        };
        self.ends.drain(..).map(value).collect()
    }
}

enum Values {
    Text(Texts),
    Long(Vec<i64>),
    Int(Vec<i32>),
    Flag(Vec<bool>),
    Double(Vec<f64>),
}

struct Column {
    name: &'static str,
    kind: Kind,
    values: Values,
    /// Whether a value is there, for columns that may have none.
    definition: Vec<i16>,
    /// Whether a value goes on with the list of the one before it.
    repetition: Vec<i16>,
}

impl Column {
    fn of(name: &'static str, kind: Kind) -> Self {
        let values = match kind {
            Kind::Text | Kind::Id | Kind::MaybeText | Kind::Texts => Values::Text(Texts::default()),
            Kind::Time | Kind::Count => Values::Long(Vec::new()),
            Kind::Day => Values::Int(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
            Kind::Number => Values::Double(Vec::new()),
        };
        Self { name, kind, values, definition: Vec::new(), repetition: Vec::new() }
    }

    /// <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md>
    fn schema(&self) -> Result<Type, ParquetError> {
        let (physical, repetition, logical) = match self.kind {
            Kind::Text | Kind::Id => (Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String)),
            Kind::MaybeText => (Physical::BYTE_ARRAY, Repetition::OPTIONAL, Some(LogicalType::String)),
            Kind::Time => (Physical::INT64, Repetition::OPTIONAL, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
            Kind::Day => (Physical::INT32, Repetition::OPTIONAL, Some(LogicalType::Date)),
            Kind::Flag => (Physical::BOOLEAN, Repetition::REQUIRED, None),
            Kind::Count => (Physical::INT64, Repetition::REQUIRED, None),
            Kind::Number => (Physical::DOUBLE, Repetition::OPTIONAL, None),
            Kind::Texts => return self.list_schema(),
        };
        Type::primitive_type_builder(self.name, physical).with_repetition(repetition).with_logical_type(logical).build()
    }

    fn list_schema(&self) -> Result<Type, ParquetError> {
        let element = Type::primitive_type_builder("element", Physical::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::String))
            .build()?;
        let list = Type::group_type_builder("list")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![Arc::new(element)])
            .build()?;
        Type::group_type_builder(self.name)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::List))
            .with_fields(vec![Arc::new(list)])
            .build()
    }

    /// Takes a cell; answers how many bytes of text it brought.
    fn push(&mut self, cell: Cell<'_>) -> io::Result<usize> {
        let (there, bytes) = match (self.kind, &mut self.values, cell) {
            (Kind::MaybeText | Kind::Time | Kind::Day | Kind::Number, _, Cell::Null) => (0, 0),
            (Kind::Text | Kind::Id | Kind::MaybeText, Values::Text(texts), Cell::Text(text)) => {
                texts.push(text);
                (1, text.len())
            }
            (Kind::Texts, Values::Text(texts), Cell::Texts(list)) => {
                for (place, text) in list.iter().enumerate() {
                    texts.push(text);
                    self.definition.push(1);
                    self.repetition.push(i16::from(place > 0));
                }
                if list.is_empty() {
                    self.definition.push(0);
                    self.repetition.push(0);
                }
                return Ok(list.iter().map(String::len).sum());
            }
            (Kind::Flag, Values::Flag(flags), Cell::Flag(flag)) => {
                flags.push(flag);
                (1, 0)
            }
            (Kind::Count, Values::Long(numbers), Cell::Count(number)) => {
                numbers.push(i64::try_from(number).unwrap_or(i64::MAX));
                (1, 0)
            }
            (Kind::Number, Values::Double(numbers), Cell::Number(number)) => {
                numbers.push(number);
                (1, 0)
            }
            (Kind::Time, Values::Long(numbers), Cell::Time(text)) => {
                let time = milliseconds(text);
                numbers.extend(time);
                (i16::from(time.is_some()), 0)
            }
            (Kind::Day, Values::Int(numbers), Cell::Day(text)) => {
                let day = days(text);
                numbers.extend(day);
                (i16::from(day.is_some()), 0)
            }
            _ => return Err(io::Error::other(format!("column {} takes no {cell:?}", self.name))),
        };
        if self.kind.is_optional() {
            self.definition.push(there);
        }
        Ok(bytes)
    }

    /// Writes what was taken, and forgets it.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let definition = (self.kind.is_optional() || self.kind == Kind::Texts).then_some(self.definition.as_slice());
        let repetition = (self.kind == Kind::Texts).then_some(self.repetition.as_slice());
        match &mut self.values {
            Values::Text(texts) => {
                let values = texts.take();
                put(writer.typed::<ByteArrayType>(), &values, definition, repetition)?;
            }
            Values::Long(values) => {
                put(writer.typed::<Int64Type>(), values, definition, repetition)?;
                values.clear();
            }
            Values::Int(values) => {
                put(writer.typed::<Int32Type>(), values, definition, repetition)?;
                values.clear();
            }
            Values::Double(values) => {
                put(writer.typed::<DoubleType>(), values, definition, repetition)?;
                values.clear();
            }
            Values::Flag(values) => {
                put(writer.typed::<BoolType>(), values, definition, repetition)?;
                values.clear();
            }
        }
        self.definition.clear();
        self.repetition.clear();
        Ok(())
    }
}

fn put<T: DataType>(
    writer: &mut ColumnWriterImpl<'_, T>,
    values: &[T::T],
    definition: Option<&[i16]>,
    repetition: Option<&[i16]>,
) -> Result<(), ParquetError> {
    writer.write_batch(values, definition, repetition).map(drop)
}

fn milliseconds(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

fn days(text: &str) -> Option<i32> {
    let day = Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()?;
    i32::try_from((day - Date::from_ordinal_date(1970, 1).ok()?).whole_days()).ok()
}

/// A table that is being written.
pub(super) struct Table<'a> {
    columns: Vec<Column>,
    rows: usize,
    /// Bytes of text in the rows.
    bytes: usize,
    group_rows: usize,
    /// Writes into memory; what it wrote goes to `out` group by group.
    file: SerializedFileWriter<Vec<u8>>,
    out: &'a mut dyn Write,
}

impl<'a> Table<'a> {
    /// Begins a table whose rows come in the order of the columns `sorted_by`.
    pub(super) fn start(
        name: &str,
        columns: &[(&'static str, Kind)],
        sorted_by: &[&str],
        out: &'a mut dyn Write,
    ) -> io::Result<Self> {
        Self::in_groups_of(GROUP_ROWS, name, columns, sorted_by, out)
    }

    fn in_groups_of(
        group_rows: usize,
        name: &str,
        columns: &[(&'static str, Kind)],
        sorted_by: &[&str],
        out: &'a mut dyn Write,
    ) -> io::Result<Self> {
        let columns: Vec<Column> = columns.iter().map(|&(name, kind)| Column::of(name, kind)).collect();
        let fields = columns.iter().map(|column| column.schema().map(Arc::new)).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder(name).with_fields(fields).build()?;
        let sorting = sorted_by.iter().filter_map(|name| {
            let place = columns.iter().position(|column| column.name == *name)?;
            let column_idx = i32::try_from(place).ok()?;
            Some(SortingColumn { column_idx, descending: false, nulls_first: false })
        });
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::GZIP(GzipLevel::try_new(LEVEL)?))
            .set_sorting_columns(Some(sorting.collect()).filter(|sorting: &Vec<_>| !sorting.is_empty()));
        for column in columns.iter().filter(|column| column.kind == Kind::Id) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name), false);
        }
        let file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))?;
        Ok(Self { columns, rows: 0, bytes: 0, group_rows, file, out })
    }

    /// Adds a row.
    pub(super) fn push(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if cells.len() != self.columns.len() {
            return Err(io::Error::other(format!("{} cells for {} columns", cells.len(), self.columns.len())));
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.push(*cell)?;
        }
        self.rows += 1;
        if self.rows >= self.group_rows || self.bytes >= GROUP_BYTES { self.end_group() } else { Ok(()) }
    }

    /// Ends the table; without rows it is one with its columns and nothing else.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.end_group()?;
        }
        self.file.finish()?;
        self.drain()
    }

    fn end_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        self.drain()
    }

    fn drain(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.out.write_all(self.file.inner())?;
        self.file.inner_mut().clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    const COLUMNS: [(&str, Kind); 8] = [
        ("id", Kind::Id),
        ("word", Kind::Text),
        ("maybe", Kind::MaybeText),
        ("list", Kind::Texts),
        ("at", Kind::Time),
        ("day", Kind::Day),
        ("flag", Kind::Flag),
        ("count", Kind::Count),
    ];

    fn rows(of: &[u8]) -> (Vec<Vec<String>>, usize) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(of).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let groups = reader.metadata().num_row_groups();
        let cells = |row: parquet::record::Row| row.get_column_iter().map(|(_, cell)| cell.to_string()).collect();
        (reader.get_row_iter(None).unwrap().map(|row| cells(row.unwrap())).collect(), groups)
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let lists = [vec!["a".to_owned(), String::new(), "ü".to_owned()], Vec::new(), vec!["b".to_owned()]];
        let mut bytes = Vec::new();
        let mut table = Table::in_groups_of(2, "t", &COLUMNS, &["id"], &mut bytes).unwrap();
        for (number, list) in (0_u64..).zip(&lists) {
            let id = format!("{number}");
            let full = number != 1;
            table
                .push(&[
                    Cell::Text(&id),
                    Cell::Text("same"),
                    Cell::maybe(full.then_some("there")),
                    Cell::Texts(list),
                    if full { Cell::Time("1970-01-01T01:00:00.250+01:00") } else { Cell::Time("soon") },
                    if full { Cell::Day("1970-03-01") } else { Cell::Null },
                    Cell::Flag(full),
                    Cell::Count(number),
                ])
                .unwrap();
        }
        table.finish().unwrap();
        let (rows, groups) = rows(&bytes);
        assert_eq!(groups, 2, "three rows in groups of two");
        let full = |id: &str, list: &str| {
            let id = format!("\"{id}\"");
            let at = "1970-01-01 00:00:00.250 +00:00";
            [&id, "\"same\"", "\"there\"", list, at, "1970-03-01", "true", id.trim_matches('"')].map(str::to_owned)
        };
        assert_eq!(rows[0], full("0", "[\"a\", \"\", \"ü\"]"));
        assert_eq!(rows[1], ["\"1\"", "\"same\"", "null", "[]", "null", "null", "false", "1"]);
        assert_eq!(rows[2], full("2", "[\"b\"]"));
    }

    #[test]
    fn times_and_days_are_counted_from_1970() {
        assert_eq!(milliseconds("2026-11-21T02:00:00Z"), Some(1_795_226_400_000));
        assert_eq!(milliseconds("1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!((days("1970-01-02"), days("1969-12-31"), days("2026-02-30")), (Some(1), Some(-1), None));
    }

    #[test]
    fn a_table_without_rows_is_a_table() {
        let mut bytes = Vec::new();
        Table::start("t", &COLUMNS, &[], &mut bytes).unwrap().finish().unwrap();
        assert_eq!(rows(&bytes), (Vec::new(), 0));
    }

    #[test]
    fn a_cell_of_another_kind_is_an_error() {
        let mut bytes = Vec::new();
        let mut table = Table::start("t", &COLUMNS[..1], &[], &mut bytes).unwrap();
        assert!(table.push(&[Cell::Flag(true)]).unwrap_err().to_string().contains("column id takes no"));
        assert!(table.push(&[Cell::Null]).is_err(), "an id is never null");
        assert!(table.push(&[]).unwrap_err().to_string().contains("0 cells for 1 columns"));
    }
}
