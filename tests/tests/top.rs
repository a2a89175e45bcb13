//! `top` in a real terminal: tmux is the terminal, a program under the preload is what it shows.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Running, Scene, artefacts, is_installed, program, skip};

/// A terminal with `top` in it; it is closed when this is dropped.
struct Screen {
    server: String,
}

impl Screen {
    /// Starts `top ARGUMENTS` for the segments of a scene; `before` and `after` are what the
    /// terminal's settings were before and after it.
    fn open(scene: &Scene, arguments: &str) -> Screen {
        // A server of its own for each: one that is closing takes no new terminals.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = scene.segment_dir();
        let screen = Screen {
            server: format!("memshim-{}-{number}", std::process::id()),
        };
        let script = format!(
            "echo before $(stty -g); env MEMSHIM_DIR='{}' {arguments} '{}' top {}; \
             echo status $?; echo after $(stty -g); exec cat",
            dir.display(),
            artefacts().reader.display(),
            "--every 200ms",
        );
        screen.tmux(&["new-session", "-d", "-x", "120", "-y", "32", &script]);
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        // No settings of the user, and UTF-8 whatever the locale.
        let known = ["-u", "-f", "/dev/null", "-L", &self.server];
        let output: Output = Command::new("tmux")
            .args(known)
            .args(arguments)
            .env_remove("TMUX")
            .output()
            .expect("tmux starts");
        assert!(
            output.status.success(),
            "tmux {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and returns its text.
    fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let text = self.text();
            if is_so(&text) {
                return text;
            }
            assert!(begin.elapsed() < TIME_LIMIT, "no {what} on\n{text}");
        }
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Checks that the program ended with this status and left the terminal as it was.
    fn assert_given_back(&self, status: &str) {
        self.wait_for("after ");
        // A terminal that was small for a while has put lines away, and wrapped others.
        let text = self.tmux(&["capture-pane", "-p", "-J", "-S", "-"]);
        // tmux may join a full line that it put away to the one after it.
        let line = |start: &str| -> String {
            let rest = text.split_once(start).map(|(_, rest)| rest);
            let rest = rest.unwrap_or_else(|| panic!("no {start} in\n{text}"));
            rest.lines().next().unwrap_or("").to_owned()
        };
        assert_eq!(line("before "), line("after "));
        assert_eq!(line("status "), status);
        let flags = self.tmux(&["display", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(flags.trim(), "0 1", "the first page, and a cursor");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let known = ["-L", &self.server, "kill-server"];
        drop(Command::new("tmux").args(known).env_remove("TMUX").output());
    }
}

/// A program that leaks in `leak_slowly` and churns in `churn`, for longer than any test.
fn leaker(scene: &Scene) -> Running {
    let launch = scene.preloaded(program("leak_kinds.c")).interval("exact");
    let running = launch.arg("600000").start();
    let list = || scene.reader(["list"]).run().success().stdout;
    let begin = Instant::now();
    while !list().contains("leak_kinds") {
        assert!(begin.elapsed() < TIME_LIMIT, "no segment");
    }
    running
}

fn has_tmux() -> bool {
    let has = is_installed("tmux");
    if !has {
        skip("tmux is not installed");
    }
    has
}

#[test]
fn top_shows_who_allocates_and_follows_keys() {
    if !has_tmux() {
        return;
    }
    let scene = Scene::new();
    let running = leaker(&scene);
    let screen = Screen::open(&scene, "");
    let list = screen.wait_for("leak_kinds");
    assert!(list.contains(&running.pid.to_string()), "{list}");

    screen.press("Enter");
    screen.wait_for("fill_at_start < main");
    // Where the chosen call is written.
    screen.wait_for("leak_kinds.c:");
    screen.wait("curve", |text| text.contains('\u{2588}'));

    screen.press("s");
    screen.wait_for("growth\u{25bc}");
    screen.press("s");
    // Churn allocates most by far.
    let first = |text: &str| {
        let mut rows = text
            .lines()
            .skip_while(|line| !line.contains("allocates\u{25bc}"));
        rows.nth(1).is_some_and(|row| row.contains("churn < main"))
    };
    screen.wait("churn on top", first);

    screen.press("/");
    screen.tmux(&["send-keys", "-l", "GROW_vec"]);
    screen.wait_for("filter: GROW_vec_");
    screen.press("Enter");
    screen.wait("only one row", |text| {
        text.contains("grow_vector <") && !text.contains("churn <")
    });
    screen.press("Escape");
    screen.wait_for("churn < main");

    screen.press("?");
    screen.wait_for("what a call stack gained each second");
    screen.press("?");
    screen.press("p");
    screen.wait_for("PAUSED");
    screen.press("Escape");
    screen.wait_for("1 running");
    // What is opened is read once even then.
    screen.press("Enter");
    screen.wait_for("fill_at_start < main");
    screen.wait_for("PAUSED");

    screen.press("q");
    screen.assert_given_back("0");
}

#[test]
fn top_fits_the_terminal_when_that_changes() {
    if !has_tmux() {
        return;
    }
    let scene = Scene::new();
    let _running = leaker(&scene);
    let screen = Screen::open(&scene, "");
    screen.wait_for("allocates");
    screen.tmux(&["resize-window", "-x", "50", "-y", "8"]);
    // The least wanted columns leave, and the line of keys moves up.
    screen.wait("small screen", |text| {
        text.contains("leaks") && !text.contains("cost") && text.lines().count() <= 8
    });
    screen.press("Enter");
    screen.wait_for("growth");
    screen.tmux(&["resize-window", "-x", "160", "-y", "50"]);
    screen.wait("large screen", |text| {
        text.contains("leak rate") && text.contains("leak_kinds.c:")
    });
    screen.press("q");
    screen.assert_given_back("0");
}

#[test]
fn top_gives_the_terminal_back_when_it_is_told_to_end() {
    if !has_tmux() {
        return;
    }
    for (signal, status) in [("TERM", "143"), ("INT", "130"), ("HUP", "129")] {
        let scene = Scene::new();
        let _running = leaker(&scene);
        let screen = Screen::open(&scene, "");
        screen.wait_for("leak_kinds");
        let shell = screen.tmux(&["display", "-p", "#{pane_pid}"]);
        let done = Command::new("pkill")
            .args(["-P", shell.trim(), &format!("-{signal}")])
            .status()
            .expect("pkill starts");
        assert!(done.success(), "no child of the shell");
        screen.assert_given_back(status);
    }
}

#[test]
fn top_has_no_colours_where_the_user_wants_none() {
    if !has_tmux() {
        return;
    }
    let scene = Scene::new();
    let _running = leaker(&scene);
    // Colours of letters are the codes from 30 to 37 and from 90 to 97, or 38 with a number.
    let has_colours = |text: &str| {
        let codes = text
            .split("\u{1b}[")
            .skip(1)
            .filter_map(|rest| rest.split('m').next());
        let mut codes = codes.flat_map(|codes| codes.split(';'));
        codes.any(|code| matches!(code.parse(), Ok(30..=38 | 90..=97)))
    };
    for (settings, expected) in [("", true), ("NO_COLOR=1", false)] {
        let screen = Screen::open(&scene, settings);
        screen.wait_for("leak_kinds");
        screen.press("Enter");
        screen.wait("curve", |text| text.contains('\u{2588}'));
        let drawn = screen.tmux(&["capture-pane", "-p", "-e"]);
        assert_eq!(has_colours(&drawn), expected, "{settings}\n{drawn}");
        screen.press("q");
        screen.assert_given_back("0");
    }
}

#[test]
fn top_prints_once_where_there_is_no_terminal() {
    let scene = Scene::new();
    let running = leaker(&scene);
    let list = scene.reader(["top"]).run().success().stdout;
    let row = list.lines().find(|line| line.contains("leak_kinds"));
    let row = row.unwrap_or_else(|| panic!("no row in\n{list}"));
    assert!(row.contains(&running.pid.to_string()), "{row}");
    assert!(row.contains("exact"), "{row}");
    assert!(!list.contains('\u{1b}'), "{list}");
    let pid = running.pid.to_string();
    let opened = scene.reader(["top", &pid]).run().success().stdout;
    assert!(opened.contains("fill_at_start < main"), "{opened}");
    assert!(opened.contains("leak_kinds.c:"), "{opened}");
}

#[test]
fn top_says_when_nobody_is_profiled() {
    let scene = Scene::new();
    let text = scene.reader(["top"]).run().success().stdout;
    assert!(text.contains("no running process is profiled"), "{text}");
    let outcome = scene.reader(["top", "no-such-file.seg"]).run();
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.stderr);
    assert!(outcome.one_error_line().contains("no-such-file.seg"));
}
