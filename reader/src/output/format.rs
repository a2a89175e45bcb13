//! Numbers as people want to read them.

#![forbid(unsafe_code)]

use crate::report::{Estimate, Unit, Value};

/// Units by rising size, each with its size in the smallest.
type Scale = &'static [(f64, &'static str)];

const BYTES: Scale = &[
    (1.0, " B"),
    (1024.0, " KiB"),
    (1_048_576.0, " MiB"),
    (1_073_741_824.0, " GiB"),
    (1_099_511_627_776.0, " TiB"),
    (1_125_899_906_842_624.0, " PiB"),
    (1_152_921_504_606_846_976.0, " EiB"),
];

const BYTES_PER_SECOND: Scale = &[
    (1.0, " B/s"),
    (1024.0, " KiB/s"),
    (1_048_576.0, " MiB/s"),
    (1_073_741_824.0, " GiB/s"),
    (1_099_511_627_776.0, " TiB/s"),
];

const DURATION: Scale = &[
    (1.0, " ns"),
    (1e3, " us"),
    (1e6, " ms"),
    (1e9, " s"),
    (60e9, " min"),
    (3600e9, " h"),
    (86_400e9, " d"),
];

/// A value as text, its interval apart so that columns of both can be aligned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// The value with its unit: `12.3 MiB`.
    pub main: String,
    /// Its 95 % interval in the same unit, `[10.1 .. 14.9]`; empty where the value is exact.
    pub interval: String,
}

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

impl Cell {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.main == UNKNOWN
    }
}

/// Bytes in binary units: `12.3 MiB`.
pub fn bytes(bytes: f64) -> String {
    pick(BYTES, bytes).with_suffix(bytes)
}

/// A number of things, with a comma after each three digits: `1,234,567`.
pub fn count(count: f64) -> String {
    let digits = format!("{:.0}", count.abs());
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if count < 0.0 && digits != "0" {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && count.is_finite() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in its largest fitting unit: `3.2 ms`, `1.5 h`.
pub fn duration(nanoseconds: f64) -> String {
    pick(DURATION, nanoseconds).with_suffix(nanoseconds)
}

/// Hundredths of a whole: `12.3 %`.
pub fn percent(percent: f64) -> String {
    match percent {
        tiny if tiny > 0.0 && tiny < 0.05 => "< 0.1 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// A moment in UTC, to the second: `2026-11-22 07:10:33 UTC`.
pub fn time(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Any value but a stack, whose cell is empty; a change gets a sign even where it is positive.
pub fn cell(value: &Value, is_change: bool) -> Cell {
    let mut cell = match value {
        Value::Unknown => Cell {
            main: UNKNOWN.to_owned(),
            ..Cell::default()
        },
        Value::Text(text) => Cell {
            main: text.clone(),
            ..Cell::default()
        },
        Value::Id(id) => Cell {
            main: id.to_string(),
            ..Cell::default()
        },
        Value::Time(unix_ns) => Cell {
            main: time(*unix_ns),
            ..Cell::default()
        },
        Value::Stack(_) => Cell::default(),
        Value::Estimate(quantity) => estimate(quantity),
        Value::Percent(share) => Cell {
            main: percent(*share),
            ..Cell::default()
        },
        Value::Count(_) | Value::Bytes(_) | Value::Duration(_) => estimate(&Estimate::exact(
            value.number().unwrap_or(0.0),
            value.unit(),
        )),
    };
    if is_change && value.number().is_some_and(|number| number > 0.0) {
        cell.main.insert(0, '+');
    }
    cell
}

/// A quantity, and its interval in the unit of the value so that the three compare at a glance.
pub fn estimate(quantity: &Estimate) -> Cell {
    // Of "0 B, at most 1.8 MiB" the interval is what matters, and it decides the unit.
    let leading = if quantity.value == 0.0 {
        quantity.high
    } else {
        quantity.value
    };
    if quantity.value == f64::INFINITY {
        // Nobody saw it end: all that is known is how long it lasted.
        let low = form(quantity.unit, quantity.low).with_suffix(quantity.low);
        return Cell {
            main: format!("> {low}"),
            interval: String::new(),
        };
    }
    let form = form(quantity.unit, leading);
    let main = form.with_suffix(quantity.value);
    if quantity.exact {
        return Cell {
            main,
            interval: String::new(),
        };
    }
    let (low, high) = (form.digits(quantity.low), form.digits(quantity.high));
    Cell {
        main,
        interval: format!("[{low} .. {high}]"),
    }
}

/// How numbers of one magnitude are written.
struct Form {
    size: f64,
    suffix: &'static str,
    has_decimal: bool,
}

impl Form {
    fn with_suffix(&self, number: f64) -> String {
        format!("{}{}", self.digits(number), self.suffix)
    }

    fn digits(&self, number: f64) -> String {
        if number == f64::INFINITY {
            "\u{221e}".to_owned()
        } else if self.has_decimal {
            format!("{:.1}", number / self.size)
        } else {
            count(number)
        }
    }
}

/// The form for numbers of about the magnitude of `leading`.
fn form(unit: Unit, leading: f64) -> Form {
    match unit {
        Unit::Bytes => pick(BYTES, leading),
        Unit::BytesPerSecond => pick(BYTES_PER_SECOND, leading),
        Unit::Duration => pick(DURATION, leading),
        Unit::Percent => Form {
            size: 1.0,
            suffix: " %",
            has_decimal: true,
        },
        Unit::CountPerSecond => Form {
            size: 1.0,
            suffix: " /s",
            has_decimal: leading.abs() < 10.0,
        },
        Unit::Text | Unit::Id | Unit::Count | Unit::Time | Unit::Stack => Form {
            size: 1.0,
            suffix: "",
            has_decimal: false,
        },
    }
}

/// The first unit in which the rounded number stays below the next: 1023.99 KiB is 1.0 MiB.
fn pick(scale: Scale, number: f64) -> Form {
    let mut chosen = 0;
    while let [(size, _), (next, _), ..] = scale[chosen..] {
        let precision = if chosen == 0 { 1.0 } else { 10.0 };
        let rounded = (number.abs() / size * precision).round() / precision;
        if rounded < next / size {
            break;
        }
        chosen += 1;
    }
    let (size, suffix) = scale[chosen];
    Form {
        size,
        suffix,
        has_decimal: chosen > 0,
    }
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar.
///
/// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is the last.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;
