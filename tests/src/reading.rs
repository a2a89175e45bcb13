//! The reader's JSON as tests look at it: facts by name, sites by function.

use serde_json::Value;

/// One JSON answer of the reader.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The whole document.
    pub json: Value,
}

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The best single number.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// Whether the figure was counted, not estimated.
    pub exact: bool,
}

/// One row of the table `sites`.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    row: &'a Value,
}

/// What several sites add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blocks allocated.
    pub allocated: u64,
    /// Blocks freed.
    pub freed: u64,
    /// Blocks alive.
    pub live: u64,
    /// Bytes allocated.
    pub allocated_bytes: u64,
    /// Bytes alive.
    pub live_bytes: u64,
}

impl Answer {
    /// Reads an answer; text that is no JSON fails the test and is shown.
    pub fn parse(text: &str) -> Answer {
        match serde_json::from_str(text) {
            Ok(json) => Answer { json },
            Err(error) => panic!("not JSON ({error}):\n{text}"),
        }
    }

    /// The fact `name`, from whichever section has it.
    pub fn fact(&self, name: &str) -> Estimate {
        let found = self
            .sections()
            .find_map(|section| section["facts"].get(name));
        match found {
            Some(fact) => Estimate::from_json(fact),
            None => panic!("no fact {name} in {:#}", self.json),
        }
    }

    /// A fact that must be exact, as a whole number.
    pub fn exact_fact(&self, name: &str) -> u64 {
        let fact = self.fact(name);
        assert!(fact.exact, "{name} is not exact: {fact:?}");
        assert!(
            fact.low == fact.value && fact.value == fact.high,
            "{name} is {fact:?}"
        );
        fact.value as u64
    }

    /// The rows of the table `name`.
    pub fn rows(&self, name: &str) -> &[Value] {
        let section = self.sections().find(|section| section["name"] == name);
        let rows = section.and_then(|section| section["rows"].as_array());
        rows.unwrap_or_else(|| panic!("no table {name} in {:#}", self.json))
    }

    /// The rows of every table that has the column `column`.
    pub fn rows_with(&self, column: &str) -> Vec<&Value> {
        let tables = self
            .sections()
            .filter_map(|section| section["rows"].as_array());
        tables
            .flatten()
            .filter(|row| row.get(column).is_some())
            .collect()
    }

    /// All sites of the answer.
    pub fn sites(&self) -> impl Iterator<Item = Site<'_>> {
        self.rows("sites").iter().map(|row| Site { row })
    }

    /// The sites with a frame of `function` anywhere in their stacks.
    pub fn sites_through(&self, function: &str) -> Vec<Site<'_>> {
        self.sites().filter(|site| site.passes(function)).collect()
    }

    /// What all sites with a frame of `function` add up to.
    pub fn through(&self, function: &str) -> Totals {
        let mut totals = Totals::default();
        for site in self.sites_through(function) {
            totals.allocated += site.count("allocated_objects");
            totals.freed += site.count("freed_objects");
            totals.live += site.count("live_objects");
            totals.allocated_bytes += site.count("allocated_bytes");
            totals.live_bytes += site.count("live_bytes");
        }
        totals
    }

    /// Everything that was lost, by name: `losses` with zeros and nested objects left out.
    pub fn losses(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        collect_losses("", &self.json["losses"], &mut found);
        found
    }

    /// Whether the shim said that it gave something up.
    pub fn admits_loss(&self) -> bool {
        !self.losses().is_empty()
    }

    fn sections(&self) -> impl Iterator<Item = &Value> {
        self.json["sections"].as_array().into_iter().flatten()
    }
}

impl Estimate {
    fn from_json(json: &Value) -> Estimate {
        let number = |key: &str| {
            json[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key} is no number in {json:#}"))
        };
        let exact = json["exact"]
            .as_bool()
            .unwrap_or_else(|| panic!("exact missing in {json:#}"));
        Estimate {
            value: number("value"),
            low: number("low"),
            high: number("high"),
            exact,
        }
    }

    /// Whether the truth lies inside the interval.
    pub fn covers(&self, truth: f64) -> bool {
        self.low <= truth && truth <= self.high
    }
}

impl<'a> Site<'a> {
    /// A figure of the site that must be a whole number.
    pub fn count(&self, column: &str) -> u64 {
        let estimate = Estimate::from_json(&self.row[column]);
        estimate.value.round() as u64
    }

    /// The stack, leaf first.
    pub fn frames(&self) -> &'a [Value] {
        self.row["stack"]
            .as_array()
            .unwrap_or_else(|| panic!("no stack in {:#}", self.row))
    }

    /// The names of the functions, leaf first, unknown ones empty.
    pub fn functions(&self) -> Vec<&'a str> {
        self.frames()
            .iter()
            .map(|frame| frame["function"].as_str().unwrap_or(""))
            .collect()
    }

    /// Whether any frame is of `function`.
    pub fn passes(&self, function: &str) -> bool {
        self.functions().iter().any(|name| is_named(name, function))
    }

    /// The innermost frame of `function`.
    pub fn frame_of(&self, function: &str) -> &'a Value {
        let named = |frame: &&Value| {
            frame["function"]
                .as_str()
                .is_some_and(|name| is_named(name, function))
        };
        let found = self.frames().iter().find(named);
        found.unwrap_or_else(|| panic!("no frame of {function} in {:?}", self.functions()))
    }
}

/// Whether a demangled name is `wanted`, apart from its namespace and arguments.
pub fn is_named(name: &str, wanted: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    name.match_indices(wanted).any(|(start, _)| {
        let before = name[..start].chars().next_back();
        let after = name[start + wanted.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn collect_losses(path: &str, json: &Value, found: &mut Vec<(String, u64)>) {
    match json {
        Value::Object(members) => {
            for (name, member) in members {
                collect_losses(&format!("{path}/{name}"), member, found);
            }
        }
        Value::Array(members) if !members.is_empty() => {
            found.push((path.to_string(), members.len() as u64));
        }
        Value::Number(number) if number.as_f64().is_some_and(|value| value > 0.0) => {
            found.push((path.to_string(), number.as_f64().unwrap_or(0.0) as u64));
        }
        Value::Bool(true) => found.push((path.to_string(), 1)),
        Value::String(text) if !text.is_empty() => found.push((path.to_string(), 1)),
        _ => {}
    }
}
