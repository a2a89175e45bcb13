//! A file of rules: when to tell whom.
//!
//! ```toml
//! [[alert]]
//! kind = "live-above"            # `record --alert FILE --check` lists the kinds
//! name = "ApiTooLarge"           # by default that of the kind
//! programs = ["api", "worker-*"] # by default all
//! above = "80%"                  # the threshold
//! for = "5m"                     # how long it must hold before anybody is told
//! clear = "70%"                  # from where on it is over; by default a tenth past the threshold
//! clear_for = "5m"               # and for how long; by default as long as `for`
//! again = "1h"                   # the same is told again at most so often
//! severity = "critical"
//! actions = ["page"]             # by default all
//!
//! [[action]]
//! name = "page"
//! command = ["/usr/local/bin/page", "--now"]
//!
//! [[action]]
//! name = "chat"
//! webhook = "http://127.0.0.1:8065/hooks/memory"
//! ```

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::alert::deliver::{Action, Means};
use crate::alert::kind::{Kind, Level, Scale};
use crate::error::Error;
use crate::quantity;

/// How often the same alert about the same program is told, where a rule says nothing else.
const AGAIN_NS: u64 = 3_600_000_000_000;

/// The part of its threshold by which a value must be past it before an alert is over.
const CLEAR_SHARE: f64 = 0.1;

/// Everything that a file says.
#[derive(Debug)]
pub struct Rules {
    /// When to tell.
    pub alerts: Vec<Rule>,
    /// Whom, or by what.
    pub actions: Vec<Action>,
}

/// One alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What it is called; no other rule of the file is called so.
    pub name: String,
    /// What is watched.
    pub kind: Kind,
    /// Patterns for the programs: `*` stands for any text, `?` for one character.
    pub programs: Vec<String>,
    /// Its threshold; none where there is nothing to choose.
    pub level: Option<Level>,
    /// From where on it is over.
    pub clear: f64,
    /// Below this it is never told of.
    pub at_least: f64,
    /// How long it must hold, ns.
    pub for_ns: u64,
    /// How long it must be over, ns.
    pub clear_for_ns: u64,
    /// The least time between two tellings of the same about the same program, ns.
    pub again_ns: u64,
    /// How bad it is, in the user's words.
    pub severity: String,
    /// Places in [`Rules::actions`].
    pub actions: Vec<usize>,
}

/// The file as it is written, with every key known: a rule with a mistake watches nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    alert: Vec<Spanned<AlertText>>,
    #[serde(default)]
    action: Vec<Spanned<ActionText>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertText {
    kind: Kind,
    name: Option<String>,
    programs: Option<Vec<String>>,
    above: Option<Spanned<Quantity>>,
    below: Option<Spanned<Quantity>>,
    at_least: Option<Spanned<Quantity>>,
    r#for: Option<Spanned<String>>,
    clear: Option<Spanned<Quantity>>,
    clear_for: Option<Spanned<String>>,
    again: Option<Spanned<String>>,
    severity: Option<String>,
    actions: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionText {
    name: Spanned<String>,
    command: Option<Vec<String>>,
    shell: Option<String>,
    webhook: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    at_once: Option<Spanned<u64>>,
    per_hour: Option<u64>,
}

/// A number or a text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Quantity {
    Whole(u64),
    Number(f64),
    Text(String),
}

/// A mistake and the byte where it stands.
type Mistake = (usize, String);

impl Rules {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when there is no such file, [`Error::Content`] with the line of a mistake.
    pub fn read(path: &Path) -> Result<Rules, Error> {
        let text = fs::read_to_string(path).map_err(Error::open(path))?;
        Rules::parse(&text).map_err(|(byte, problem)| Error::Content {
            path: path.to_path_buf(),
            line: line_of(&text, byte),
            problem,
        })
    }

    /// The rules in a text, or where a mistake is and what it is.
    pub(crate) fn parse(text: &str) -> Result<Rules, Mistake> {
        let document: Document = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            (start, error.message().replace('\n', " "))
        })?;
        let mut actions: Vec<Action> = Vec::new();
        for written in document.action {
            let start = written.span().start;
            let action = action(written.into_inner(), start)?;
            if actions.iter().any(|it| it.name == action.name) {
                let problem = format!("there are two actions with the name {:?}", action.name);
                return Err((start, problem));
            }
            actions.push(action);
        }
        let mut alerts: Vec<Rule> = Vec::new();
        for written in document.alert {
            let start = written.span().start;
            let rule = rule(written.into_inner(), start, &actions)?;
            if alerts.iter().any(|it| it.name == rule.name) {
                let problem = format!(
                    "there are two alerts with the name {:?}; give one another with `name`",
                    rule.name
                );
                return Err((start, problem));
            }
            alerts.push(rule);
        }
        if alerts.is_empty() {
            return Err((0, "there is no [[alert]] in it".to_owned()));
        }
        Ok(Rules { alerts, actions })
    }
}

impl Rule {
    /// Whether the rule is about this program.
    pub fn is_about(&self, program: &str) -> bool {
        self.programs.iter().any(|it| matches(it, program))
    }
}

fn rule(text: AlertText, start: usize, actions: &[Action]) -> Result<Rule, Mistake> {
    let kind = text.kind;
    let usual = kind.usual();
    let level = threshold(&text, start)?;
    let number = level.map_or(0.0, Level::number);
    let share = if kind.is_below() { 1.0 } else { -1.0 } * CLEAR_SHARE;
    let clear = match &text.clear {
        Some(written) => clear(kind, level, written)?,
        None => number * (1.0 + share),
    };
    let at_least = match &text.at_least {
        Some(written) if usual.at_least.is_some() => quantity::bytes(&written.get_ref().text())
            .map_err(|it| (written.span().start, it))?
            as f64,
        Some(written) => {
            let problem = format!("{} has no at_least", kind.word());
            return Err((written.span().start, problem));
        }
        None => usual.at_least.unwrap_or(0.0),
    };
    let for_ns = duration(&text.r#for)?.unwrap_or(usual.for_ns);
    if kind.is_moment() && text.r#for.is_some() {
        return Err((start, format!("{} is a moment: it has no for", kind.word())));
    }
    Ok(Rule {
        name: text.name.unwrap_or_else(|| usual.name.to_owned()),
        kind,
        programs: text.programs.unwrap_or_else(|| vec!["*".to_owned()]),
        level,
        clear,
        at_least,
        for_ns,
        clear_for_ns: duration(&text.clear_for)?.unwrap_or(for_ns),
        again_ns: duration(&text.again)?.unwrap_or(AGAIN_NS),
        severity: text.severity.unwrap_or_else(|| usual.severity.to_owned()),
        actions: places(text.actions, actions)?,
    })
}

/// The threshold that was given under the right name, or else the usual one.
fn threshold(text: &AlertText, start: usize) -> Result<Option<Level>, Mistake> {
    let (kind, usual) = (text.kind, text.kind.usual());
    let word = kind.word();
    let (given, other, name, wrong) = match kind.is_below() {
        true => (&text.below, &text.above, "below", "above"),
        false => (&text.above, &text.below, "above", "below"),
    };
    if let Some(other) = other {
        let problem = format!("{word} takes no {wrong}; its threshold is `{name}`");
        return Err((other.span().start, problem));
    }
    match given {
        Some(written) => kind
            .level(&written.get_ref().text())
            .map(Some)
            .map_err(|problem| (written.span().start, problem)),
        None if usual.level.is_none() && usual.scale != Scale::Event => {
            let problem = format!("{word} needs `{name}`, such as {name} = \"80%\"");
            Err((start, problem))
        }
        None => Ok(usual.level.map(Level::Number)),
    }
}

/// The level from which on an alert is over, which must not be past its threshold.
fn clear(kind: Kind, level: Option<Level>, written: &Spanned<Quantity>) -> Result<f64, Mistake> {
    let mistake = |problem| (written.span().start, problem);
    let clear = kind.level(&written.get_ref().text()).map_err(mistake)?;
    let level = level.ok_or_else(|| mistake(format!("{} has no clear", kind.word())))?;
    if std::mem::discriminant(&clear) != std::mem::discriminant(&level) {
        let problem = "clear and the threshold must both be sizes, or both shares of the limit";
        return Err(mistake(problem.to_owned()));
    }
    let is_wrong = match kind.is_below() {
        true => clear.number() < level.number(),
        false => clear.number() > level.number(),
    };
    match is_wrong {
        true => Err(mistake(format!(
            "it would be over at {} and begin at {}",
            kind.text(clear),
            kind.text(level)
        ))),
        false => Ok(clear.number()),
    }
}

/// Which actions a rule means; all where it says nothing.
fn places(wanted: Option<Vec<Spanned<String>>>, actions: &[Action]) -> Result<Vec<usize>, Mistake> {
    let Some(wanted) = wanted else {
        return Ok((0..actions.len()).collect());
    };
    let place = |name: Spanned<String>| {
        let found = actions.iter().position(|it| it.name == *name.get_ref());
        found.ok_or_else(|| {
            let known: Vec<&str> = actions.iter().map(|it| it.name.as_str()).collect();
            let known = match known.is_empty() {
                true => "there is none".to_owned(),
                false => format!("there are {}", known.join(", ")),
            };
            let problem = format!("there is no action {:?}; {known}", name.get_ref());
            (name.span().start, problem)
        })
    };
    wanted.into_iter().map(place).collect()
}

fn action(text: ActionText, start: usize) -> Result<Action, Mistake> {
    let means = match (text.command, text.shell, text.webhook) {
        (Some(words), None, None) if words.is_empty() => {
            return Err((start, "the command has no words".to_owned()));
        }
        (Some(words), None, None) => Means::Command(words),
        (None, Some(line), None) => {
            Means::Command(["/bin/sh", "-c", &line].map(String::from).to_vec())
        }
        (None, None, Some(url)) => {
            if !url.get_ref().starts_with("http://") {
                let problem = "a webhook begins with http://; for https a proxy on this machine \
                               can carry it on";
                return Err((url.span().start, problem.to_owned()));
            }
            Means::Webhook(url.into_inner())
        }
        _ => {
            let problem = "an action is one of: command = [\"PROGRAM\", \"ARGUMENT\"], shell = \
                           \"LINE\", webhook = \"http://...\"";
            return Err((start, problem.to_owned()));
        }
    };
    let at_once = text.at_once.as_ref();
    if let Some(none) = at_once.filter(|it| !(1..=64).contains(it.get_ref())) {
        return Err((none.span().start, "at_once is from 1 to 64".to_owned()));
    }
    Ok(Action {
        name: text.name.into_inner(),
        means,
        timeout_ns: duration(&text.timeout)?.unwrap_or(Action::TIMEOUT_NS),
        at_once: at_once.map_or(Action::AT_ONCE, |it| *it.get_ref() as usize),
        per_hour: text.per_hour.unwrap_or(Action::PER_HOUR),
    })
}

fn duration(written: &Option<Spanned<String>>) -> Result<Option<u64>, Mistake> {
    let Some(written) = written else {
        return Ok(None);
    };
    let ns = quantity::duration_ns(written.get_ref());
    ns.map(Some).map_err(|it| (written.span().start, it))
}

impl Quantity {
    fn text(&self) -> String {
        match self {
            Quantity::Whole(number) => number.to_string(),
            Quantity::Number(number) => number.to_string(),
            Quantity::Text(text) => text.clone(),
        }
    }
}

/// Whether a whole name matches a pattern with `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let escaped = regex::escape(pattern).replace(r"\*", ".*");
    let pattern = format!("^(?s:{})$", escaped.replace(r"\?", "."));
    regex::Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(name))
}

/// The line, from 1, in which a byte stands.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests;
