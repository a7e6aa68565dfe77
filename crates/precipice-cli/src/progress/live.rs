//! Something that goes on, shown while it does: drawn ten times a second on a terminal, told every five seconds
//! elsewhere, by a thread of its own, so that the screen moves whatever the work is busy with.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::output::note;
use crate::screen::{self, Size};

/// What is shown of something that goes on.
pub trait View: Send + 'static {
    /// On a terminal of this size.
    fn lines(&self, size: Size) -> Vec<String>;

    /// Where there is no terminal.
    fn line(&self) -> String;

    /// What stays on the terminal at the end.
    fn remains(&self, _: Size) -> Vec<String> {
        Vec::new()
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Silent,
    /// Lines from time to time.
    Lines,
    /// A block that is drawn again and again.
    Live,
}

impl Mode {
    /// What standard error is.
    pub fn of(is_quiet: bool) -> Self {
        match is_quiet {
            true => Mode::Silent,
            false if screen::is_live() => Mode::Live,
            false => Mode::Lines,
        }
    }
}

/// Time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Time to the first line, and between lines.
const FIRST_LINE: Duration = Duration::from_secs(1);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A view that is shown until it is dropped.
pub struct Live<V: View> {
    view: Arc<Mutex<V>>,
    mode: Mode,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl<V: View> Live<V> {
    /// Shows it.
    pub fn new(view: V, mode: Mode) -> Self {
        let view = Arc::new(Mutex::new(view));
        let ticker = (mode != Mode::Silent).then(|| {
            let ((end, ended), view) = (channel(), view.clone());
            let every = if mode == Mode::Live { DRAW_EVERY } else { LINE_EVERY };
            let show = move || {
                let mut wait = if mode == Mode::Live { Duration::ZERO } else { FIRST_LINE };
                while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                    match mode {
                        Mode::Live => {
                            let lines = locked(&view).lines(screen::size());
                            screen::draw(&lines);
                        }
                        _ => {
                            let line = locked(&view).line();
                            note(&line);
                        }
                    }
                    wait = every;
                }
            };
            (end, thread::spawn(show))
        });
        Self { view, mode, ticker }
    }

    /// How much is shown.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The view, to change it.
    pub fn view(&self) -> MutexGuard<'_, V> {
        locked(&self.view)
    }
}

fn locked<V>(view: &Mutex<V>) -> MutexGuard<'_, V> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the block away; what is to stay stays.
impl<V: View> Drop for Live<V> {
    fn drop(&mut self) {
        let Some((end, ticker)) = self.ticker.take() else { return };
        drop(end);
        // A view that panicked has shown what it could.
        let _ = ticker.join();
        if self.mode == Mode::Live {
            let remains = self.view().remains(screen::size());
            screen::clear();
            remains.iter().for_each(|line| note(line));
        }
    }
}

/// How fast something goes.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// From now on.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds so far.
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
