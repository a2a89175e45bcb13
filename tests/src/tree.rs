//! The source tree as data, for the tests that hold rules about the code.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace_root;

/// One file of the repository.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path from the root, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A function of a Rust file, as far as its layout tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Lines from its signature to its closing brace.
    pub lines: usize,
}

/// Every text file that git tracks or would track; files that are no UTF-8 are left out.
pub fn source_files() -> Vec<SourceFile> {
    let root = workspace_root();
    let paths = tracked_paths(&root).unwrap_or_else(|| walk(&root));
    let read = |path: String| {
        let text = std::fs::read_to_string(root.join(&path)).ok()?;
        Some(SourceFile { path, text })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Every Rust file of the members, the test programs included.
pub fn rust_files() -> Vec<SourceFile> {
    source_files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .collect()
}

impl SourceFile {
    /// The functions of a formatted Rust file: each ends at the brace in its own column.
    pub fn functions(&self) -> Vec<Function> {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut functions = Vec::new();
        for (start, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else {
                continue;
            };
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            let is_one_line = line.ends_with(';') || line.ends_with('}');
            let rest = if is_one_line {
                Some(0)
            } else {
                lines[start..].iter().position(|line| *line == end)
            };
            if let Some(length) = rest {
                functions.push(Function {
                    name,
                    lines: length + 1,
                });
            }
        }
        functions
    }

    /// The lines that are code, with their numbers from one: neither comments nor doc comments.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The name behind `fn` on a line that begins a function.
fn function_name(line: &str) -> Option<String> {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") {
        return None;
    }
    let mut words = trimmed.split_whitespace();
    const BEFORE: &[&str] = &["pub", "const", "unsafe", "extern", "\"C\"", "async"];
    let is_qualifier =
        |word: &str| BEFORE.contains(&word) || word.starts_with("pub(") || word.starts_with("#[");
    let first = words.by_ref().find(|word| !is_qualifier(word))?;
    if first != "fn" {
        return None;
    }
    let name = words.next()?;
    let end = name.find(|character: char| !character.is_alphanumeric() && character != '_');
    Some(name[..end.unwrap_or(name.len())].to_string())
}

/// What git knows, and what it would add; nothing where there is no repository.
fn tracked_paths(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .env_remove("LD_PRELOAD")
        .output()
        .ok()?;
    let listed = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = listed
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(String::from)
        .collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walk(root: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&dir)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = dir.join(&name);
            if name.starts_with("target") || name == ".git" {
                continue;
            }
            match root.join(&path).is_dir() {
                true => pending.push(path),
                false => paths.push(path.to_string_lossy().into_owned()),
            }
        }
    }
    paths
}
