//! What the keys do and what the columns mean.

#![forbid(unsafe_code)]

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::frontend::terminal::draw::bold;

const HELP: &str = "\
Up Down k j   choose a line; PgUp PgDn Home End go further
Enter         open the process
Esc           drop the filter, then go back to the processes
s             sort by the next column; it is marked
/             filter: processes by name or id, call stacks by function,
              file, module or verdict
d             show processes that ended, too
p             pause: nothing is read until p is pressed again
q Ctrl-C      quit

live          what is on the heap, with its 95 % interval
change        how much more is live each second, over ten seconds
allocates     bytes asked for each second
leaks         call stacks that leak or grow without end; .. is not known yet
lost          samples, stacks or events that memshim could not keep
cost          what memshim takes of the program's processor time
growth        what a call stack gained each second, over the last minute
verdict       whether it leaks, as `memshim-reader leaks --help` explains";

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect) {
    let mut lines = vec![Line::styled("memshim top   help", bold()), Line::default()];
    lines.extend(HELP.lines().map(Line::from));
    frame.render_widget(Paragraph::new(lines), area);
}
