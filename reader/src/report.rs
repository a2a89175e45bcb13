//! The one shape of every answer: analyses fill a report, outputs draw it.
//!
//! ```text
//! Report  name, target facts, losses
//!   └ Section  name, title, note
//!       └ Body  Facts | Table | Histogram | Series | Stacks
//!                         └ columns and rows of Value
//! ```
//!
//! Only the types here serialize, so the published JSON (`memshim.report/1`) is this folder
//! and nothing else.

#![forbid(unsafe_code)]

mod frame;
mod section;
mod table;
mod value;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

pub use frame::{Frame, Stack};
pub use section::{Body, Bucket, Histogram, Kind, Section};
pub use table::{Column, Table};
pub use value::{Estimate, Unit, Value};

/// The name and version of the JSON form; the number rises when a reader of it could break.
pub const SCHEMA: &str = "memshim.report/1";

/// One answer about one target.
///
/// It serializes to the object that the README's reference documents: `schema`, `report`,
/// `target`, `losses`, `sections`.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The name of the analysis that answered, as on the command line.
    pub name: String,
    /// Whom the answer is about: pid, program, state, times.
    pub target: Vec<Fact>,
    /// What is known to be missing from the answer, one counter each; zeros say "none lost".
    pub losses: Vec<Fact>,
    /// The answer, in the order in which it should be read.
    pub sections: Vec<Section>,
    /// How much was found of what the question said must not be; the exit status tells whether
    /// there was anything, so it is not written.
    pub findings: usize,
}

impl Report {
    /// An empty answer of the analysis `name`.
    pub fn new(name: impl Into<String>) -> Report {
        Report {
            name: name.into(),
            target: Vec::new(),
            losses: Vec::new(),
            sections: Vec::new(),
            findings: 0,
        }
    }

    /// Whether any loss counter is above zero.
    pub fn has_losses(&self) -> bool {
        self.losses.iter().any(|loss| !loss.value.is_zero())
    }

    /// The section called `name`, if the report has one.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Every stack of the report, to be filled with names once, last.
    pub fn stacks_mut(&mut self) -> impl Iterator<Item = &mut Stack> {
        self.sections.iter_mut().flat_map(Section::stacks_mut)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Report", 5)?;
        object.serialize_field("schema", SCHEMA)?;
        object.serialize_field("report", &self.name)?;
        object.serialize_field("target", &ByName(&self.target))?;
        object.serialize_field("losses", &ByName(&self.losses))?;
        object.serialize_field("sections", &self.sections)?;
        object.end()
    }
}

/// One named value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What programs call it: the key in JSON, with the unit last (`live_bytes`).
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it is.
    pub value: Value,
}

impl Fact {
    /// A value under a key for programs and a title for people.
    pub fn new(name: impl Into<String>, title: impl Into<String>, value: Value) -> Fact {
        Fact {
            name: name.into(),
            title: title.into(),
            value,
        }
    }
}

/// Facts as one JSON object keyed by name.
struct ByName<'a>(&'a [Fact]);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for fact in self.0 {
            object.serialize_entry(&fact.name, &fact.value)?;
        }
        object.end()
    }
}
