//! Lines of a given width: a bar, parts that fit, parts that are broken over several lines.

use console::{measure_text_width, style};

use crate::numbers::duration;

/// What stands between two parts.
const BETWEEN: &str = " · ";

/// A bar of so many characters.
pub fn bar(share: f64, width: usize) -> String {
    let n_full = ((share.clamp(0.0, 1.0) * width as f64).round() as usize).min(width);
    let (full, rest) = ("━".repeat(n_full), "─".repeat(width - n_full));
    format!("{}{}", style(full).for_stderr().cyan(), style(rest).for_stderr().dim())
}

/// The parts that fit into a line, the first ones before the others; one that is too long leaves the shorter ones after
/// it their room.
pub fn fit(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let needed = measure_text_width(part) + if line.is_empty() { 0 } else { BETWEEN.chars().count() };
        if measure_text_width(&line) + needed <= width {
            line += if line.is_empty() { "" } else { BETWEEN };
            line += part;
        }
    }
    line
}

/// All parts, broken over as many lines as they need, with an indent.
pub fn flow(parts: &[String], indent: &str, width: usize) -> Vec<String> {
    broken(parts, BETWEEN, indent, width)
}

/// Lines that are longer than a width, broken between words; a longer word has a line of its own, and so has a command
/// between backticks, which can be pasted. What hangs over begins below the line's text, and then with `indent`.
pub fn wrap(text: &str, indent: &str, width: usize) -> String {
    let of_line = |line: &str| {
        if measure_text_width(line) <= width {
            return line.to_owned();
        }
        let begin = line.len() - line.trim_start_matches(' ').len();
        let words = words(&line[begin..]);
        let hang = format!("{}{indent}", &line[..begin]);
        let mut lines = broken(&words, " ", "", width.saturating_sub(hang.len()).max(1));
        lines
            .iter_mut()
            .enumerate()
            .for_each(|(i, line)| line.insert_str(0, if i == 0 { &hang[..begin] } else { &hang }));
        lines.join("\n")
    };
    text.split('\n').map(of_line).collect::<Vec<_>>().join("\n")
}

/// What must not be broken: words, and all between two backticks.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in line.split(' ') {
        match words.last_mut().filter(|_| is_open) {
            Some(last) => *last += &format!(" {word}"),
            None => words.push(word.to_owned()),
        }
        is_open ^= word.matches('`').count() % 2 == 1;
    }
    words
}

fn broken(parts: &[String], between: &str, indent: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let is_room =
            |line: &String| measure_text_width(line) + measure_text_width(between) + measure_text_width(part) <= width;
        match lines.last_mut().filter(|line| is_room(line)) {
            Some(line) => *line += &format!("{between}{part}"),
            None => lines.push(format!("{indent}{part}")),
        }
    }
    lines
}

/// The bar with what stands behind it. In a narrow terminal the bar gives way before the first two parts do.
pub fn bar_line(share: f64, parts: &[String], width: usize) -> String {
    const LONGEST: usize = 40;
    const SHORTEST: usize = 8;
    let width_of = |part: &String| measure_text_width(part) + BETWEEN.chars().count();
    let needed: usize = parts.iter().take(2).map(width_of).sum();
    let all: usize = parts.iter().map(width_of).sum();
    let room = width.saturating_sub(all + 1).clamp(SHORTEST, LONGEST);
    if needed + SHORTEST > width + 2 {
        return fit(parts, width);
    }
    format!("{} {}", bar(share, room), fit(parts, width - room - 1))
}

/// "1 min 15 s left", or that nobody knows yet.
pub fn left(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "time left: not known yet".to_owned(), |seconds| format!("{} left", duration(seconds)))
}

/// Seconds left at the mean rate so far; none before there is one.
///
/// A fifth of a second is too short to tell.
pub fn remaining(done: f64, total: f64, seconds: f64) -> Option<f64> {
    (done > 0.0 && seconds > 0.2).then(|| seconds * (total - done).max(0.0) / done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: [usize; 5] = [40, 60, 80, 100, 200];

    fn parts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn lines_fit_every_width() {
        let many = parts(&["1,234,567,890/9,999,999,999 steps", "12 h 34 min left", "1234 steps/s", "batch loss .123"]);
        for width in WIDTHS.into_iter().chain(1..40) {
            assert!(measure_text_width(&fit(&many, width)) <= width);
            assert!(measure_text_width(&bar_line(0.5, &many, width)) <= width, "{width}");
        }
        assert_eq!(fit(&many, 33), many[0]);
        for width in WIDTHS {
            let lines = flow(&many, "    ", width);
            assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{lines:?}");
            assert!(many.iter().all(|part| lines.iter().any(|line| line.contains(part))), "nothing is left out");
        }
    }

    #[test]
    fn commands_are_not_broken() {
        let text = "is not finished; go on with `precipice run a/spec.toml --out a --resume` or not";
        let told = wrap(text, "  ", 30);
        let command = "  `precipice run a/spec.toml --out a --resume`";
        assert_eq!(told.lines().collect::<Vec<_>>(), ["is not finished; go on with", command, "  or not"]);
    }

    #[test]
    fn text_is_broken_between_words_and_keeps_them() {
        let text =
            "a plateau at .125 (1/N = .125) that ended at step 1,200\nsecond /a/path/that/is/longer/than/the/line";
        for width in [10, 20, 40, 80] {
            let told = wrap(text, "  ", width);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&told), words(text));
            let is_short = |line: &str| line.chars().count() <= width || line.trim().split(' ').count() == 1;
            assert!(told.lines().all(is_short), "{told}");
        }
        assert_eq!(wrap("a b c", "  ", 80), "a b c");
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let full = |share| bar(share, 10).matches('━').count();
        assert_eq!([full(0.0), full(0.5), full(1.0), full(7.0), full(f64::NAN)], [0, 5, 10, 10, 0]);
    }

    #[test]
    fn time_left_is_that_of_the_mean_rate() {
        assert_eq!(remaining(25.0, 100.0, 10.0), Some(30.0));
        assert_eq!([remaining(0.0, 100.0, 10.0), remaining(5.0, 100.0, 0.1)], [None, None]);
        assert_eq!(remaining(120.0, 100.0, 10.0), Some(0.0));
    }
}
