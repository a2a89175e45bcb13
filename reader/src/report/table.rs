//! Columns and rows, the shape of tables, series and stacks.

#![forbid(unsafe_code)]

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use crate::report::{Unit, Value};

/// Columns and rows of values; each row has one value per column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// What stands in each row, the most important first.
    pub columns: Vec<Column>,
    /// The rows, in the order in which they are drawn.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: Vec<Column>) -> Table {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// Where the column `key` stands.
    pub fn index(&self, key: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.key == key)
    }

    /// Where the column that holds stacks stands.
    pub fn stack_index(&self) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.unit == Unit::Stack)
    }
}

/// What one place of every row means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// What programs call it: the key in JSON, with the unit last (`live_bytes`).
    pub key: String,
    /// What people call it.
    pub title: String,
    /// What its values count.
    #[serde(serialize_with = "unit_name")]
    pub unit: Unit,
    /// Whether its numbers are changes, which people want with a sign.
    #[serde(rename = "change")]
    pub is_change: bool,
    /// Whether it follows from the others, so that people can do without it.
    #[serde(skip)]
    pub is_derived: bool,
}

impl Column {
    /// A column of plain values.
    pub fn new(key: impl Into<String>, title: impl Into<String>, unit: Unit) -> Column {
        Column {
            key: key.into(),
            title: title.into(),
            unit,
            is_change: false,
            is_derived: false,
        }
    }

    /// A column that follows from the others: programs get it, people do not.
    pub fn derived(key: impl Into<String>, title: impl Into<String>, unit: Unit) -> Column {
        Column {
            is_derived: true,
            ..Column::new(key, title, unit)
        }
    }

    /// A column of differences, drawn with `+` or `-`.
    pub fn change(key: impl Into<String>, title: impl Into<String>, unit: Unit) -> Column {
        Column {
            is_change: true,
            ..Column::new(key, title, unit)
        }
    }

    /// Whether people expect its values at the right edge: numbers, by their last digit.
    pub fn is_right_aligned(&self) -> bool {
        self.unit.is_number() || self.unit == Unit::Id
    }
}

/// Rows as JSON objects keyed by column.
pub(crate) struct Rows<'a>(pub(crate) &'a Table);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.0.rows.len()))?;
        for values in &self.0.rows {
            rows.serialize_element(&Row {
                columns: &self.0.columns,
                values,
            })?;
        }
        rows.end()
    }
}

struct Row<'a> {
    columns: &'a [Column],
    values: &'a [Value],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.columns.iter().zip(self.values);
        serializer.collect_map(pairs.map(|(column, value)| (&column.key, value)))
    }
}

fn unit_name<S: Serializer>(unit: &Unit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(unit.name())
}
