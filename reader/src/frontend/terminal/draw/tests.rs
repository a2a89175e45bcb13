//! Screens as files; `UPDATE=1` writes them anew.

use std::path::PathBuf;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::sites::resampled;
use super::*;
use crate::frontend::terminal::draw::scenes::{opened, processes};

fn drawn(state: &State, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal
        .draw(|frame| draw(state, frame))
        .expect("memory can be drawn on");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    let line = |row: &[ratatui::buffer::Cell]| -> String {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    };
    rows.map(line).collect()
}

/// Compares a screen of this size with the file of this name.
fn check(name: &str, state: &State, width: u16, height: u16) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/frontend/terminal/draw/screens")
        .join(name);
    let text = text(&drawn(state, width, height));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the sources are writable");
    }
    let expected = std::fs::read_to_string(&file).expect("a screen");
    assert_eq!(text, expected, "{name} is\n{text}");
}

fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        state.press(&KeyEvent::from(KeyCode::Char(key)));
    }
}

#[test]
fn processes_fit_a_wide_screen_and_a_usual_one_and_a_small_one() {
    let mut state = processes();
    press(&mut state, "d");
    check("processes-150.txt", &state, 150, 8);
    check("processes-80.txt", &state, 80, 8);
    check("processes-40.txt", &state, 40, 5);
}

#[test]
fn a_process_fits_a_wide_screen_and_a_usual_one_and_a_small_one() {
    let mut state = opened();
    press(&mut state, "j");
    check("sites-120.txt", &state, 120, 30);
    check("sites-80.txt", &state, 80, 24);
    check("sites-40.txt", &state, 40, 9);
}

#[test]
fn help_says_what_keys_do() {
    let mut state = processes();
    press(&mut state, "?");
    check("help-80.txt", &state, 80, 24);
}

#[test]
fn a_filter_is_seen_while_it_is_written_and_afterwards() {
    let mut state = processes();
    press(&mut state, "/red");
    check("filter-80.txt", &state, 80, 8);
}

#[test]
fn who_sees_nobody_is_told_what_to_do() {
    let mut state = State::new(false);
    state.take(crate::frontend::terminal::news::News::Processes(Vec::new()));
    check("nobody-80.txt", &state, 80, 8);
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(1, 1), (2, 30), (200, 2), (7, 7), (300, 100)] {
        for state in [processes(), opened()] {
            drawn(&state, width, height);
        }
    }
}

#[test]
fn without_colour_no_cell_has_one() {
    for (has_colour, expected) in [(true, true), (false, false)] {
        let mut state = opened();
        state.has_colour = has_colour;
        let buffer = drawn(&state, 120, 30);
        let is_coloured = |cell: &ratatui::buffer::Cell| {
            let colours = [cell.fg, cell.bg];
            colours.iter().any(|colour| *colour != Color::Reset)
        };
        assert_eq!(buffer.content().iter().any(is_coloured), expected);
    }
}

#[test]
fn the_colours_are_among_the_sixteen() {
    for state in [processes(), opened()] {
        let buffer = drawn(&state, 150, 30);
        let is_other = |colour: Color| matches!(colour, Color::Rgb(..) | Color::Indexed(_));
        let cells = buffer.content();
        assert!(
            !cells
                .iter()
                .any(|cell| is_other(cell.fg) || is_other(cell.bg))
        );
    }
}

#[test]
fn the_chosen_line_is_on_the_screen_however_long_the_list() {
    let mut state = opened();
    press(&mut state, "G");
    let text = text(&drawn(&state, 120, 9));
    assert!(text.contains("churn"), "{text}");
}

#[test]
fn a_curve_keeps_its_height_between_two_points_and_its_peaks() {
    let curve = [
        (0.0, 0.0),
        (1.0, 10.0),
        (2.1, 90.0),
        (2.2, 5.0),
        (10.0, 7.0),
    ];
    assert_eq!(resampled(&curve, 5), [10, 90, 5, 5, 7]);
    assert_eq!(resampled(&[], 5), [0; 0]);
    assert_eq!(resampled(&[(3.0, 4.0)], 2), [4, 4]);
}
