//! How the cost of a step grows with context, width, batch and threads.

use precipice::spec::RunSpec;
use precipice_figures as figure;
use serde::Serialize;

use crate::input::spec_file;
use crate::runs::threads;

/// One point of the growth of cost.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// What varies.
    pub axis: &'static str,
    /// Its value.
    pub value: usize,
    /// What was measured.
    pub steps_per_s: f64,
}

/// The default network, varied along one axis at a time, with the threads to time it with.
pub fn growth_tasks() -> Vec<(Growth, RunSpec, usize)> {
    type Axis = (&'static str, &'static [usize], fn(usize) -> Option<String>);
    let axes: [Axis; 4] = [
        ("N", &[4, 8, 16, 32], |n| Some(format!("task.copying.n_exemplars={n}"))),
        ("d_item", &[16, 32, 64, 128, 256], |d| Some(format!("task.copying.d_item={d}"))),
        ("batch", &[32, 64, 128, 256, 512], |s| Some(format!("train.batch_size={s}"))),
        ("threads", &[1, 2, 4, 8], |_| None),
    ];
    let mut tasks = Vec::new();
    for (axis, values, change) in axes {
        for &value in values {
            if axis == "threads" && value > threads::available() {
                continue;
            }
            let overrides = std::iter::once("model.d_pos=65".to_owned()).chain(change(value)).collect();
            let changes = spec_file::Changes { overrides, ..spec_file::Changes::default() };
            let spec = spec_file::load("copying", &changes).expect("a varied built-in is valid");
            tasks.push((
                Growth { axis, value, steps_per_s: f64::NAN },
                spec,
                if axis == "threads" { value } else { 1 },
            ));
        }
    }
    tasks
}

/// Milliseconds a step against each axis.
pub fn growth_figure(rows: &[Growth]) -> figure::Growth {
    let panel = |rows: &[Growth]| figure::GrowthPanel {
        x_name: rows[0].axis.to_owned(),
        points: rows.iter().map(|row| (row.value as f64, 1e3 / row.steps_per_s)).collect(),
    };
    figure::Growth {
        title: "Cost of a training step · default network, 65 positions".to_owned(),
        y_name: "milliseconds a step".to_owned(),
        panels: rows.chunk_by(|a, b| a.axis == b.axis).map(panel).collect(),
    }
}
