//! Words of others: names, reasons and paths that a stranger chose. Here is the one place that makes them safe to show,
//! and safe as the name of a file.

/// Letters of a message that are shown at most.
const LONGEST: usize = 2000;
/// Letters of a name: a host has 64, and there is more than one worker on it.
const LONGEST_NAME: usize = 100;
/// What stands where a text was cut.
const CUT: char = '…';

/// `text` on one line. What could disturb a line or a terminal is escaped: control characters, ANSI escapes, marks that
/// change the direction of writing, letters that nobody sees. Line breaks and tabs become blanks. Only so much of it is
/// shown. Doing it twice changes nothing.
#[must_use]
pub fn one_line(text: &str) -> String {
    bounded(text, LONGEST)
}

/// As [`one_line`], as long as a name may be.
#[must_use]
pub fn name(text: &str) -> String {
    bounded(text, LONGEST_NAME)
}

/// As [`one_line`] for every line of a message of our own. All but the first are indented, so that nothing that was put
/// into the message can look like another one.
#[must_use]
pub fn lines(text: &str) -> String {
    let mut lines = text.trim_end().lines();
    let first = lines.next().map(one_line).unwrap_or_default();
    lines.fold(first, |all, line| format!("{all}\n  {}", one_line(line)))
}

/// `name` as the name of a file in a directory of ours: no path, not hidden, no longer than a file system takes. Names
/// that differ give files that differ, but for a rare chance.
#[must_use]
pub fn file_name(name: &str) -> String {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(harmless) && !name.starts_with('.') {
        return name.to_owned();
    }
    let kept = name.chars().take(LONGEST_NAME).map(|letter| if harmless(letter) { letter } else { '_' });
    format!("_{}-{:08x}", kept.collect::<String>(), checksum(name))
}

/// FNV-1a: it only keeps apart what would become the same name.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn bounded(text: &str, longest: usize) -> String {
    // What is cut away is not looked at.
    let mut letters = text.trim().char_indices();
    let (text, cut) = match letters.nth(longest) {
        Some((end, _)) => (&text.trim()[..end], true),
        None => (text.trim(), false),
    };
    let mut shown = String::with_capacity(text.len());
    // `escape_debug` knows by Unicode's tables what can be printed. It also escapes these, which can.
    for piece in text.split_inclusive(['\\', '"', '\'', '\n', '\r', '\t']) {
        let mut letters = piece.chars();
        match letters.next_back() {
            Some(letter @ ('\\' | '"' | '\'')) => {
                shown.extend(letters.as_str().escape_debug());
                shown.push(letter);
            }
            Some('\n' | '\r' | '\t') => {
                shown.extend(letters.as_str().escape_debug());
                shown.push(' ');
            }
            _ => shown.extend(piece.escape_debug()),
        }
    }
    if shown.chars().count() > longest {
        // Escapes are longer than what they stand for.
        shown = shown.chars().take(longest).collect();
        shown.push(CUT);
    } else if cut {
        shown.push(CUT);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_words_stay_as_they_are() {
        for text in ["gpu-0", "C:\\data \"x\" it's", "机器 7", "naïve é", "50 % …", "{a}"] {
            assert_eq!(one_line(text), text);
        }
    }

    #[test]
    fn what_disturbs_a_terminal_is_escaped() {
        assert_eq!(one_line("a\nb\u{1b}[2J\r\n"), "a b\\u{1b}[2J");
        assert_eq!(one_line("a\u{9b}31m\u{7}\0"), "a\\u{9b}31m\\u{7}\\0");
        assert_eq!(one_line("evil\u{202e}txt\u{2028}\u{200b}"), "evil\\u{202e}txt\\u{2028}\\u{200b}");
        assert_eq!(name("\ta\tb "), "a b");
    }

    #[test]
    fn it_is_only_so_long() {
        let long = "x".repeat(1 << 20);
        assert_eq!(name(&long), format!("{}…", "x".repeat(LONGEST_NAME)));
        assert_eq!(name(&"\u{1b}".repeat(1 << 20)).chars().count(), LONGEST_NAME + 1);
        assert_eq!(one_line(&long).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_second_line_is_no_message_of_its_own() {
        assert_eq!(lines("no such run\ncoordinator: all is well\n"), "no such run\n  coordinator: all is well");
    }

    #[test]
    fn files_stay_where_they_belong() {
        assert_eq!(file_name("local-0"), "local-0");
        assert_eq!(file_name("node.example-17"), "node.example-17");
        for wrong in ["", ".", "..", "../../etc/passwd", "/etc/passwd", ".hidden", "a/b", "a\0b", "é", &"x".repeat(300)]
        {
            let file = file_name(wrong);
            assert!(!file.contains(['/', '\0']) && !file.starts_with('.') && file.len() < 200, "{wrong:?}: {file}");
        }
        assert_ne!(file_name("a/b"), file_name("a b"));
    }

    proptest! {
        #[test]
        fn anything_becomes_one_bounded_line(text in any::<String>()) {
            for shown in [one_line(&text), name(&text)] {
                prop_assert!(!shown.contains(char::is_control));
                prop_assert!(shown.chars().count() <= LONGEST + 1);
            }
            prop_assert_eq!(one_line(&one_line(&text)), one_line(&text));
        }
    }
}
