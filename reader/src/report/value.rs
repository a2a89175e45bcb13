//! One value of a report: a number with its unit, a text, or a stack.

#![forbid(unsafe_code)]

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::report::Stack;

/// What a number counts, and so how people want it written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Words, not a number.
    Text,
    /// A number that names something: a pid, a status.
    Id,
    /// Things: objects, calls, threads.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds that passed.
    Duration,
    /// Nanoseconds since the Unix epoch.
    Time,
    /// Hundredths of a whole: 100.0 is all of it.
    Percent,
    /// Bytes in a second.
    BytesPerSecond,
    /// Things in a second.
    CountPerSecond,
    /// A call stack, not a number.
    Stack,
}

impl Unit {
    /// The unit's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Text => "text",
            Unit::Id => "id",
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Duration => "duration_ns",
            Unit::Time => "unix_ns",
            Unit::Percent => "percent",
            Unit::BytesPerSecond => "bytes_per_second",
            Unit::CountPerSecond => "count_per_second",
            Unit::Stack => "stack",
        }
    }

    /// Whether it makes sense to add values of this unit up or draw them.
    pub fn is_number(self) -> bool {
        !matches!(self, Unit::Text | Unit::Id | Unit::Stack)
    }

    /// Whether fractions mean nothing in this unit.
    fn is_whole(self) -> bool {
        matches!(
            self,
            Unit::Count | Unit::Bytes | Unit::Duration | Unit::Time
        )
    }
}

/// A quantity known from a sample, with its 95 % interval, or exactly.
///
/// It serializes to `{"value","low","high","exact"}`; whole units are written as integers, and
/// what is not finite as null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best single figure; negative for what shrank.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// Whether nothing was left to chance; then `low`, `value` and `high` are equal.
    pub exact: bool,
    /// What is counted.
    pub unit: Unit,
}

impl Estimate {
    /// A quantity that is known for certain.
    pub fn exact(value: f64, unit: Unit) -> Estimate {
        Estimate {
            value,
            low: value,
            high: value,
            exact: true,
            unit,
        }
    }

    /// A quantity known from a sample to lie in `low ..= high`.
    pub fn sampled(value: f64, low: f64, high: f64, unit: Unit) -> Estimate {
        Estimate {
            value,
            low,
            high,
            exact: false,
            unit,
        }
    }
}

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = |value| Number {
            value,
            is_whole: self.unit.is_whole(),
        };
        let mut object = serializer.serialize_struct("Estimate", 4)?;
        object.serialize_field("value", &number(self.value))?;
        object.serialize_field("low", &number(self.low))?;
        object.serialize_field("high", &number(self.high))?;
        object.serialize_field("exact", &self.exact)?;
        object.end()
    }
}

/// One cell or fact of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not known, or not applicable; null in JSON.
    Unknown,
    /// Words; names that come from the target are not cleaned, outputs do that.
    Text(String),
    /// A number that names something: a pid, a status.
    Id(u64),
    /// A number of things, known exactly and not an estimated kind of quantity.
    Count(u64),
    /// A number of bytes, likewise.
    Bytes(u64),
    /// Nanoseconds that passed.
    Duration(u64),
    /// Nanoseconds since the Unix epoch.
    Time(u64),
    /// Hundredths of a whole: 100.0 is all of it.
    Percent(f64),
    /// A quantity that sampling may have estimated.
    Estimate(Estimate),
    /// A call stack, leaf first.
    Stack(Stack),
}

impl Value {
    /// Words.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// The unit that the value is in; `Text` where nothing is known.
    pub fn unit(&self) -> Unit {
        match self {
            Value::Unknown | Value::Text(_) => Unit::Text,
            Value::Id(_) => Unit::Id,
            Value::Count(_) => Unit::Count,
            Value::Bytes(_) => Unit::Bytes,
            Value::Duration(_) => Unit::Duration,
            Value::Time(_) => Unit::Time,
            Value::Percent(_) => Unit::Percent,
            Value::Estimate(estimate) => estimate.unit,
            Value::Stack(_) => Unit::Stack,
        }
    }

    /// The number in it, for sorting, summing and drawing; none in text, ids, stacks and unknowns.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Count(n) | Value::Bytes(n) | Value::Duration(n) | Value::Time(n) => {
                Some(*n as f64)
            }
            Value::Percent(percent) => Some(*percent),
            Value::Estimate(estimate) => Some(estimate.value),
            Value::Unknown | Value::Text(_) | Value::Id(_) | Value::Stack(_) => None,
        }
    }

    /// Whether it is a number and that number is zero.
    pub fn is_zero(&self) -> bool {
        self.number() == Some(0.0)
    }
}

impl From<Estimate> for Value {
    fn from(estimate: Estimate) -> Value {
        Value::Estimate(estimate)
    }
}

impl From<Stack> for Value {
    fn from(stack: Stack) -> Value {
        Value::Stack(stack)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Unknown => serializer.serialize_none(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Id(n)
            | Value::Count(n)
            | Value::Bytes(n)
            | Value::Duration(n)
            | Value::Time(n) => serializer.serialize_u64(*n),
            Value::Percent(value) => Number {
                value: *value,
                is_whole: false,
            }
            .serialize(serializer),
            Value::Estimate(estimate) => estimate.serialize(serializer),
            Value::Stack(stack) => stack.serialize(serializer),
        }
    }
}

/// A number as JSON should show it: `12`, not `12.0`, where fractions mean nothing.
struct Number {
    value: f64,
    is_whole: bool,
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = self.value.round();
        match self.value {
            value if !value.is_finite() => serializer.serialize_none(),
            value if !self.is_whole => serializer.serialize_f64(value),
            _ if rounded < 0.0 => serializer.serialize_i64(rounded as i64),
            _ => serializer.serialize_u64(rounded as u64),
        }
    }
}
