//! The lower end of the terminal: a block of lines that is drawn again and again, and what is printed above it.
//!
//! There is one block at a time, and everything that the program prints goes by here, so that nothing is written into
//! it and nothing of it is left when the program is ended.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use console::{Term, measure_text_width, truncate_str};

/// Of the terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters that a line may have.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// Where nobody tells.
const USUAL: Size = Size { width: 79, height: 24 };
/// Of text that goes to a file.
const TEXT_WIDTH: usize = 80;
/// A terminal that says that it has no columns is none.
const WIDTH_MIN: usize = 10;

static TERMINAL: LazyLock<Term> = LazyLock::new(Term::buffered_stderr);
/// Widths of the lines that stand there.
static BLOCK: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Whether there is a terminal that lines can be drawn on again and again.
pub fn is_live() -> bool {
    TERMINAL.is_term() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// The terminal's size as it is now. The last column stays free: some terminals begin a new line behind it.
pub fn size() -> Size {
    let Some((height, width)) = TERMINAL.size_checked() else { return USUAL };
    Size { width: usize::from(width).saturating_sub(1).max(WIDTH_MIN), height: usize::from(height) }
}

/// Characters of a line of text on standard output: the terminal's, or 80.
pub fn text_width() -> usize {
    let terminal = Term::stdout();
    let size = terminal.size_checked().filter(|_| terminal.is_term());
    size.map_or(TEXT_WIDTH, |(_, width)| usize::from(width).max(WIDTH_MIN))
}

/// Draws the block in place of the one that stands there.
pub fn draw(lines: &[String]) {
    let (mut block, Size { width, height }) = (lock(), size());
    erase(&mut block);
    // What has left the screen cannot be taken back.
    for line in lines.iter().take(height.saturating_sub(1)) {
        let line = truncate_str(line, width, "…");
        block.push(measure_text_width(&line));
        let _ = TERMINAL.write_line(&line);
    }
    let _ = TERMINAL.flush();
}

/// Takes the block away.
pub fn clear() {
    erase(&mut lock());
    let _ = TERMINAL.flush();
}

/// Writes something, above the block where there is one; whoever draws it draws it again.
pub fn above<R>(write: impl FnOnce() -> R) -> R {
    let mut block = lock();
    erase(&mut block);
    let _ = TERMINAL.flush();
    write()
}

fn lock() -> MutexGuard<'static, Vec<usize>> {
    BLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn erase(block: &mut Vec<usize>) {
    if block.is_empty() {
        return;
    }
    // A terminal that has become narrower has broken the lines.
    let columns = size().width + 1;
    let n_rows: usize = block.drain(..).map(|width| width.div_ceil(columns).max(1)).sum();
    // Nobody looking is no reason to stop.
    let _ = TERMINAL.move_cursor_up(n_rows);
    let _ = TERMINAL.write_str("\r");
    let _ = TERMINAL.clear_to_end_of_screen();
}
