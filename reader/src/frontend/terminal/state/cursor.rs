//! A line that is chosen, and stays chosen while lines come, go and change places.

#![forbid(unsafe_code)]

/// The chosen line of a list whose lines are known by `K`.
#[derive(Debug)]
pub(super) struct Cursor<K> {
    /// Its place.
    pub(super) place: usize,
    /// What it is; `None` while the list is empty.
    pub(super) chosen: Option<K>,
    /// Whether somebody chose it; the first line is else whichever is first.
    is_moved: bool,
}

impl<K> Default for Cursor<K> {
    fn default() -> Cursor<K> {
        Cursor {
            place: 0,
            chosen: None,
            is_moved: false,
        }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// Moves by so many lines, as far as there are any.
    pub(super) fn go(&mut self, by: isize, rows: &[K]) {
        let last = rows.len().saturating_sub(1);
        self.place = self.place.saturating_add_signed(by).min(last);
        self.chosen = rows.get(self.place).cloned();
        self.is_moved = true;
    }

    /// Finds the chosen line among others; where it is gone, its place is kept.
    pub(super) fn settle(&mut self, rows: &[K]) {
        let last = rows.len().saturating_sub(1);
        let place = match (&self.chosen, self.is_moved) {
            (Some(chosen), true) => rows.iter().position(|row| row == chosen),
            _ => Some(0),
        };
        self.place = place.unwrap_or(self.place).min(last);
        self.chosen = rows.get(self.place).cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_chosen_until_somebody_moves() {
        let mut cursor = Cursor::default();
        cursor.settle(&['a', 'b']);
        cursor.settle(&['b', 'a']);
        assert_eq!((cursor.place, cursor.chosen), (0, Some('b')));
    }

    #[test]
    fn a_chosen_line_stays_chosen_where_lines_change_places() {
        let mut cursor = Cursor::default();
        cursor.go(1, &['a', 'b', 'c']);
        cursor.settle(&['c', 'a', 'b']);
        assert_eq!((cursor.place, cursor.chosen), (2, Some('b')));
    }

    #[test]
    fn the_place_is_kept_where_the_line_is_gone() {
        let mut cursor = Cursor::default();
        cursor.go(isize::MAX, &['a', 'b', 'c']);
        cursor.settle(&['a', 'b']);
        assert_eq!((cursor.place, cursor.chosen), (1, Some('b')));
        cursor.settle(&[]);
        assert_eq!((cursor.place, cursor.chosen), (0, None));
        cursor.go(isize::MIN, &['a']);
        assert_eq!((cursor.place, cursor.chosen), (0, Some('a')));
    }
}
