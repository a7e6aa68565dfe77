//! What a person sees while something long is computed that is no training: how much of it is done, and time left.

use std::sync::Arc;

use precipice_lab::meter::Meter;

use super::live::{Clock, Live, Mode, View};
use crate::interrupt;
use crate::lines::{bar_line, fit, left, remaining};
use crate::numbers::duration;
use crate::screen::Size;

/// Work that is shown while it goes on.
pub struct Working {
    meter: Arc<Meter>,
    _live: Live<Metered>,
}

struct Metered {
    label: String,
    meter: Arc<Meter>,
    begun: Clock,
}

/// Work that is done before anybody wonders is not shown.
const UNSEEN_SECS: f64 = 0.3;

impl Working {
    /// On something that `label` names. From now on Ctrl-C ends the program at once: nothing is lost by that but what
    /// is being computed.
    pub fn on(label: impl Into<String>, is_quiet: bool) -> Self {
        interrupt::end_at_once();
        let meter = Arc::new(Meter::default());
        let view = Metered { label: label.into(), meter: meter.clone(), begun: Clock::start() };
        Self { meter, _live: Live::new(view, Mode::of(is_quiet)) }
    }

    /// Who is told what is done.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Metered {
    fn at(&self, seconds: f64) -> (f64, Vec<String>) {
        let (done, total) = self.meter.read();
        if total == 0 {
            return (0.0, vec![self.label.clone(), duration(seconds)]);
        }
        let share = done as f64 / total as f64;
        let left = left(remaining(done as f64, total as f64, seconds));
        (share, vec![format!("{} {:.0} %", self.label, 100.0 * share), left])
    }
}

impl View for Metered {
    fn lines(&self, size: Size) -> Vec<String> {
        let seconds = self.begun.seconds();
        if seconds < UNSEEN_SECS {
            return Vec::new();
        }
        let (share, parts) = self.at(seconds);
        vec![bar_line(share, &parts, size.width)]
    }

    fn line(&self) -> String {
        fit(&self.at(self.begun.seconds()).1, 80)
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    #[test]
    fn work_without_a_total_has_no_share_and_lines_fit() {
        let meter = Arc::new(Meter::default());
        let view = Metered { label: "measuring the network".to_owned(), meter: meter.clone(), begun: Clock::start() };
        assert_eq!(view.at(3.0), (0.0, vec!["measuring the network".to_owned(), "3.0 s".to_owned()]));
        meter.expect(200);
        meter.done(50);
        assert_eq!(view.at(3.0), (0.25, vec!["measuring the network 25 %".to_owned(), "9.0 s left".to_owned()]));
        for width in [40, 60, 80, 100, 200] {
            let line = bar_line(0.25, &view.at(3.0).1, width);
            assert!(measure_text_width(&line) <= width && line.contains("9.0 s left"), "{line}");
        }
        assert!(view.lines(Size { width: 80, height: 24 }).is_empty(), "nothing flashes up");
    }
}
