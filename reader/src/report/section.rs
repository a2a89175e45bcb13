//! The five shapes that an answer can have.

#![forbid(unsafe_code)]

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::report::table::{Rows, Table};
use crate::report::{ByName, Fact, Stack, Unit, Value};

/// One part of an answer.
///
/// It serializes to `{"kind","name","title","note"}` and the fields of its kind: `facts` keyed
/// by name; `columns` and `rows` (an object keyed by column each); `unit`, `measure` and
/// `buckets`.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// What programs call it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// A sentence that the reader needs to understand it, or nothing.
    pub note: String,
    /// The answer itself.
    pub body: Body,
}

/// The content of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Named single values.
    Facts(Vec<Fact>),
    /// Rows of equal kind, the most important first, shortened to what people read.
    Table(Table),
    /// How many of what size.
    Histogram(Histogram),
    /// Quantities over time: the first column is the time, rows rise with it.
    Series(Table),
    /// All stacks with their quantities, for flame graphs; one column holds the stack.
    Stacks(Table),
}

/// The kind of a section, to ask an output what it can draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Named single values.
    Facts,
    /// Rows of equal kind.
    Table,
    /// How many of what size.
    Histogram,
    /// Quantities over time.
    Series,
    /// Stacks with their quantities.
    Stacks,
}

impl Kind {
    /// All of them, for an output that can draw anything.
    pub const ALL: &[Kind] = &[
        Kind::Facts,
        Kind::Table,
        Kind::Histogram,
        Kind::Series,
        Kind::Stacks,
    ];

    /// The kind's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Facts => "facts",
            Kind::Table => "table",
            Kind::Histogram => "histogram",
            Kind::Series => "series",
            Kind::Stacks => "stacks",
        }
    }
}

impl Section {
    /// A section without a note.
    pub fn new(name: impl Into<String>, title: impl Into<String>, body: Body) -> Section {
        Section {
            name: name.into(),
            title: title.into(),
            note: String::new(),
            body,
        }
    }

    /// The same section with a sentence of explanation.
    pub fn with_note(mut self, note: impl Into<String>) -> Section {
        self.note = note.into();
        self
    }

    /// Which of the five it is.
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::Facts(_) => Kind::Facts,
            Body::Table(_) => Kind::Table,
            Body::Histogram(_) => Kind::Histogram,
            Body::Series(_) => Kind::Series,
            Body::Stacks(_) => Kind::Stacks,
        }
    }

    /// Its columns and rows, if its kind has them.
    pub fn table(&self) -> Option<&Table> {
        match &self.body {
            Body::Table(table) | Body::Series(table) | Body::Stacks(table) => Some(table),
            Body::Facts(_) | Body::Histogram(_) => None,
        }
    }

    /// Every stack in it, to be filled with names.
    pub fn stacks_mut(&mut self) -> impl Iterator<Item = &mut Stack> {
        let (facts, rows): (&mut [Fact], &mut [Vec<Value>]) = match &mut self.body {
            Body::Facts(facts) => (facts, &mut []),
            Body::Table(table) | Body::Series(table) | Body::Stacks(table) => {
                (&mut [], &mut table.rows)
            }
            Body::Histogram(_) => (&mut [], &mut []),
        };
        let values = facts.iter_mut().map(|fact| &mut fact.value);
        values
            .chain(rows.iter_mut().flatten())
            .filter_map(|value| match value {
                Value::Stack(stack) => Some(stack),
                _ => None,
            })
    }
}

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("kind", self.kind().name())?;
        object.serialize_entry("name", &self.name)?;
        object.serialize_entry("title", &self.title)?;
        object.serialize_entry("note", &self.note)?;
        match &self.body {
            Body::Facts(facts) => object.serialize_entry("facts", &ByName(facts))?,
            Body::Histogram(histogram) => {
                object.serialize_entry("unit", histogram.unit.name())?;
                object.serialize_entry("measure", &histogram.measure)?;
                object.serialize_entry("buckets", &histogram.buckets)?;
            }
            Body::Table(table) | Body::Series(table) | Body::Stacks(table) => {
                object.serialize_entry("columns", &table.columns)?;
                object.serialize_entry("rows", &Rows(table))?;
            }
        }
        object.end()
    }
}

/// How a quantity is spread over sizes, lifetimes or the like.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// What the bounds of the buckets count.
    pub unit: Unit,
    /// What the values of the buckets count, for people: `objects`.
    pub measure: String,
    /// The buckets, the smallest first, without overlap.
    pub buckets: Vec<Bucket>,
}

/// One range of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// The smallest number that falls into it, in the histogram's unit.
    pub low: u64,
    /// The smallest number above it; none where it has no end.
    pub high: Option<u64>,
    /// How much fell into it.
    pub value: Value,
}
