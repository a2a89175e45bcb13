//! What keys and news do to the screen's state.

use super::*;
use crate::frontend::terminal::draw::scenes::{opened, processes};

fn press(state: &mut State, keys: &[KeyCode]) -> Vec<Reaction> {
    let keys = keys.iter();
    keys.map(|key| state.press(&KeyEvent::from(*key))).collect()
}

fn listed(state: &State) -> Vec<u32> {
    let rows = state.listed().into_iter();
    rows.map(|row| row.followed.glance.pid).collect()
}

fn rows(state: &State) -> Vec<u64> {
    let opened = state.opened.as_ref().expect("a process is open");
    let rows = opened.listed(state.site_order).into_iter();
    rows.map(|row| row.row).collect()
}

#[test]
fn processes_stand_in_the_order_that_s_chooses() {
    let mut state = processes();
    assert_eq!(listed(&state), [200, 100, 300]);
    press(&mut state, &[KeyCode::Char('s')]);
    assert_eq!(listed(&state), [100, 300, 200]);
    press(&mut state, &[KeyCode::Char('s'); 4]);
    assert_eq!(listed(&state), [200, 100, 300]);
}

#[test]
fn ended_processes_are_listed_last_and_only_when_asked_for() {
    let mut state = processes();
    press(&mut state, &[KeyCode::Char('d')]);
    assert_eq!(listed(&state), [200, 100, 300, 400]);
}

#[test]
fn enter_opens_the_chosen_process_and_escape_goes_back() {
    let mut state = processes();
    let reactions = press(&mut state, &[KeyCode::Down, KeyCode::Enter, KeyCode::Esc]);
    let path = PathBuf::from("100-1-0.seg");
    let expected = [
        Reaction::None,
        Reaction::Wish(Wish::Open(path)),
        Reaction::Wish(Wish::Close),
    ];
    assert_eq!(reactions, expected);
}

#[test]
fn letters_of_a_filter_are_no_commands() {
    let mut state = processes();
    let keys = ['/', 'q', 's', '?'].map(KeyCode::Char);
    assert_eq!(press(&mut state, &keys), vec![Reaction::None; 4]);
    assert_eq!(state.filter, "qs?");
    press(&mut state, &[KeyCode::Esc]);
    assert_eq!(state.filter, "");
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), [Reaction::Quit]);
}

#[test]
fn a_filter_leaves_the_processes_whose_name_or_id_has_it() {
    let mut state = processes();
    press(&mut state, &['/', 'R', 'E', 'D'].map(KeyCode::Char));
    assert_eq!(listed(&state), [100]);
    press(&mut state, &[KeyCode::Esc]);
    press(&mut state, &['/', '3'].map(KeyCode::Char));
    assert_eq!(listed(&state), [300]);
}

#[test]
fn call_stacks_stand_in_the_order_that_s_chooses() {
    let mut state = opened();
    assert_eq!(rows(&state), [1, 2, 3]);
    press(&mut state, &[KeyCode::Char('s')]);
    assert_eq!(rows(&state), [2, 1, 3]);
    press(&mut state, &[KeyCode::Char('s')]);
    assert_eq!(rows(&state), [3, 2, 1]);
    press(&mut state, &[KeyCode::Char('s')]);
    assert_eq!(rows(&state), [2, 1, 3]);
}

#[test]
fn call_stacks_are_filtered_by_any_of_their_names() {
    for (filter, expected) in [
        ("READ_line", vec![2]),
        ("reader.c", vec![2]),
        ("libc", vec![1, 2]),
        ("startup", vec![1]),
        ("nowhere", vec![]),
    ] {
        let mut state = opened();
        press(&mut state, &[KeyCode::Char('/')]);
        for letter in filter.chars() {
            press(&mut state, &[KeyCode::Char(letter)]);
        }
        assert_eq!(rows(&state), expected, "{filter}");
    }
}

#[test]
fn news_of_another_process_than_the_open_one_are_dropped() {
    let mut state = opened();
    let before = rows(&state);
    state.take(News::Unreadable {
        path: PathBuf::from("9-9-0.seg"),
        why: "it is gone".to_owned(),
    });
    let opened = state.opened.as_ref().expect("a process is open");
    assert_eq!(opened.problem, None);
    assert_eq!(rows(&state), before);
}

#[test]
fn pausing_is_told_to_the_thread_that_reads() {
    let mut state = processes();
    let keys = [KeyCode::Char('p'); 2];
    let expected = [true, false].map(|is_paused| Reaction::Wish(Wish::Pause(is_paused)));
    assert_eq!(press(&mut state, &keys), expected);
}
