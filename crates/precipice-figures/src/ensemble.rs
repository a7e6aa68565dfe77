//! Many runs at once: accuracy with its spread over seeds, and when the jumps come.

use super::canvas::{Area, Canvas};
use super::legend::{Entry, Stroke, legend};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range};
use super::{Figure, FigureError, check, style};

/// The data of an ensemble figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// Heading of the page.
    pub title: String,
    /// What the curves show, a fraction.
    pub y_name: String,
    /// Groups of runs.
    pub members: Vec<EnsembleMember>,
}

/// Runs that differ only in their seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct EnsembleMember {
    /// What the legend says.
    pub name: String,
    /// Steps of the evaluations.
    pub steps: Vec<f64>,
    /// 10 %, 50 % and 90 % of the runs have at most this accuracy.
    pub quantiles: Vec<[f64; 3]>,
    /// Times at which runs jumped, rising.
    pub jump_times: Vec<f64>,
    /// Share of the runs that have not jumped from each of these times on.
    pub not_jumped: Vec<f64>,
    /// The last time that is known of.
    pub last: f64,
}

const ACCURACY_HEIGHT: f64 = 230.0;
const SHARE_HEIGHT: f64 = 170.0;

/// Draws median accuracy with bands from 10 % to 90 %, above the share that has not jumped.
///
/// # Errors
/// If there are no runs, no steps, steps that do not rise, or not one share for each time of a jump.
///
/// ```
/// use precipice_figures::{Ensemble, EnsembleMember, ensemble};
/// let member = EnsembleMember {
///     name: "copying".to_owned(),
///     steps: vec![0.0, 500.0, 1000.0],
///     quantiles: vec![[0.1, 0.2, 0.3], [0.2, 0.6, 0.9], [0.9, 0.95, 1.0]],
///     jump_times: vec![450.0, 600.0],
///     not_jumped: vec![0.5, 0.0],
///     last: 1000.0,
/// };
/// let figure = ensemble(&Ensemble { title: "Two runs".to_owned(), y_name: "accuracy".to_owned(), members: vec![member] })?;
/// assert!(figure.svg().contains("not yet jumped"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn ensemble(data: &Ensemble) -> Result<Figure, FigureError> {
    check::non_empty("runs", data.members.len())?;
    for member in &data.members {
        check::steps(&member.steps)?;
        check::length("not_jumped", member.not_jumped.len(), member.jump_times.len())?;
    }
    let entry = |(i, member): (usize, &EnsembleMember)| {
        let color = style::series_color(i);
        Entry { name: member.name.clone(), color, stroke: Stroke::Solid }
    };
    let entries: Vec<Entry> = data.members.iter().enumerate().map(entry).collect();
    let (mut canvas, top) = Canvas::new(style::WIDTH, &data.title);
    let left = style::PADDING + style::AXIS_SPACE;
    let right = style::WIDTH - style::PADDING - 30.0;
    let top = legend(&mut canvas, &entries, left, right, top) + 10.0;
    let upper_area = Area { left, top, width: right - left, height: ACCURACY_HEIGHT };
    let lower_area = Area { top: upper_area.bottom() + 26.0, height: SHARE_HEIGHT, ..upper_area };
    // Groups may end at different steps.
    let last = data.members.iter().flat_map(|member| member.steps.iter().copied()).fold(0.0, f64::max);
    let x = step_range(&[0.0, last]);
    let mut upper = Panel::new(upper_area, x, (0.0, 1.05));
    let mut lower = Panel::new(lower_area, x, (0.0, 1.05));
    for (member, entry) in data.members.iter().zip(&entries) {
        let of = |pick: fn(&[f64; 3]) -> f64| member.quantiles.iter().map(pick).collect::<Vec<f64>>();
        let (middle, half) = (of(|q| q[0].midpoint(q[2])), of(|q| (q[2] - q[0]) / 2.0));
        upper.band(&member.steps, &middle, &half, entry.color);
        upper.series(&member.steps, &of(|q| q[1]), entry);
        let (times, shares) = staircase(member);
        lower.series(&times, &shares, entry);
    }
    upper.draw(&mut canvas, &format!("{}, middle 80\u{202f}% of runs", data.y_name), false);
    lower.draw(&mut canvas, "not yet jumped", true);
    Ok(canvas.finish(lower_area.bottom() + STEP_AXIS_SPACE))
}

/// The corners of the share over time, from 0 to the last time.
fn staircase(member: &EnsembleMember) -> (Vec<f64>, Vec<f64>) {
    let (mut times, mut shares, mut share) = (vec![0.0], vec![1.0], 1.0);
    for (&time, &next) in member.jump_times.iter().zip(&member.not_jumped) {
        times.extend([time, time]);
        shares.extend([share, next]);
        share = next;
    }
    times.push(member.last);
    shares.push(share);
    (times, shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_drawn_and_nothing_is_refused() {
        let member = EnsembleMember {
            name: "N = 4".to_owned(),
            steps: vec![0.0, 100.0, 200.0, 300.0],
            quantiles: vec![[0.1, 0.2, 0.3], [0.2, 0.3, 0.4], [0.3, 0.8, 1.0], [0.9, 1.0, 1.0]],
            jump_times: vec![150.0],
            not_jumped: vec![0.5],
            last: 300.0,
        };
        let data = Ensemble { title: "t".to_owned(), y_name: "accuracy".to_owned(), members: vec![member] };
        let svg = ensemble(&data).unwrap().svg().to_owned();
        assert!(svg.contains("not yet jumped") && svg.contains("middle 80") && !svg.contains("10–90"));
        let corners = staircase(&data.members[0]);
        assert_eq!(corners, (vec![0.0, 150.0, 150.0, 300.0], vec![1.0, 1.0, 0.5, 0.5]));
        let mut torn = data.clone();
        torn.members[0].not_jumped.clear();
        assert!(ensemble(&torn).is_err());
        assert!(ensemble(&Ensemble { members: Vec::new(), ..data }).is_err());
    }

    #[test]
    fn a_name_longer_than_the_panel_is_broken() {
        let member = EnsembleMember {
            name: "s = 1".to_owned(),
            steps: vec![0.0, 100.0],
            quantiles: vec![[0.1, 0.2, 0.3]; 2],
            jump_times: Vec::new(),
            not_jumped: Vec::new(),
            last: 100.0,
        };
        let y_name = "share of the loss that is explained".to_owned();
        let data = Ensemble { title: "t".to_owned(), y_name, members: vec![member] };
        let svg = ensemble(&data).unwrap().svg().to_owned();
        let turned = svg.split("<text").filter(|tag| tag.contains("rotate(-90"));
        let words = turned.map(|tag| &tag[tag.find('>').unwrap() + 1..tag.find("</").unwrap()]);
        let widths: Vec<f64> = words.map(|line| crate::text::width(line, style::BODY_SIZE)).collect();
        assert_eq!(widths.len(), 3, "two lines, and the lower panel's one");
        assert!(widths.iter().all(|width| *width <= ACCURACY_HEIGHT), "{widths:?}");
    }
}
