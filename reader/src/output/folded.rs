//! The report as folded stacks, the input of flame graph tools: `root;caller;leaf 123`.
//!
//! The form is Brendan Gregg's; inlined frames end in `_[i]`, as his `flamegraph.pl` colours them.

#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use crate::output::clean::clean;
use crate::output::{Options, Output, measure};
use crate::report::{Frame, Kind, Report, Section, Stack, Table, Value};

/// One line a distinct stack, sorted, with the whole number of one column.
///
/// The column is `Options::measure`, or the first number; the section is the first `stacks`
/// section, or else the first table with stacks, which may hold only the largest.
pub struct Folded;

impl Output for Folded {
    fn name(&self) -> &'static str {
        "folded"
    }

    fn about(&self) -> &'static str {
        "one line a stack with its number, for flame graph tools"
    }

    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "folded"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        measure::has_stacks(section)
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let section = measure::section_with_stacks(report);
        let Some(table) = section.and_then(Section::table) else {
            return Ok(());
        };
        let mut names = Names::default();
        for (path, number) in fold(table, options.measure.as_deref(), &mut names) {
            for (place, name) in path.iter().enumerate() {
                let separator = if place == 0 { "" } else { ";" };
                write!(out, "{separator}{}", names.all[*name])?;
            }
            writeln!(out, " {number}")?;
        }
        Ok(())
    }
}

/// A stack from the root to the leaf, as places in [`Names::all`].
type Path = Vec<usize>;

/// The names of frames, each kept once: the paths of a large report are a thousand times longer
/// together than what they are made of.
#[derive(Default)]
struct Names {
    all: Vec<Rc<str>>,
    by_text: HashMap<Rc<str>, usize>,
    /// By the place in memory of frames, which stacks share and which outlive this.
    by_frame: HashMap<*const Frame, usize>,
}

impl Names {
    fn of_frame(&mut self, frame: &Arc<Frame>) -> usize {
        if let Some(known) = self.by_frame.get(&Arc::as_ptr(frame)) {
            return *known;
        }
        let place = self.of_text(name(frame));
        self.by_frame.insert(Arc::as_ptr(frame), place);
        place
    }

    fn of_text(&mut self, text: String) -> usize {
        if let Some(known) = self.by_text.get(text.as_str()) {
            return *known;
        }
        let text: Rc<str> = text.into();
        self.all.push(text.clone());
        self.by_text.insert(text, self.all.len() - 1);
        self.all.len() - 1
    }

    fn path(&mut self, stack: &Stack) -> Path {
        if stack.0.is_empty() {
            return vec![self.of_text("[no stack]".to_owned())];
        }
        let frames = stack.0.iter().rev();
        frames.map(|frame| self.of_frame(frame)).collect()
    }

    /// The order of the lines that two paths make, without making them.
    fn compare(&self, left: &Path, right: &Path) -> Ordering {
        let pairs = left.iter().zip(right);
        let equal = pairs.take_while(|(left, right)| left == right).count();
        // From the first name that differs on, byte by byte: one name may begin with the other.
        self.bytes(&left[equal..]).cmp(self.bytes(&right[equal..]))
    }

    /// The bytes of a line, or of its end.
    fn bytes<'a>(&'a self, path: &'a [usize]) -> impl Iterator<Item = u8> + 'a {
        let names = path.iter().enumerate().map(|(place, name)| {
            let separator = (place > 0).then_some(b';');
            separator.into_iter().chain(self.all[*name].bytes())
        });
        names.flatten()
    }
}

/// The sum of the measured column by path, in the order of the lines; paths that sum to nothing
/// are left out.
fn fold(table: &Table, measure: Option<&str>, names: &mut Names) -> Vec<(Path, u64)> {
    let number_index = measure::column(table, measure);
    let (Some(number_index), Some(stack_index)) = (number_index, table.stack_index()) else {
        return Vec::new();
    };
    let mut sums: HashMap<Path, f64> = HashMap::new();
    for row in &table.rows {
        let (Some(Value::Stack(stack)), Some(value)) =
            (row.get(stack_index), row.get(number_index))
        else {
            continue;
        };
        *sums.entry(names.path(stack)).or_insert(0.0) += value.number().unwrap_or(0.0);
    }
    let rounded = sums
        .into_iter()
        .map(|(path, sum)| (path, sum.round() as u64));
    let mut lines: Vec<(Path, u64)> = rounded.filter(|(_, sum)| *sum > 0).collect();
    lines.sort_unstable_by(|(left, _), (right, _)| names.compare(left, right));
    lines
}

/// The frame's name without what the form uses itself: semicolons and line breaks.
fn name(frame: &Frame) -> String {
    let label = frame.label();
    let mut name = clean(&label).replace(';', ":");
    if frame.inlined {
        name.push_str("_[i]");
    }
    name
}
