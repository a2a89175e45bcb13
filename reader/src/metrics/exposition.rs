//! Families as text: OpenMetrics 1.0, or the classic form of Prometheus that older tools read.
//!
//! ```text
//!                    OpenMetrics                    classic
//! counter's TYPE     name                           name_total
//! UNIT               yes                            no
//! end                # EOF                          nothing
//! quotes in HELP     escaped                        as they are
//! ```
//!
//! Sources: the OpenMetrics specification 1.0, and "Exposition formats" of Prometheus.

#![forbid(unsafe_code)]

use std::fmt::Write;

use crate::metrics::family::{Family, Kind, number};

/// Which of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Text format 0.0.4.
    Classic,
}

impl Form {
    /// The form that an `Accept` header prefers; classic where it names none of the two.
    pub fn accepted(accept: &str) -> Form {
        let quality = |wanted: &str| {
            let ranges = accept.split(',').filter(|range| {
                let kind = range.split(';').next().unwrap_or_default();
                kind.trim().eq_ignore_ascii_case(wanted)
            });
            ranges.map(quality_of).fold(0.0, f64::max)
        };
        let open = quality("application/openmetrics-text");
        match open > 0.0 && open >= quality("text/plain") {
            true => Form::OpenMetrics,
            false => Form::Classic,
        }
    }

    /// The value of `Content-Type`, without which Prometheus 3 refuses a scrape.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// All families as text; those without samples are left out.
    pub fn text(self, families: &[Family]) -> String {
        let mut text = String::new();
        for family in families.iter().filter(|family| !family.samples.is_empty()) {
            // Writing to a string cannot fail.
            let _ = self.write(family, &mut text);
        }
        if self == Form::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn write(self, family: &Family, text: &mut String) -> std::fmt::Result {
        let total = match family.kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
        };
        let name = family.name;
        let described = match self {
            Form::OpenMetrics => name.to_owned(),
            Form::Classic => format!("{name}{total}"),
        };
        let kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        writeln!(text, "# HELP {described} {}", self.help(family.help))?;
        writeln!(text, "# TYPE {described} {kind}")?;
        if let (Form::OpenMetrics, Some(unit)) = (self, family.unit) {
            writeln!(text, "# UNIT {described} {unit}")?;
        }
        for sample in &family.samples {
            write!(text, "{name}{total}{}", sample.suffix)?;
            for (place, (label, value)) in sample.labels.iter().enumerate() {
                let before = if place == 0 { '{' } else { ',' };
                write!(text, "{before}{label}=\"{}\"", escaped(value))?;
            }
            if !sample.labels.is_empty() {
                text.push('}');
            }
            writeln!(text, " {}", number(sample.value))?;
        }
        Ok(())
    }

    fn help(self, help: &str) -> String {
        match self {
            Form::OpenMetrics => escaped(help),
            Form::Classic => help.replace('\\', r"\\").replace('\n', r"\n"),
        }
    }
}

/// The weight of one range of an `Accept` header, 1 where it says none.
fn quality_of(range: &str) -> f64 {
    let weight = range.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_weight = name.trim().eq_ignore_ascii_case("q");
        is_weight.then(|| value.trim().parse().unwrap_or(0.0))
    });
    weight.unwrap_or(1.0)
}

/// A label's value with the three characters escaped that could end it; a program's name is
/// whatever its author, or an attacker, made it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut counter = Family::new("x_bytes", Kind::Counter, "A \"b\".");
        counter.add(&[("program", "a\"b\\c\nd}")], 1.0);
        let mut histogram = Family::new("y_seconds", Kind::Histogram, "C.");
        histogram.add_histogram(&[("program", "p")], [0.5], &[1.0, 2.0], 2.5);
        let empty = Family::new("z", Kind::Gauge, "D.");
        vec![counter, histogram, empty]
    }

    #[test]
    fn open_metrics_has_units_and_an_end() {
        let expected = r#"# HELP x_bytes A \"b\".
# TYPE x_bytes counter
# UNIT x_bytes bytes
x_bytes_total{program="a\"b\\c\nd}"} 1.0
# HELP y_seconds C.
# TYPE y_seconds histogram
# UNIT y_seconds seconds
y_seconds_bucket{program="p",le="0.5"} 1.0
y_seconds_bucket{program="p",le="+Inf"} 3.0
y_seconds_sum{program="p"} 2.5
y_seconds_count{program="p"} 3.0
# EOF
"#;
        assert_eq!(Form::OpenMetrics.text(&families()), expected);
    }

    #[test]
    fn the_classic_form_names_the_type_of_a_counter_with_its_suffix() {
        let expected = r#"# HELP x_bytes_total A "b".
# TYPE x_bytes_total counter
x_bytes_total{program="a\"b\\c\nd}"} 1.0
# HELP y_seconds C.
# TYPE y_seconds histogram
y_seconds_bucket{program="p",le="0.5"} 1.0
y_seconds_bucket{program="p",le="+Inf"} 3.0
y_seconds_sum{program="p"} 2.5
y_seconds_count{program="p"} 3.0
"#;
        assert_eq!(Form::Classic.text(&families()), expected);
    }

    fn check(accept: &str, expected: Form) {
        assert_eq!(Form::accepted(accept), expected, "{accept}");
    }

    #[test]
    fn the_scraper_chooses_the_form() {
        // What Prometheus 2.42 sends, and what Prometheus 3 sends.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Form::OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Form::OpenMetrics,
        );
        check(
            "text/plain;q=0.9,application/openmetrics-text;q=0.1",
            Form::Classic,
        );
        check("application/openmetrics-text;q=0", Form::Classic);
        check("text/html,*/*;q=0.8", Form::Classic);
        check("", Form::Classic);
    }
}
