//! A strict reader of both text forms: what the specifications forbid fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// Labels and value of every sample, by name.
#[derive(Debug, Default)]
pub struct Metrics {
    samples: BTreeMap<String, Vec<(Labels, f64)>>,
}

pub type Labels = BTreeMap<String, String>;

impl Metrics {
    /// Reads a whole exposition; families must be contiguous and described before their samples.
    pub fn parse(text: &str, is_open_metrics: bool) -> Metrics {
        assert!(text.ends_with('\n'), "the last line has an end");
        assert_eq!(text.ends_with("# EOF\n"), is_open_metrics);
        let mut metrics = Metrics::default();
        let (mut family, mut kind) = (String::new(), String::new());
        let mut families = BTreeSet::new();
        let mut series = BTreeSet::new();
        for line in text.lines() {
            assert!(!line.is_empty(), "there is no empty line");
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').expect("help has a text");
                assert!(!text.is_empty() && is_name(name), "{line}");
                assert!(
                    families.insert(name.to_owned()),
                    "{name} is described twice"
                );
                family = name.to_owned();
            } else if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, of) = described.split_once(' ').expect("a type has a name");
                assert_eq!(name, family, "the type follows its help");
                assert!(["counter", "gauge", "histogram"].contains(&of), "{line}");
                let is_total = name.ends_with("_total");
                assert_eq!(is_total, of == "counter" && !is_open_metrics, "{line}");
                kind = of.to_owned();
            } else if let Some(unit) = line.strip_prefix("# UNIT ") {
                let (name, unit) = unit.split_once(' ').expect("a unit has a name");
                assert!(is_open_metrics && name == family, "{line}");
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
            } else if line != "# EOF" {
                assert!(!line.starts_with('#'), "{line}");
                let (name, labels, value) = sample(line);
                assert!(belongs(&name, &family, &kind, is_open_metrics), "{line}");
                assert!(kind == "gauge" || value >= 0.0, "{line}");
                assert!(
                    series.insert((name.clone(), labels.clone())),
                    "twice: {line}"
                );
                metrics
                    .samples
                    .entry(name)
                    .or_default()
                    .push((labels, value));
            }
        }
        metrics.check_histograms();
        metrics
    }

    /// The value of the only sample with these labels, if there is one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |own: &Labels| {
            let mut wanted = labels.iter();
            wanted.all(|(name, value)| own.get(*name).is_some_and(|own| own == value))
        };
        let samples = self.samples.get(name)?.iter();
        let found: Vec<f64> = samples
            .filter(|(own, _)| has(own))
            .map(|(_, value)| *value)
            .collect();
        assert!(found.len() < 2, "{name} {labels:?} has several: {found:?}");
        found.first().copied()
    }

    /// Every sample of a name.
    pub fn all(&self, name: &str) -> &[(Labels, f64)] {
        self.samples.get(name).map_or(&[], |samples| samples)
    }

    /// Names of samples that are counters.
    pub fn counters(&self) -> impl Iterator<Item = (&str, &Labels, f64)> {
        let counters = self.samples.iter().filter(|(name, _)| {
            ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .any(|end| name.ends_with(end))
        });
        counters.flat_map(|(name, samples)| {
            let samples = samples.iter();
            samples.map(move |(labels, value)| (name.as_str(), labels, *value))
        })
    }

    /// Classes only rise, in the order given, and the last is the count.
    fn check_histograms(&self) {
        for (name, samples) in &self.samples {
            let Some(family) = name.strip_suffix("_bucket") else {
                continue;
            };
            let mut last: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
            for (labels, value) in samples {
                let mut labels = labels.clone();
                let limit = labels.remove("le").expect("a class has a limit");
                let limit = number(&limit);
                if let Some((limit_before, value_before)) = last.get(&labels) {
                    assert!(*limit_before < limit && *value_before <= *value, "{name}");
                }
                last.insert(labels, (limit, *value));
            }
            for (labels, (limit, value)) in last {
                assert_eq!(limit, f64::INFINITY, "{name}");
                let counts = self.all(&format!("{family}_count"));
                let count = counts.iter().find(|(own, _)| *own == labels);
                assert_eq!(count.map(|(_, count)| *count), Some(value), "{name}");
            }
        }
    }
}

fn belongs(name: &str, family: &str, kind: &str, is_open_metrics: bool) -> bool {
    match (kind, is_open_metrics) {
        ("counter", true) => name == format!("{family}_total"),
        ("histogram", _) => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| name == format!("{family}{end}")),
        _ => name == family,
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// `name{label="value",...} number`.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a name ends");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, behind) = rest.split_once("=\"").expect("a label has a value");
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, behind) = quoted(behind);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = behind.strip_prefix('}').expect("labels end");
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("a number follows");
    (name.to_owned(), labels, number(value))
}

/// A value up to its closing quote, and what is behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => panic!("no such escape: {other:?}"),
            },
            _ => value.push(character),
        }
    }
    panic!("a value has no end: {text}");
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "NaN" => f64::NAN,
        text => text.parse().unwrap_or_else(|_| panic!("no number: {text}")),
    }
}
