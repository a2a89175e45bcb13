//! What a file of rules may say, and what is said of one with a mistake.

use super::*;

fn check_mistake(text: &str, line: usize, part: &str) {
    match Rules::parse(text) {
        Err((byte, problem)) => {
            assert_eq!(line_of(text, byte), line, "{text}: {problem}");
            assert!(problem.contains(part), "{text}: {problem}");
        }
        Ok(rules) => panic!("{text:?} was read as {rules:?}"),
    }
}

#[test]
fn a_rule_without_thresholds_has_those_of_its_kind() {
    let rules = Rules::parse("[[alert]]\nkind = \"leak-suspected\"\n").expect("a good file");
    let rule = &rules.alerts[0];
    assert_eq!(rule.name, "MemshimLeakSuspected");
    assert_eq!(rule.level, Some(Level::Number(16_777_216.0)));
    assert!((rule.clear - 15_099_494.4).abs() < 1.0);
    assert_eq!(rule.for_ns, 600_000_000_000);
    assert_eq!(rule.clear_for_ns, rule.for_ns);
    assert!(rule.is_about("anything"));
}

#[test]
fn a_rule_may_say_everything() {
    let text = "[[alert]]\nkind = \"live-above\"\nname = \"Big\"\nprograms = [\"api\", \"w-*\"]\n\
                above = \"80%\"\nfor = \"1m\"\nclear = \"70%\"\nclear_for = \"2m\"\nagain = \"1d\"\n\
                severity = \"page\"\nactions = [\"b\"]\n\
                [[action]]\nname = \"a\"\nwebhook = \"http://h/\"\n\
                [[action]]\nname = \"b\"\ncommand = [\"x\"]\ntimeout = \"5s\"\nat_once = 1\n";
    let rules = Rules::parse(text).expect("a good file");
    let rule = &rules.alerts[0];
    assert_eq!(rule.level, Some(Level::ShareOfLimit(80.0)));
    assert_eq!((rule.clear, rule.clear_for_ns), (70.0, 120_000_000_000));
    assert_eq!(rule.actions, [1]);
    assert_eq!(rules.actions[1].timeout_ns, 5_000_000_000);
    for (program, expected) in [("api", true), ("w-1", true), ("api2", false), ("w", false)] {
        assert_eq!(rule.is_about(program), expected, "{program}");
    }
}

#[test]
fn a_mistake_has_its_line_and_says_what_is_known() {
    let leak = "[[alert]]\nkind = \"leak-suspected\"\n";
    check_mistake("", 1, "no [[alert]]");
    check_mistake("[[alert]]\nkind = \"leek\"\n", 2, "`leak-suspected`");
    check_mistake(&format!("{leak}abvoe = 3\n"), 3, "`above`");
    check_mistake(&format!("{leak}below = 3\n"), 3, "`above`");
    check_mistake(&format!("{leak}above = \"much\"\n"), 3, "no size");
    check_mistake(&format!("{leak}for = \"5\"\n"), 3, "no duration");
    check_mistake(
        &format!("{leak}clear = \"1GiB\"\n"),
        3,
        "be over at 1.0 GiB a day",
    );
    check_mistake(&format!("{leak}at_least = 3\n"), 3, "no at_least");
    check_mistake(&format!("{leak}actions = [\"x\"]\n"), 3, "there is none");
    check_mistake(&format!("{leak}\n{leak}"), 4, "two alerts");
    check_mistake("[[alert]]\nkind = \"live-above\"\n", 1, "needs `above`");
    let shares = "[[alert]]\nkind = \"live-above\"\nabove = \"80%\"\nclear = \"1MiB\"\n";
    check_mistake(shares, 4, "both");
    let moment = "[[alert]]\nkind = \"mark-passed\"\nfor = \"1s\"\n";
    check_mistake(moment, 1, "a moment");
}

#[test]
fn an_action_does_one_thing() {
    let action = |text: &str| format!("[[action]]\nname = \"a\"\n{text}\n");
    check_mistake(&action(""), 1, "one of");
    check_mistake(&action("command = []"), 1, "no words");
    check_mistake(&action("webhook = \"https://x\""), 3, "http://");
    check_mistake(&action("shell = \"a\"\ncommand = [\"b\"]"), 1, "one of");
    check_mistake(&action("command = [\"b\"]\nat_once = 0"), 4, "1 to 64");
    check_mistake(&action("command = [\"b\"]\ntimeout = \"x\""), 4, "duration");
    let twice = action("shell = \"a\"").repeat(2);
    check_mistake(&twice, 4, "two actions");
}
